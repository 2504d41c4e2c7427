"""Rows that are already known to exist, as they stand in their shard.

Pass two reads chosen rows by where pass one found them: the byte offset of a JSON line in the
decompressed stream (or of a CSV row), the row number in a Parquet or Arrow file. Plain files are
read only where a chosen row stands; tables only in row groups or batches that hold one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zipsel.errors import ShardError, UsageError
from zipsel.pool.shards import Shard, open_raw, open_shard
from zipsel.readers import tables
from zipsel.readers.decompress import iter_pieces, until_damage
from zipsel.readers.json_rows import RowParser
from zipsel.readers.lines import BOM
from zipsel.readers.row_text import take_text
from zipsel.readers.rows import Reading, RowError, TextSpec
from zipsel.readers.whole import iter_shard

_TABLE_BYTES = 64 << 20


def iter_lines(shard: Shard, offsets: NDArray[np.int64], reading: Reading) -> Iterator[bytes]:
    """Yield the lines that begin at ascending byte offsets, without their newlines.

    Rows of CSV become JSON objects of strings.

    A stream that is damaged behind the last of them was salvaged by pass one and is fine here.

    Raises:
        ShardError: If the shard cannot be read so far.
    """
    if shard.is_delimited:
        from zipsel.readers import csv_columns  # loads pyarrow.compute

        yield from csv_columns.iter_objects(shard, offsets, reading)
        return
    with open_raw(shard) as file:
        if shard.seekable:
            for offset in offsets.tolist():
                file.seek(offset)
                yield _clean(file.readline(), offset)
            return
        pieces = iter_pieces(file, shard.path, shard.compression, zstd_long=reading.zstd_long)
        damage: list[str] = []
        n_lines = 0
        for line in _cut_lines(until_damage(pieces, damage), map(int, offsets)):
            yield line
            n_lines += 1
        if n_lines < len(offsets):
            problem = damage[0] if damage else "ends before a row that was scored"
            raise ShardError(shard.path, problem)


def _cut_lines(pieces: Iterator[bytes], offsets: Iterable[int]) -> Iterator[bytes]:
    """Yield the lines that begin at ascending offsets; each byte of a line is copied once."""
    held, start = b"", 0
    for offset in offsets:
        while start + len(held) <= offset:
            start += len(held)
            held = next(pieces, b"")
            if not held:
                return
        position = offset - start
        line: list[bytes] = []
        while (newline := held.find(b"\n", position)) < 0:
            line.append(held[position:])
            start, position = start + len(held), 0
            held = next(pieces, b"")
            if not held:
                break
        else:
            line.append(held[position:newline])
        yield _clean(b"".join(line), offset)


def _clean(line: bytes, offset: int) -> bytes:
    line = line.removesuffix(b"\n")
    return line.removeprefix(BOM) if offset == 0 else line


def iter_tables(shard: Shard, rows: NDArray[np.int64]) -> Iterator[pa.Table]:
    """Yield ascending rows of a Parquet or Arrow file, all columns, some 64 MB at a time.

    Raises:
        ShardError: If the shard cannot be read.
    """
    yield from _join(_iter_taken(shard, rows))


def _iter_taken(shard: Shard, rows: NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
    from zipsel.readers import tables  # loads pyarrow.compute

    first_row = 0
    for n_rows, read in tables.iter_groups(shard):
        low, high = np.searchsorted(rows, [first_row, first_row + n_rows])
        if low < high:
            yield from _take_rows(read(), rows[low:high] - first_row)
        first_row += n_rows
    if len(rows) and rows[-1] >= first_row:
        raise ShardError(shard.path, "ends before a row that was scored")


def _take_rows(
    batches: Iterator[pa.RecordBatch], rows: NDArray[np.int64]
) -> Iterator[pa.RecordBatch]:
    """Rows of consecutive batches, by their numbers in the group."""
    first_row = 0
    for batch in map(_without_views, batches):
        end_row = first_row + batch.num_rows
        wanted = rows[(rows >= first_row) & (rows < end_row)] - first_row
        first_row = end_row
        if len(wanted):
            yield batch.take(pa.array(wanted))


def _join(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    n_bytes = 0
    for batch in batches:
        held.append(batch)
        n_bytes += batch.nbytes
        if n_bytes >= _TABLE_BYTES:
            yield pa.Table.from_batches(held)
            held, n_bytes = [], 0
    if held:
        yield pa.Table.from_batches(held)


def _without_views(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Views as plain strings, which are the same in Parquet: Arrow cannot take rows of views."""
    schema = pa.schema([field.with_type(_plain_type(field.type)) for field in batch.schema])
    return batch if schema.equals(batch.schema) else batch.cast(schema)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain_type(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_plain_type(kind.value_type)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_plain_type(kind.value_type)))
    return kind


def parse_record(name: str) -> tuple[str, int]:
    """Cut ``SHARD:ROW`` in two.

    Raises:
        UsageError: If it is not that.
    """
    shard, _, row = name.rpartition(":")
    if not shard or not row.isascii() or not row.isdigit():
        raise UsageError(f"--record {name!r}: write SHARD:ROW, such as pool/part-0.jsonl:17")
    return shard, int(row)


def read_record(path: str, row: int, reading: Reading) -> str:
    """The text of one row.

    Raises:
        ShardError: If the shard cannot be read, ends before the row, or refuses it.
    """
    shard = open_shard(path, 0)
    if shard.is_table:
        n_rows = tables.count_rows(shard)
        found = iter_tables(shard, np.array([row])) if row < n_rows else iter(())
        for table in found:
            try:
                return text_of_row(table, 0, reading.text)
            except RowError as error:
                raise ShardError(path, f"row {row} is refused: {error.reason}") from None
        raise _past_end(path, row, n_rows)
    n_rows = 0
    for rows in iter_shard(shard, reading):
        at = row - n_rows
        if at < rows.n_rows:
            if at in rows.rejects:
                raise ShardError(path, f"row {row} is refused: {rows.rejects[at][0]}")
            text = rows.texts.take(np.flatnonzero(rows.accepted == at))
            return next(text.iter_texts())
        n_rows += rows.n_rows
    raise _past_end(path, row, n_rows)


def _past_end(path: str, row: int, n_rows: int) -> ShardError:
    return ShardError(path, f"has no row {row}: it has {n_rows:,}, counted from 0")


def iter_found(
    path: str, rows: Sequence[int], offsets: Sequence[int | None], reading: Reading
) -> Iterator[tuple[int, str]]:
    """Yield ``(position, text)`` of rows of one shard that are known to have a text.

    Args:
        path: The shard.
        rows: Their rows.
        offsets: Byte offsets of the lines; None for tables.
        reading: How rows became texts.

    Raises:
        ShardError: If the shard cannot be read, or has changed so that a row has no text.
    """
    shard: Shard = open_shard(path, 0)
    try:
        if shard.is_table:
            by_row = np.argsort(np.array(rows, np.int64), kind="stable")
            position = 0
            for table in iter_tables(shard, np.array(rows, np.int64)[by_row]):
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
        raise ShardError(path, f"has changed since the run: a row is {error.reason} now") from None


def text_of_row(table: pa.Table, i: int, spec: TextSpec) -> str:
    """The text of a table's row, of which pass one knows that it has one."""
    from zipsel.readers.columns import decode_binary  # loads pyarrow.compute

    names = {path.split(".")[0] for path in spec.paths}
    row = {name: table[name][i].as_py() for name in table.column_names if name in names}
    return take_text(decode_binary(row, spec), spec)
