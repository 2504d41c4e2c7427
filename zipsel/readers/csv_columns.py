"""Rows of CSV and TSV → texts, rejects, and JSON objects of the very strings that they hold.

``pyarrow.csv`` splits rows into fields, without looking for numbers, dates or nulls in them. It
gets rows that are whole and UTF-8 already, and columns named by their numbers: what a file says of
itself cannot confuse it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard, open_raw
from zipsel.readers.columns import read_batch
from zipsel.readers.csv_chunks import CsvChunk
from zipsel.readers.csv_rows import RowStream, row_pattern
from zipsel.readers.decompress import iter_pieces, until_damage
from zipsel.readers.rows import SNIPPET_BYTES, Reading, Reason, RowBatch, RowError
from zipsel.texts import BATCH_BYTES

#: Read at once where single rows are fetched.
_READ_BYTES = 1 << 16


def iter_rows(chunk: CsvChunk, reading: Reading) -> Iterator[RowBatch]:
    """Take the texts of a chunk's rows, about ``BATCH_BYTES`` at a time."""
    starts = np.concatenate([[0], chunk.ends[:-1]]) if len(chunk.ends) else chunk.ends
    first = 0
    while first < len(chunk.ends):
        until = int(starts[first]) + BATCH_BYTES
        last = max(first + 1, int(np.searchsorted(chunk.ends, until, side="right")))
        places = zip(starts[first:last].tolist(), chunk.ends[first:last].tolist(), strict=True)
        rows = [chunk.data[a:b] for a, b in places]
        refused = {i - first: why for i, why in chunk.refused.items() if first <= i < last}
        yield _read_rows(rows, refused, chunk, chunk.offsets[first:last], reading)
        first = last


def _read_rows(
    rows: Sequence[bytes],
    refused: dict[int, Reason],
    chunk: CsvChunk,
    offsets: NDArray[np.int64],
    reading: Reading,
) -> RowBatch:
    refused |= _find_broken(rows, refused)
    whole = np.array([i for i in range(len(rows)) if i not in refused], np.int64)
    names = {*reading.text.paths, *([reading.group_field] if reading.group_field else [])}
    columns = [name for name in chunk.header if name in names]
    batch, wrong = split_fields([rows[i] for i in whole.tolist()], chunk, columns)
    refused |= dict.fromkeys(whole[wrong].tolist(), Reason.WRONG_COLUMNS)
    split = np.delete(whole, wrong)
    found = read_batch(batch, reading)
    refused |= {int(split[i]): reason for i, (reason, _) in found.rejects.items()}
    return RowBatch(
        offsets=offsets,
        texts=found.texts,
        accepted=split[found.accepted],
        rejects={
            i: (reason, rows[i].rstrip(b"\r\n")[:SNIPPET_BYTES])
            for i, reason in sorted(refused.items())
        },
        groups=found.groups,
    )


def _find_broken(rows: Sequence[bytes], refused: dict[int, Reason]) -> dict[int, Reason]:
    """Rows that are no UTF-8, in whichever field."""
    try:
        b"".join(rows).decode()
        return {}
    except UnicodeDecodeError:
        return {
            i: Reason.INVALID_UTF8
            for i, row in enumerate(rows)
            if i not in refused and not _is_utf8(row)
        }


def _is_utf8(row: bytes) -> bool:
    try:
        row.decode()
    except UnicodeDecodeError:
        return False
    return True


