"""``zipsel score``: every row's alignment, as Parquet beside nothing or as JSON lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pyarrow.parquet as pq

from zipsel.engines.local import LocalEngine
from zipsel.errors import UsageError
from zipsel.files import temporary_sibling
from zipsel.fitting import open_profile, profile_key
from zipsel.pipeline import Run, score_job
from zipsel.readers import fetch
from zipsel.rejects import check_rejects, encode_rejects
from zipsel.report.summary import human_bytes
from zipsel.scores import Part, column_values, read_columns, score_table
from zipsel.scoring import PoolScores, score_pool
from zipsel.shards import STDIN, Shard
from zipsel.workdir import WorkDir
from zipsel.writers import with_field


def run_score(run: Run, output: str, add_field: str) -> PoolScores:
    """Score a pool and write what ``output`` names.

    A directory gets ``SHARD.scores.parquet`` for each shard, at the shard's place below the
    pool's common directory, one row per input row in input order; and ``rejects.jsonl``.

    Raises:
        ZipselError: As the stages do.
    """
    settings, work_dir = run.settings, WorkDir(run.settings.work_dir)
    shards, missing = run.find_pool()
    if os.path.isfile(output):
        raise UsageError(f"--output {output} is a file; score writes a directory, or - for lines")
    with work_dir.locked(settings.lock), LocalEngine(settings.workers) as engine:
        engine.start()
        key, target = profile_key(settings, shards)
        profile_path, profile = open_profile(settings, key, target, shards, work_dir)
        job = score_job(settings, work_dir, profile_path, profile, None)
        stored_bytes = sum(shard.n_bytes for shard in shards)
        with run.stage("score"), run.log.progress("scoring", stored_bytes) as progress:
            scores = score_pool(
                engine,
                job,
                shards,
                skip_bad=settings.on_bad_file != "stop",
                force=run.force,
                advance=progress.advance,
            )
        scores.bad_shards.extend(missing)
        check_rejects(scores, settings)
        with run.stage("write"):
            if output == STDIN:
                _write_lines(run, shards, scores.parts, add_field)
            else:
                _write_tables(output, shards, scores.parts)
    run.log.say(
        "scored",
        f"{scores.n_rows:,} rows, {scores.n_rejected:,} refused, {human_bytes(scores.n_bytes)} "
        f"of text in {run.stages['score']:.1f} s",
        n_rows=scores.n_rows,
        n_rejected=scores.n_rejected,
        n_bytes=scores.n_bytes,
    )
    return scores


def _parts_of(parts: Sequence[Part], shard: Shard) -> list[Part]:
    return [part for part in parts if part.shard.index == shard.index]


def _write_tables(output: str, shards: Sequence[Shard], parts: Sequence[Part]) -> None:
    directories = [os.path.dirname(os.path.abspath(shard.path)) for shard in shards]
    common = os.path.commonpath(directories) if directories else ""
    for shard in shards:
        name = os.path.relpath(os.path.abspath(shard.path), common) + ".scores.parquet"
        of_shard = _parts_of(parts, shard)
        if not of_shard:
            continue
        with temporary_sibling(os.path.join(output, name)) as temporary:
            writer: pq.ParquetWriter | None = None
            for part in of_shard:
                table = score_table(part)
                if writer is None:
                    writer = pq.ParquetWriter(temporary, table.schema, compression="zstd")
                writer.write_table(table.select(writer.schema.names).cast(writer.schema))
            if writer is not None:
                writer.close()
    with temporary_sibling(os.path.join(output, "rejects.jsonl")) as temporary:
        with open(temporary, "wb") as file:
            file.writelines(encode_rejects(parts))


def _write_lines(run: Run, shards: Sequence[Shard], parts: Sequence[Part], add_field: str) -> None:
    """Each accepted row with its alignment, in input order."""
    for shard in shards:
        for part in _parts_of(parts, shard):
            table = read_columns(part, ["alignment", "offset"])
            alignment = column_values(table, "alignment", np.nan)
            accepted = np.flatnonzero(~np.isnan(alignment))
            values = alignment[accepted].tolist()
            lines: Iterator[bytes]
            if shard.format == "parquet":
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
