"""``zipsel score``: every row's alignment, as Parquet or Dolma attributes, or with its row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zipsel.console.safe_text import printable
from zipsel.errors import OutputError, UsageError
from zipsel.output.manifest import MANIFEST, Manifest, SideFile, read_manifest, refuse_foreign
from zipsel.output.subset_file import with_field
from zipsel.pool.formats import STDIN
from zipsel.pool.shards import Shard
from zipsel.readers import fetch
from zipsel.readers.convert import to_json
from zipsel.readers.reading import Reading
from zipsel.readers.schemas import ConversionError
from zipsel.scoring.rejects import encode_rejects
from zipsel.scoring.run import Run
from zipsel.scoring.settings import ScoreOutput
from zipsel.scoring.sidecar import Part, column_values, iter_tables, score_table
from zipsel.storage.staging import Staging, staged_files


def write_scores(
    run: Run, output: ScoreOutput, pool: Sequence[Shard], parts: Sequence[Part]
) -> None:
    """Write the scores of a pool as asked for: lines, tables or dolma attributes."""
    if output.path == STDIN:
        _write_lines(run, parts, output.add_field)
    elif output.path is not None:
        with staged_files(run.settings.work_dir) as staging:
            _stage_manifest(staging, output, pool, parts)
            names = score_file_names(output, pool)
            columns = ["alignment", "offset"] if output.format == "dolma" else None
            for shard, of_shard in _iter_scored(parts, columns):
                path = os.path.join(output.path, names[shard.index])
                if output.format == "dolma":
                    from zipsel.output.dolma import write_attributes

                    reading = run.settings.reading
                    write_attributes(staging.add(path), of_shard, output.add_field, reading)
                else:
                    _write_table(staging.add(path), of_shard)
            with staging.open(os.path.join(output.path, rejects_name(output))) as file:
                file.writelines(encode_rejects(parts))
            staging.commit()


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


def _stage_manifest(
    staging: Staging, output: ScoreOutput, pool: Sequence[Shard], parts: Sequence[Part]
) -> None:
    """Stage the manifest before the files that it lists; files of earlier runs stay listed."""
    path = os.path.join(str(output.path), manifest_name(output))
    names = score_file_names(output, pool)
    written = {names[part.shard.index] for part in parts} | {rejects_name(output)}
    before = read_manifest(path)
    written |= before.names if before is not None else set()
    manifest = Manifest("score", side_files=[SideFile(name) for name in sorted(written)])
    with staging.open(path) as file:
        file.write(manifest.encode())


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
            writer = pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table.select(writer.schema.names).cast(writer.schema))
    if writer is not None:
        writer.close()


def _write_lines(run: Run, parts: Sequence[Part], add_field: str) -> None:
    """Each accepted row with its alignment, in input order."""
    for shard, of_shard in _iter_scored(parts, ["alignment", "offset"]):
        rows, values = _accepted(of_shard)
        lines: Iterator[bytes]
        if shard.is_table:
            lines = _table_lines(shard, rows, run.settings.reading)
        else:
            lines = fetch.iter_lines(shard, rows, run.settings.reading)
        for line, value in zip(lines, map(float, values), strict=True):
            run.stdout.write(with_field(line, add_field, value) + b"\n")
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
