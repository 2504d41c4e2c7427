"""``zipsel score``: every row's alignment, as Parquet or Dolma attributes, or with its row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zipsel import __version__
from zipsel.console.safe_text import name_some, printable
from zipsel.errors import OutputError, UsageError
from zipsel.output.manifest import MANIFEST, Manifest, SideFile, read_manifest, refuse_foreign
from zipsel.output.subset_file import AddedField, sha256_of
from zipsel.pool.formats import STDIN
from zipsel.pool.shards import Shard
from zipsel.readers import fetch
from zipsel.readers.convert import to_json
from zipsel.readers.reading import Reading
from zipsel.readers.schemas import ConversionError
from zipsel.scoring.plan import PoolScores
from zipsel.scoring.rejects import encode_rejects
from zipsel.scoring.run import Run
from zipsel.scoring.settings import ScoreOutput
from zipsel.scoring.sidecar import Part, column_values, iter_tables, score_table
from zipsel.storage import paths
from zipsel.storage.remote import is_remote
from zipsel.storage.staging import Staging, staged_files
from zipsel.storage.workdir import digest_of

#: Rows of a shard whose file gains nothing by compression, which takes half the time to write it.
_TINY_ROWS = 32
_TINY_OPTIONS = {"compression": "none", "use_dictionary": False}

#: Names that a message lists.
_N_SHOWN = 5


def write_scores(run: Run, output: ScoreOutput, pool: Sequence[Shard], scores: PoolScores) -> None:
    """Write the scores of a pool as asked for: lines, tables or dolma attributes.

    Of a directory, files stay that hold what would be written: those of shards known before.
    """
    if output.path == STDIN:
        _write_lines(run, scores.parts, output.add_field)
    elif output.path is not None:
        names = score_file_names(output, pool)
        made = {
            names[part.shard.index]: _digest_of(output, scores.key, part.shard)
            for part in scores.parts
        }
        kept = {} if run.force else _find_kept(output, made)
        new = [part for part in scores.parts if names[part.shard.index] not in kept]
        with staged_files(run.settings.work_dir) as staging:
            manifest = staging.add(os.path.join(output.path, manifest_name(output)))
            written = _stage_files(run, output, names, new, staging)
            with staging.open(os.path.join(output.path, rejects_name(output))) as file:
                file.writelines(encode_rejects(scores.parts))
            files = {
                name: SideFile(name, sha256_of(temporary), made[name])
                for name, temporary in written.items()
            }
            files[rejects_name(output)] = SideFile(rejects_name(output))
            with open(manifest, "xb") as file:
                file.write(_encode_manifest(output, kept | files))
                file.flush()
                os.fsync(file.fileno())
            before = read_manifest(os.path.join(output.path, manifest_name(output)))
            staging.commit()
        ours = {*files, *(made if output.share is None else names.values())}
        _say_left(run, output, set() if before is None else before.names - ours)


def _say_left(run: Run, output: ScoreOutput, listed: set[str]) -> None:
    """Say which files of earlier runs are still there that this one has nothing to do with."""
    here = paths.list_files(str(output.path), below=True) if listed else []
    left = sorted(listed.intersection(here))
    if left:
        run.log.say(
            "left",
            f"{output.path} still holds files of earlier runs, of shards that were not scored "
            f"now: {name_some(left, _N_SHOWN)}; remove them if all of it is read together",
            files=left,
            level="warning",
        )


def _digest_of(output: ScoreOutput, key: str, shard: Shard) -> str:
    """Digest of everything that decides what a shard's file holds."""
    return digest_of(
        [__version__, pa.__version__, key, shard.fingerprint, output.format, output.add_field]
    )


def _find_kept(output: ScoreOutput, made: Mapping[str, str]) -> dict[str, SideFile]:
    """Files of an earlier run that are what this one would write, by name."""
    before = read_manifest(os.path.join(str(output.path), manifest_name(output)))
    if before is None or is_remote(str(output.path)):
        return {}
    return {
        file.name: file
        for file in before.side_files
        if file.made and file.made == made.get(file.name) and _is_whole(output, file)
    }


def _is_whole(output: ScoreOutput, file: SideFile) -> bool:
    try:
        return sha256_of(os.path.join(str(output.path), file.name)) == file.sha256
    except OSError:
        return False


def _stage_files(
    run: Run,
    output: ScoreOutput,
    names: Mapping[int, str],
    parts: Sequence[Part],
    staging: Staging,
) -> dict[str, str]:
    """Write a file for each shard of some parts; returns name → temporary file."""
    written = {}
    columns = ["alignment", "offset"] if output.format == "dolma" else None
    for shard, of_shard in _iter_scored(parts, columns):
        name = names[shard.index]
        written[name] = staging.add(os.path.join(str(output.path), name))
        if output.format == "dolma":
            from zipsel.output.dolma import write_attributes

            reading = run.settings.reading
            write_attributes(written[name], of_shard, output.add_field, reading)
        else:
            _write_table(written[name], of_shard)
    return written


