"""Read rows again that pass one found, unchanged.

Pass two reads chosen rows by where pass one found them: a JSON line by its byte offset in the
decompressed stream, the row of a table by its number. A shard that ends before a row, or cannot be
read so far, is a ``ShardError``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zipsel.errors import ShardError, UsageError
from zipsel.pool.shards import Shard, open_shard
from zipsel.readers import reader_of
from zipsel.readers.json_rows import RowParser
from zipsel.readers.reading import Reading, TextSpec
from zipsel.readers.row_text import take_text
from zipsel.readers.rows import RowError
from zipsel.readers.shard import iter_shard

_TABLE_BYTES = 64 << 20


def iter_lines(shard: Shard, offsets: NDArray[np.int64], reading: Reading) -> Iterator[bytes]:
    """Yield the lines that begin at ascending byte offsets, without their newlines."""
    return reader_of(shard).take(shard, offsets, reading)


def iter_tables(shard: Shard, rows: NDArray[np.int64], reading: Reading) -> Iterator[pa.Table]:
    """Yield ascending rows of a table, all columns, some 64 MB at a time."""
    held: list[pa.RecordBatch] = []
    n_bytes = 0
    for batch in reader_of(shard).take(shard, rows, reading):
        held.append(batch)
        n_bytes += batch.nbytes
        if n_bytes >= _TABLE_BYTES:
            yield pa.Table.from_batches(held)
            held, n_bytes = [], 0
    if held:
        yield pa.Table.from_batches(held)


def parse_record(name: str) -> tuple[str, int]:
    """Cut ``SHARD:ROW`` in two; a ``UsageError`` if it is not that."""
    shard, _, row = name.rpartition(":")
    if not shard or not row.isascii() or not row.isdigit():
        raise UsageError(f"--record {name!r}: write SHARD:ROW, such as pool/part-0.jsonl:17")
    return shard, int(row)


def read_record(path: str, row: int, reading: Reading) -> str:
    """The text of one row, unless the shard refuses it."""
    shard = open_shard(path, 0)
    n_rows = 0
    for rows in iter_shard(shard, reading):
        at = row - n_rows
        if at < rows.n_rows:
            if at in rows.rejects:
                raise ShardError(path, f"row {row} is refused: {rows.rejects[at][0]}")
            text = rows.texts.take(np.flatnonzero(rows.accepted == at))
            return next(text.iter_texts())
        n_rows += rows.n_rows
    raise ShardError(path, f"has no row {row}: it has {n_rows:,}, counted from 0")


def iter_found(
    shard: Shard, rows: Sequence[int], offsets: Sequence[int | None], reading: Reading
) -> Iterator[tuple[int, str]]:
    """Yield ``(position, text)`` of rows of one shard that are known to have a text.

    ``offsets`` are byte offsets of the lines; None for tables.

    Raises:
        ShardError: If the shard cannot be read, or has changed so that a row has no text.
    """
    try:
        if shard.is_table:
            by_row = np.argsort(np.array(rows, np.int64), kind="stable")
            position = 0
            for table in iter_tables(shard, np.array(rows, np.int64)[by_row], reading):
                for i in range(len(table)):
                    yield int(by_row[position]), text_of_row(table, i, reading.text)
                    position += 1
            return
        places = np.array([offset or 0 for offset in offsets], np.int64)
        by_place = np.argsort(places, kind="stable")
        parser = RowParser(reading.text)
        lines = iter_lines(shard, places[by_place], reading)
        for at, line in zip(by_place.tolist(), lines, strict=False):
            yield at, parser.parse(line)[0]
    except RowError as error:
        raise ShardError(
            shard.path, f"has changed since the run: a row is {error.reason} now"
        ) from None


def text_of_row(table: pa.Table, i: int, spec: TextSpec) -> str:
    """The text of a table's row, of which pass one knows that it has one."""
    from zipsel.readers.columns import column_of, decode_binary  # loads pyarrow.compute

    names = {column_of(table.column_names, path) for path in spec.paths}
    row = {name: table[name][i].as_py() for name in table.column_names if name in names}
    return take_text(decode_binary(row, spec), spec)