def split_fields(
    rows: Sequence[bytes], chunk: CsvChunk, columns: Sequence[str]
) -> tuple[pa.RecordBatch, list[int]]:
    """Fields of whole rows as columns of strings.

    Args:
        rows: UTF-8, none blank.
        chunk: Has the header and the delimiter.
        columns: Names of the columns that are wanted.

    Returns:
        The columns, and the positions of rows that are left out since they have another number
        of fields than the header.
    """
    wrong: list[int] = []

    def leave_out(row: csv.InvalidRow) -> str:
        wrong.append(row.number - 2)  # the header is number 1
        return "skip"

    numbers = [str(i) for i in range(len(chunk.header))]
    wanted = [str(chunk.header.index(name)) for name in columns]
    heading = chunk.delimiter.join(number.encode() for number in numbers) + b"\n"
    ends = b"" if not rows or rows[-1].endswith((b"\n", b"\r")) else b"\n"
    data = b"".join([heading, *rows, ends])
    table = csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=csv.ParseOptions(
            delimiter=chunk.delimiter.decode(),
            newlines_in_values=True,
            invalid_row_handler=leave_out,
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(numbers, pa.string()),
            include_columns=wanted or numbers[:1],
            strings_can_be_null=False,
        ),
    ).combine_chunks()
    arrays = [
        table[number].chunk(0) if table[number].num_chunks else pa.array([], pa.string())
        for number in wanted
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns)), wrong


def iter_objects(shard: Shard, offsets: NDArray[np.int64], reading: Reading) -> Iterator[bytes]:
    """Yield the rows that begin at ascending byte offsets, as JSON objects of strings.

    Raises:
        ShardError: If the shard cannot be read so far.
        RowError: If a row has another number of fields than the header.
    """
    with open_raw(shard) as file:
        pieces = iter_pieces(file, shard.path, shard.compression, zstd_long=reading.zstd_long)
        head = RowStream(pieces, shard.path, shard.format, 1 << 30)
    none = np.zeros(0, np.int64)
    chunk = CsvChunk(0, head.header, head.delimiter, b"", none, none)
    held: list[bytes] = []
    n_bytes = 0
    for row in _iter_rows_at(shard, offsets.tolist(), chunk.delimiter, reading):
        held.append(row)
        n_bytes += len(row)
        if n_bytes >= BATCH_BYTES:
            yield from _encode(held, chunk)
            held, n_bytes = [], 0
    yield from _encode(held, chunk)


def _encode(rows: Sequence[bytes], chunk: CsvChunk) -> Iterator[bytes]:
    batch, wrong = split_fields(rows, chunk, chunk.header)
    if wrong:
        raise RowError(Reason.WRONG_COLUMNS)
    objects: list[dict[str, Any]] = batch.to_pylist()
    yield from map(msgspec.json.encode, objects)


def _iter_rows_at(
    shard: Shard, offsets: Sequence[int], delimiter: bytes, reading: Reading
) -> Iterator[bytes]:
    match = row_pattern(delimiter).match
    match_last = row_pattern(delimiter, at_end=True).match
    damage: list[str] = []  # behind the last row: pass one salvaged what is before it
    held, start = b"", 0
    with open_raw(shard) as file:
        if shard.compression:
            pieces = iter_pieces(file, shard.path, shard.compression, zstd_long=reading.zstd_long)
            pieces = until_damage(pieces, damage)
        else:
            pieces = iter(lambda: file.read(_READ_BYTES), b"")
        for offset in offsets:
            if not shard.compression and offset > start + len(held):
                file.seek(offset)
                held, start = b"", offset
            while start + len(held) <= offset:
                start += len(held)
                held = next(pieces, b"")
                if not held:
                    problem = damage[0] if damage else "ends before a row that was scored"
                    raise ShardError(shard.path, problem)
            held, start = held[offset - start :], offset
            while not (found := match(held)):
                more = _read_as_much(pieces, len(held))
                if not more:
                    found = match_last(held)
                    break
                held += more
            if found is None:
                raise ShardError(shard.path, "ends in a row that was scored")
            yield found.group()


def _read_as_much(pieces: Iterator[bytes], wanted_bytes: int) -> bytes:
    """At least so many bytes more, if there are so many."""
    held: list[bytes] = []
    n_bytes = 0
    while n_bytes < wanted_bytes and (piece := next(pieces, b"")):
        held.append(piece)
        n_bytes += len(piece)
    return b"".join(held)
