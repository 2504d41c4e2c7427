"""CSV and TSV: tables of strings, parsed by ``pyarrow.csv``.

It gets pieces of whole rows and looks for no numbers, dates or nulls in them. Rows are found again
by their numbers; since a newline in quotes ends no row, a shard is cut from its beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from zipsel.errors import NoTextError, ShardError
from zipsel.pool.shards import CHUNK_BYTES, Shard
from zipsel.readers.columns import check_columns, is_utf8, read_batch
from zipsel.readers.csv_rows import CsvStream
from zipsel.readers.decompress import open_pieces, until_damage
from zipsel.readers.reading import Reading
from zipsel.readers.rows import SNIPPET_BYTES, Chunk, Reason, RowBatch, list_names


@dataclass(frozen=True)
class _Rows:
    """Rows of one piece.

    Attributes:
        batch: The rows that can be used: all columns, strings.
        positions: Their positions in the piece, ascending.
        rejects: Position → reason and first bytes, for all other rows.
    """

    batch: pa.RecordBatch
    positions: NDArray[np.int64]
    rejects: dict[int, tuple[Reason, bytes]]

    @property
    def n_rows(self) -> int:
        """Rows, usable and refused."""
        return len(self.positions) + len(self.rejects)


class _Csv:
    """Reads CSV and TSV; see ``zipsel.readers.Reader``."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter

    @contextmanager
    def _open(
        self, shard: Shard, reading: Reading, damage: list[str] | None = None
    ) -> Iterator[CsvStream]:
        with open_pieces(shard, reading, damage) as pieces:
            yield CsvStream(pieces, shard.path, self._delimiter, reading)

    def plan(self, shard: Shard, reading: Reading, chunk_bytes: int, **_: Any) -> None:
        """None: where quotes begin is known only from the beginning on."""
        return

    def cut(
        self,
        shard: Shard,
        reading: Reading,
        chunk_bytes: int,
        *,
        salvage: bool = False,
        **_: Any,
    ) -> Iterator[Chunk]:
        """Yield the rows of the stream, chunk by chunk."""
        damage: list[str] = []
        with self._open(shard, reading, damage if salvage else None) as stream:
            check_header(stream, shard.path, reading)
            pieces = until_damage(stream.iter_pieces(chunk_bytes), damage if salvage else None)
            chunks = groupby(pieces, key=attrgetter("chunk"))
            index, held = 0, [piece.data for piece in next(chunks, (0, ()))[1]]
            for next_index, group in chunks:
                yield _chunk_of(index, stream, held)
                index, held = next_index, [piece.data for piece in group]
            yield _chunk_of(index, stream, held, final=True, damage="".join(damage))

    def read(self, shard: Shard, chunk: Chunk, reading: Reading, **_: Any) -> Iterator[RowBatch]:
        """Yield the rows of a chunk."""
        stream, pieces = chunk.place
        for data in pieces:
            rows = _parse(data, stream, reading.max_row_bytes)
            if rows.n_rows:
                yield _read_rows(rows, reading)

    def take(
        self, shard: Shard, places: NDArray[Any], reading: Reading
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows by their numbers; damage behind the last wanted row is ignored."""
        damage: list[str] = []
        first_row = n_taken = 0
        with self._open(shard, reading, damage) as stream:
            for piece in until_damage(stream.iter_pieces(CHUNK_BYTES), damage):
                if n_taken == len(places):
                    return
                rows = _parse(piece.data, stream, reading.max_row_bytes)
                end_row = first_row + rows.n_rows
                wanted = places[n_taken : np.searchsorted(places, end_row)] - first_row
                if not np.isin(wanted, rows.positions).all():
                    raise ShardError(shard.path, "changed: a row that was scored is refused now")
                if len(wanted):
                    yield rows.batch.take(pa.array(np.searchsorted(rows.positions, wanted)))
                n_taken += len(wanted)
                first_row = end_row
        if n_taken < len(places):
            raise ShardError(shard.path, "".join(damage) or "ends before a row that was scored")

    def schema(self, shard: Shard, reading: Reading) -> pa.Schema:
        """All columns are strings."""
        with self._open(shard, reading) as stream:
            return pa.schema([(name, pa.string()) for name in stream.header])

    def check(self, shard: Shard, reading: Reading) -> None:
        """Read the header."""
        with self._open(shard, reading) as stream:
            check_header(stream, shard.path, reading)


def check_header(stream: CsvStream, path: str, reading: Reading) -> None:
    """As ``check_columns``, with the remedies for what only delimited files lack."""
    header = stream.header
    if reading.text.kind == "chat":
        problem = f"holds no chats, only texts; its columns are {list_names(header) or 'none'}"
        raise NoTextError(path, problem)
    paths = reading.text.paths
    is_enough = reading.text.kind == "field" and any(name in header for name in paths)
    for name in () if is_enough else (path for path in paths if path not in header):
        if delimiter := stream.other_delimiter(name):
            raise ShardError(
                path,
                f"its columns are separated by {delimiter!r}, not {stream.delimiter!r}; "
                f"read it with --delimiter {delimiter!r}",
            )
        if "." in name:
            problem = f"has no columns inside columns, as {name!r} asks for"
            raise NoTextError(path, f"{problem}; it has {list_names(header) or 'none'}")
    check_columns(header, path, reading)


def _chunk_of(index: int, stream: CsvStream, pieces: Sequence[bytes], **more: Any) -> Chunk:
    return Chunk(index, f"rows of chunk {index}", (stream, pieces), **more)


def _read_rows(rows: _Rows, reading: Reading) -> RowBatch:
    found = read_batch(rows.batch, reading)
    rejects = {int(rows.positions[i]): reject for i, reject in found.rejects.items()}
    return RowBatch(
        offsets=np.full(rows.n_rows, -1, np.int64),
        texts=found.texts,
        accepted=rows.positions[found.accepted],
        rejects=dict(sorted((rows.rejects | rejects).items())),
        groups=found.groups,
        taken=found.taken,
    )


def _parse(data: bytes, stream: CsvStream, max_row_bytes: int) -> _Rows:
    """Split whole rows into fields.

    Rows of another number of fields than the header, rows over the limit, and rows with a field
    that is no UTF-8 are refused.
    """
    rejects: dict[int, tuple[Reason, bytes]] = {}
    is_plain = is_utf8(data)
    if is_plain:
        columns, wrong = _split(data, stream)
    else:  # as Latin-1, of which every byte is a character: pyarrow shows refused rows as text
        columns, wrong = _split(data.decode("latin-1").encode(), stream)
        columns = [_from_latin(column) for column in columns]
    for row, shown in wrong.items():
        snippet = shown.encode("utf-8" if is_plain else "latin-1")
        rejects[row] = (Reason.WRONG_COLUMNS, snippet[:SNIPPET_BYTES])
    n_rows = len(columns[0]) + len(wrong)
    positions = np.delete(np.arange(n_rows), list(wrong))
    refused: dict[int, tuple[Reason, bytes]] = {}
    if not is_plain:
        refused |= _find_broken(columns)
    if len(data) > max_row_bytes:
        place_of = {int(position): i for i, position in enumerate(positions)}
        for row, start in stream.long_rows(data, max_row_bytes):
            if row in place_of:
                refused[place_of[row]] = (Reason.TOO_LONG, data[start : start + SNIPPET_BYTES])
    if refused:
        rejects |= {int(positions[i]): reject for i, reject in refused.items()}
        kept = np.delete(np.arange(len(positions)), list(refused))
        positions = positions[kept]
        columns = [column.take(pa.array(kept)) for column in columns]
    strings = [column.cast(pa.string()) for column in columns]
    return _Rows(pa.RecordBatch.from_arrays(strings, names=list(stream.header)), positions, rejects)


def _split(data: bytes, stream: CsvStream) -> tuple[list[pa.Array], dict[int, str]]:
    """Columns of bytes; and rows that are left out for their number of fields, by position."""
    wrong: dict[int, str] = {}

    def leave_out(row: csv.InvalidRow) -> str:
        wrong[row.number - 1] = row.text
        return "skip"

    numbers = [str(i) for i in range(len(stream.header))]
    if not data.strip(b"\r\n"):
        return [pa.array([], pa.binary()) for _ in numbers], {}
    data = b"\n" + data  # so that pyarrow does not drop a byte-order mark that is text
    table = csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(
            use_threads=False, block_size=len(data) + 1, column_names=numbers
        ),
        parse_options=csv.ParseOptions(
            delimiter=stream.delimiter,
            quote_char='"' if stream.quotes else False,
            newlines_in_values=stream.quotes,
            invalid_row_handler=leave_out,
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(numbers, pa.binary()), strings_can_be_null=False
        ),
    )
    return [_one_chunk(column) for column in table.columns], wrong


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _from_latin(column: pa.Array) -> pa.Array:
    return pa.array([value.decode().encode("latin-1") for value in column.to_pylist()], pa.binary())


def _find_broken(columns: Sequence[pa.Array]) -> dict[int, tuple[Reason, bytes]]:
    """Rows with a field that is no UTF-8, by place; the field is shown."""
    return {
        i: (Reason.INVALID_UTF8, value[:SNIPPET_BYTES])
        for column in reversed(columns)
        for i, value in enumerate(column.to_pylist())
        if not is_utf8(value)
    }


READER = _Csv(",")
TSV_READER = _Csv("\t")
