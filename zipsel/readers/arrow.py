"""Arrow IPC: files, which are Feather v2, and streams, as Hugging Face ``datasets`` writes them.

Local shards are mapped into memory, so columns that are not compressed are read where they lie. A
file has a footer and is planned by stretches of its record batches, so that workers share one huge
file; a stream has none and is cut from its beginning, as is what a damaged file still holds. What
a batch says of its own buffers is checked before it is used. A compressed batch is decompressed
whole, whatever it decompresses to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import pyarrow as pa
from numpy.typing import NDArray

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard
from zipsel.readers.arrow_ipc import (
    ERRORS,
    check_batch,
    count_rows,
    get_batch,
    iter_stream,
    open_file,
    open_stream,
    read_names,
)
from zipsel.readers.columns import check_columns, damaged_rows, pick_columns, read_batch
from zipsel.readers.reading import Reading
from zipsel.readers.rows import Chunk, RowBatch
from zipsel.readers.schemas import first_line
from zipsel.readers.table_rows import Group, take_rows
from zipsel.texts import BATCH_BYTES

#: Loads rows that nothing has checked yet.
_Load = Callable[[], pa.RecordBatch]


class _Stretch(NamedTuple):
    """Rows of one record batch of a file: its number, the first row in it, and how many."""

    number: int
    first: int
    n_rows: int


class _Slice(NamedTuple):
    """Rows of one record batch of a stream.

    Attributes:
        number: Which batch.
        rows: The rows; nothing in them is checked.
        row_bytes: Stored bytes of each, on average.
    """

    number: int
    rows: pa.RecordBatch
    row_bytes: float


def _slices(
    number: int, batch: pa.RecordBatch, row_bytes: float, limit_bytes: int
) -> Iterator[_Slice]:
    """Cut a batch in slices of so many bytes, of one row at least."""
    n_rows = max(1, int(limit_bytes / max(1, row_bytes)))
    for first in range(0, batch.num_rows, n_rows):
        yield _Slice(number, batch.slice(first, n_rows), row_bytes)


class _Stream:
    """Reads streams; see ``zipsel.readers.Reader``. A chunk holds its record batches."""

    def plan(
        self, shard: Shard, reading: Reading, chunk_bytes: int, *, salvage: bool = False
    ) -> list[Chunk] | None:
        """None: where batches begin is known only from the beginning on."""
        check_columns(self.schema(shard, reading).names, shard.path, reading)
        return None

    def cut(
        self,
        shard: Shard,
        reading: Reading,
        chunk_bytes: int,
        *,
        stretch_bytes: int | None = None,
        salvage: bool = False,
    ) -> Iterator[Chunk]:
        """Yield the batches, chunk by chunk or, in stretches, one by one.

        A chunk ends with the batch, or the slice of a large one, with which it has
        ``chunk_bytes``.
        """
        index, n_bytes = 0, 0.0
        damage: list[str] = []
        held: list[_Slice] = []
        for number, (batch, size) in enumerate(iter_stream(shard, damage if salvage else None)):
            for one in _slices(number, batch, size / max(1, batch.num_rows), chunk_bytes):
                is_full = n_bytes >= chunk_bytes
                if is_full or (stretch_bytes is not None and held):
                    yield Chunk(index, f"rows up to record batch {number}", held)
                    held = []
                if is_full:
                    index, n_bytes = index + 1, 0.0
                held.append(one)
                n_bytes += one.row_bytes * one.rows.num_rows
        yield Chunk(index, "the last record batches", held, final=True, damage="".join(damage))

    def read(
        self, shard: Shard, chunk: Chunk, reading: Reading, *, salvage: bool = False
    ) -> Iterator[RowBatch]:
        """Yield the rows of a chunk; ``salvage`` refuses all rows of a damaged stretch."""
        columns = pick_columns(self.schema(shard, reading).names, shard.path, reading)
        for number, n_rows, load in self._stretches_of(shard, chunk):
            try:
                batch = load()
                if salvage:
                    check_batch(shard, number, batch)  # all of a chosen row is copied
                rows = read_batch(check_batch(shard, number, batch.select(columns)), reading)
            except ShardError as error:
                if not salvage:
                    raise
                rows = damaged_rows(n_rows, error.problem)
            yield rows

    def _stretches_of(self, shard: Shard, chunk: Chunk) -> Iterator[tuple[int, int, _Load]]:
        """Number of the record batch, rows, and what loads them."""
        for number, rows, row_bytes in chunk.place:
            for one in _slices(number, rows, row_bytes, BATCH_BYTES):
                yield number, one.rows.num_rows, partial(one.rows.slice, 0)

    def take(self, shard: Shard, places: NDArray[Any], _: Reading) -> Iterator[pa.RecordBatch]:
        """Yield rows by their numbers; damage behind the last wanted row is ignored."""
        return take_rows(shard.path, self._groups(shard), places)

    def _groups(self, shard: Shard) -> Iterator[Group]:
        for number, (batch, _) in enumerate(iter_stream(shard, [])):
            yield batch.num_rows, partial(_load_checked, shard, number, partial(batch.slice, 0))

    def schema(self, shard: Shard, reading: Reading) -> pa.Schema:
        """Names and types of the columns."""
        try:
            schema = self._read_schema(shard)
            read_names([schema.field(i) for i in range(len(schema))])
        except UnicodeDecodeError:
            raise ShardError(shard.path, "a column's name is no UTF-8") from None
        except ERRORS as error:
            problem = f"no readable Arrow schema: {first_line(error)}"
            raise ShardError(shard.path, problem) from None
        return schema

    def _read_schema(self, shard: Shard) -> pa.Schema:
        return pa.ipc.open_stream(open_stream(shard)).schema

    def check(self, shard: Shard, reading: Reading) -> None:
        """Find all record batches."""
        if self.plan(shard, reading, shard.n_bytes) is None:
            deque(iter_stream(shard, None), maxlen=0)


class _File(_Stream):
    """Reads files. A chunk is some consecutive stretches of record batches."""

    def plan(
        self, shard: Shard, reading: Reading, chunk_bytes: int, *, salvage: bool = False
    ) -> list[Chunk] | None:
        """Chunks of about ``chunk_bytes`` of stored data; None for what can only be salvaged."""
        check_columns(self.schema(shard, reading).names, shard.path, reading)
        try:
            n_rows = count_rows(shard)
        except ShardError:
            if salvage:
                return None
            raise
        row_bytes = shard.n_bytes / max(1, sum(n_rows))
        limit = max(1, int(BATCH_BYTES / max(1, row_bytes)))
        cuts: list[list[_Stretch]] = [[]]
        n_bytes = 0.0
        for number, count in enumerate(n_rows):
            for first in range(0, count, limit):
                if n_bytes >= chunk_bytes:
                    cuts.append([])
                    n_bytes = 0.0
                cuts[-1].append(_Stretch(number, first, min(limit, count - first)))
                n_bytes += cuts[-1][-1].n_rows * row_bytes
        return [
            Chunk(i, _where(stretches), stretches, final=i == len(cuts) - 1)
            for i, stretches in enumerate(cuts)
        ]

    def _stretches_of(self, shard: Shard, chunk: Chunk) -> Iterator[tuple[int, int, _Load]]:
        if not all(isinstance(one, _Stretch) for one in chunk.place):  # of what is salvaged
            yield from super()._stretches_of(shard, chunk)
            return
        file = open_file(shard)
        batch_of = lru_cache(maxsize=1)(partial(get_batch, shard, file))
        for number, first, n_rows in chunk.place:
            yield number, n_rows, lambda: batch_of(number).slice(first, n_rows)  # noqa: B023

    def _read_schema(self, shard: Shard) -> pa.Schema:
        try:
            return open_file(shard).schema
        except ShardError:
            return super()._read_schema(shard)

    def _groups(self, shard: Shard) -> Iterator[Group]:
        try:
            n_rows, file = count_rows(shard), open_file(shard)
        except ShardError:  # salvaged as the stream that it holds
            yield from super()._groups(shard)
            return
        for number, count in enumerate(n_rows):
            yield (
                count,
                partial(_load_checked, shard, number, partial(get_batch, shard, file, number)),
            )


def _load_checked(shard: Shard, number: int, load: _Load) -> list[pa.RecordBatch]:
    return [check_batch(shard, number, load())]


def _where(stretches: Sequence[_Stretch]) -> str:
    if not stretches:
        return "no rows"
    return f"record batches {stretches[0].number} to {stretches[-1].number}"


FILES = _File()
STREAMS = _Stream()