def score_file_names(output: ScoreOutput, pool: Sequence[Shard]) -> dict[int, str]:
    """Index of each shard → its file: at the shard's place below the pool's common directory.

    Raises:
        UsageError: If two files would have one name.
    """
    suffix = ".scores.parquet" if output.format == "parquet" else ""
    absolute = {name: os.path.abspath(name) for name in {os.path.dirname(s.path) for s in pool}}
    common = os.path.commonpath(absolute.values()) if absolute else ""
    below = {name: os.path.relpath(path, common) for name, path in absolute.items()}
    names = {
        shard.index: os.path.normpath(
            os.path.join(below[os.path.dirname(shard.path)], os.path.basename(shard.path) + suffix)
        )
        for shard in pool
    }
    taken = sorted({rejects_name(output), manifest_name(output)} & set(names.values()))
    if taken:
        raise UsageError(f"{taken[0]} is the name of a file that score writes; rename the shard")
    return names


def manifest_name(output: ScoreOutput) -> str:
    """Name of the manifest; each share of the pool has its own."""
    return MANIFEST if output.share is None else f"manifest-{output.share}.json"


def refuse_foreign_scores(output: ScoreOutput, pool: Sequence[Shard]) -> None:
    """Raise ``UsageError`` if a file stands in the output directory that zipsel did not write."""
    if output.path not in (None, STDIN):
        names = {*score_file_names(output, pool).values(), rejects_name(output)}
        names.add(manifest_name(output))
        refuse_foreign(f"--output {output.path}", str(output.path), "score", names.__contains__)


def _encode_manifest(output: ScoreOutput, files: Mapping[str, SideFile]) -> bytes:
    """The manifest, which comes before the files that it lists; those of earlier runs stay listed.

    A run that is killed between them leaves files whose digests are not those listed.
    """
    before = read_manifest(os.path.join(str(output.path), manifest_name(output)))
    listed = {} if before is None else {name: SideFile(name) for name in before.names}
    listed |= files
    return Manifest("score", side_files=[listed[name] for name in sorted(listed)]).encode()


def rejects_name(output: ScoreOutput) -> str:
    """Name of the file of refused rows."""
    return "rejects.jsonl" if output.share is None else f"rejects-{output.share}.jsonl"


def _iter_scored(
    parts: Sequence[Part], columns: Sequence[str] | None
) -> Iterator[tuple[Shard, list[tuple[Part, pa.Table]]]]:
    """Each scored shard with its parts and some of their columns, or all.

    Parts come in order of shard and chunk.
    """
    for _, of_shard in groupby(iter_tables(parts, columns), key=lambda found: found[0].shard.index):
        found = list(of_shard)
        yield found[0][0].shard, found


def _write_table(path: str, parts: Sequence[tuple[Part, pa.Table]]) -> None:
    writer: pq.ParquetWriter | None = None
    for part, columns in parts:
        table = score_table(part, columns)
        if writer is None:
            is_tiny = len(parts) == 1 and table.num_rows <= _TINY_ROWS
            options = _TINY_OPTIONS if is_tiny else {"compression": "zstd"}
            writer = pq.ParquetWriter(path, table.schema, **options)
        if table.schema != writer.schema:
            table = table.select(writer.schema.names).cast(writer.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _write_lines(run: Run, parts: Sequence[Part], add_field: str) -> None:
    """Each accepted row with its alignment, in input order."""
    field = AddedField(add_field)
    for shard, of_shard in _iter_scored(parts, ["alignment", "offset"]):
        rows, values = _accepted(of_shard)
        lines: Iterator[bytes]
        if shard.is_table:
            lines = _table_lines(shard, rows, run.settings.reading)
        else:
            lines = fetch.iter_lines(shard, rows, run.settings.reading)
        for line, value in zip(lines, map(float, values), strict=True):
            run.stdout.write(field.append(line, value) + b"\n")
    run.stdout.flush()


def _table_lines(shard: Shard, rows: NDArray[np.int64], reading: Reading) -> Iterator[bytes]:
    first = 0
    for table in fetch.iter_tables(shard, rows, reading):
        try:
            yield from to_json(table)
        except ConversionError as error:
            row = int(rows[first + error.row])
            raise OutputError(
                f"{printable(shard.path)} row {row} cannot be written as JSON: {error.problem}; "
                "write scores without rows instead: --output DIR"
            ) from None
        first += len(table)


def _accepted(
    parts: Sequence[tuple[Part, pa.Table]],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places and alignments of a shard's accepted rows: row numbers of tables, else byte offsets.

    All parts of a shard are fetched at once: a compressed shard is then decompressed once, not
    once a part.
    """
    places, values = [], []
    for part, table in parts:
        alignment = column_values(table, "alignment", np.nan)
        accepted = np.flatnonzero(~np.isnan(alignment))
        is_table = part.shard.is_table
        offsets = column_values(table, "offset", -1)
        places.append(accepted + part.first_row if is_table else offsets[accepted])
        values.append(alignment[accepted])
    return np.concatenate(places), np.concatenate(values)
