"""``zipsel score``: every row's alignment, as Parquet or Dolma attributes, or with its row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pyarrow.parquet as pq

from zipsel.output.subset import with_field
from zipsel.pool.formats import STDIN
from zipsel.pool.shards import Shard
from zipsel.readers import fetch
from zipsel.scoring.rejects import encode_rejects
from zipsel.scoring.run import Run
from zipsel.scoring.settings import ScoreOutput
from zipsel.scoring.sidecar import Part, column_values, read_columns, score_table
from zipsel.storage.staging import staged_files


def write_scores(
    run: Run, output: ScoreOutput, pool: Sequence[Shard], parts: Sequence[Part]
) -> None:
    """Write the scores of a pool as asked for: lines, tables or dolma attributes."""
    if output.path == STDIN:
        _write_lines(run, pool, parts, output.add_field)
    elif output.path is not None:
        with staged_files(run.settings.work_dir) as staging:
            for path, of_shard in _iter_files(output, pool, parts):
                if output.format == "dolma":
                    from zipsel.output.dolma import write_attributes

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
