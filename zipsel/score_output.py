"""``zipsel score``: every row's alignment, as Parquet or Dolma attributes, or with its row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec
import numpy as np
import pyarrow.parquet as pq

from zipsel.engines import Engine
from zipsel.errors import UsageError
from zipsel.files import staged_files
from zipsel.fitting import open_profile, profile_key
from zipsel.passes import score_job, score_shards
from zipsel.readers import fetch
from zipsel.rejects import check_rejects, encode_rejects
from zipsel.report.summary import human_bytes
from zipsel.run import Run
from zipsel.scores import Part, column_values, read_columns, score_table
from zipsel.scoring import PoolScores
from zipsel.settings import ScoreOutput
from zipsel.shards import STDIN, Shard
from zipsel.shares import Deal, deal
from zipsel.storage import is_remote
from zipsel.stores import Store
from zipsel.tasks import ScoreTask
from zipsel.uploads import check_writable
from zipsel.workdir import WorkDir
from zipsel.writers import with_field


def run_score(run: Run, engine: Engine, output: ScoreOutput) -> PoolScores:
    """Score a pool, or a share of it, and write what is asked for.

    A directory gets ``SHARD.scores.parquet`` for each shard, at the shard's place below the
    pool's common directory, one row per input row in input order; and ``rejects.jsonl``. With a
    share other processes may score theirs at the same time; whether too many rows were refused
    is then left to ``select``, which sees all of them. A shard is cut among shares only if no
    file of its own is wanted.

    Raises:
        ZipselError: As the stages do.
    """
    settings, work_dir = run.settings, WorkDir(run.settings.work_dir)
    pool, missing = run.find_pool()
    _check_output(output, pool)
    if settings.store is not None:
        Store(settings.store, settings.work_dir).check_writable()
    if output.path is not None and is_remote(output.path):
        check_writable(os.path.join(output.path, "rejects.jsonl"))
    dealt = None
    if output.share is not None:
        dealt = deal(output.share, pool, may_cut=output.path is None)
        _say_lumps(run, dealt)
    shards = pool if dealt is None else dealt.shards
    with (
        work_dir.locked(settings.lock, shared=dealt is not None, on_wait=run.say_waiting),
        engine,
    ):
        given = [settings.profile] if settings.profile is not None else []
        engine.check_paths(work_dir.path, [shard.path for shard in shards], given)
        key, target = profile_key(settings, pool)
        with work_dir.alone(key):
            profile_path, profile = open_profile(settings, key, target, pool, work_dir)
        job = score_job(settings, work_dir, profile_path, profile, None)
        scores = score_shards(run, engine, job, shards, partial(_is_dealt, dealt))
        if dealt is not None:
            scores.parts = [p for p in scores.parts if dealt.has(p.shard, p.summary.index)]
        else:
            scores.bad_shards.extend(missing)
            check_rejects(scores, settings)
        with run.stage("write"):
            _write(run, output, pool, scores.parts)
    of_pool = "" if dealt is None else f" in {len(shards):,} of {len(pool):,} shards"
    run.log.say(
        "scored",
        f"{scores.n_rows:,} rows{of_pool}, {scores.n_rejected:,} refused, "
        f"{human_bytes(scores.n_bytes)} of text in {run.stages['score']:.1f} s",
        n_rows=scores.n_rows,
        n_rejected=scores.n_rejected,
        n_bytes=scores.n_bytes,
        n_shards=len(shards),
    )
    return scores


def _is_dealt(dealt: Deal | None, task: ScoreTask) -> bool:
    """Whether a task is among this process's."""
    if dealt is None or task.chunk is None:
        return True
    return dealt.has(task.shard, task.chunk if isinstance(task.chunk, int) else task.chunk.index)


def _check_output(output: ScoreOutput, shards: Sequence[Shard]) -> None:
    if output.path is not None and os.path.isfile(output.path):
        raise UsageError(
            f"--output {output.path} is a file; score writes a directory, or - for lines"
        )
    if output.format == "dolma":
        from zipsel.integrations.dolma import check_shards

        check_shards(shards)


def _say_lumps(run: Run, dealt: Deal) -> None:
    """Say which shards keep one process longer at work than the others."""
    for shard in dealt.lumps:
        if dealt.share.rank == 0 or shard in dealt.shards:
            run.log.say(
                "uneven",
                f"{shard.path} is more than a fair share and goes to one rank whole: it is "
                "cut only if it is uncompressed and no --output is asked for",
                shard=shard.path,
            )


def _write(run: Run, output: ScoreOutput, pool: Sequence[Shard], parts: Sequence[Part]) -> None:
    if output.path == STDIN:
        _write_lines(run, pool, parts, output.add_field)
    elif output.path is not None:
        with staged_files(run.settings.work_dir) as staging:
            for path, of_shard in _iter_files(output, pool, parts):
                if output.format == "dolma":
                    from zipsel.integrations.dolma import write_attributes

                    text, read = run.settings.text, run.settings.read
                    write_attributes(staging.add(path), of_shard, output.add_field, text, read)
                else:
                    _write_table(staging.add(path), of_shard)
            name = "rejects.jsonl" if output.share is None else f"rejects-{output.share}.jsonl"
            with staging.open(os.path.join(output.path, name)) as file:
                file.writelines(encode_rejects(parts))
            staging.commit()


def _iter_files(
    output: ScoreOutput, pool: Sequence[Shard], parts: Sequence[Part]
) -> Iterator[tuple[str, list[Part]]]:
    """The file of each scored shard, where the shard stands below the pool's common directory."""
    suffix = ".scores.parquet" if output.format == "parquet" else ""
    directories = [os.path.dirname(os.path.abspath(shard.path)) for shard in pool]
    common = os.path.commonpath(directories) if directories else ""
    for shard in pool:
        of_shard = _parts_of(parts, shard)
        if of_shard:
            name = os.path.relpath(os.path.abspath(shard.path), common) + suffix
            yield os.path.join(output.path or "", name), of_shard


def _parts_of(parts: Sequence[Part], shard: Shard) -> list[Part]:
    return [part for part in parts if part.shard.index == shard.index]


def _write_table(path: str, parts: Sequence[Part]) -> None:
    writer: pq.ParquetWriter | None = None
    for part in parts:
        table = score_table(part)
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table.select(writer.schema.names).cast(writer.schema))
    if writer is not None:
        writer.close()


def _write_lines(run: Run, shards: Sequence[Shard], parts: Sequence[Part], add_field: str) -> None:
    """Each accepted row with its alignment, in input order."""
    for shard in shards:
        for part in _parts_of(parts, shard):
            table = read_columns(part, ["alignment", "offset"])
            alignment = column_values(table, "alignment", np.nan)
            accepted = np.flatnonzero(~np.isnan(alignment))
            values = alignment[accepted].tolist()
            lines: Iterator[bytes]
            if shard.is_table:
                rows = accepted + part.first_row
                lines = (
                    msgspec.json.encode(row, enc_hook=str)
                    for table in fetch.iter_tables(shard, rows)
                    for row in table.to_pylist()
                )
            else:
                offsets = column_values(table, "offset", -1)[accepted]
                lines = fetch.iter_lines(
                    shard, offsets, long_windows=run.settings.read.long_windows
                )
            for line, value in zip(lines, values, strict=True):
                run.stdout.write(with_field(line, add_field, value) + b"\n")
    run.stdout.flush()
