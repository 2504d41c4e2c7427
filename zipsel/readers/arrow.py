"""Arrow IPC: streams, as Hugging Face ``datasets`` writes them, and files, which are Feather v2.

Local files are mapped into memory, so columns that are not compressed are read where they lie. A
group is a record batch, or a stretch of a large one, so that one huge file is split over workers.
What a batch says of its own buffers is checked before it is used. Where the bound ends: a batch
that is compressed is decompressed whole, whatever it decompresses to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard
from zipsel.readers.arrow_index import (
    ERRORS,
    Group,
    first_line,
    open_footer,
    open_source,
    read_index,
)
from zipsel.readers.columns import check_columns, damaged_rows, pick_columns, read_batch
from zipsel.readers.rows import Chunk, Reading, RowBatch
from zipsel.readers.table_rows import take_rows


class _Batches:
    """Reads groups of one file in order: the batch of the one before is still at hand."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._source = open_source(shard)
        self._number = -1
        self._batch: Any = None
        self._file: Any = None
        try:
            with suppress(pa.ArrowException):  # what was salvaged as a stream has no footer
                self._file = open_footer(self._source)
            self._stream: Any = None if self._file else pa.ipc.open_stream(self._source)
            opened: Any = self._file or self._stream
            self.schema: pa.Schema = opened.schema
        except ERRORS as error:
            problem = f"no readable Arrow schema: {first_line(error)}"
            raise ShardError(shard.path, problem) from None

    def read(self, group: Group, columns: Sequence[str] | None = None) -> pa.RecordBatch:
        """Some columns of a group, checked.

        Raises:
            ShardError: If it is damaged.
        """
        try:
            if self._number != group.batch:
                self._batch = self._load(group)
                self._number = group.batch
            found = self._batch.slice(group.first, group.n_rows)
            if columns is not None:
                found = found.select(list(columns))
            for column in found.columns:
                _as_bytes(column).validate(full=True)
        except MemoryError:
            raise
        except (*ERRORS, StopIteration) as error:
            raise ShardError(
                self._shard.path, f"damaged Arrow data in batch {group.batch}: {first_line(error)}"
            ) from None
        return found

    def _load(self, group: Group) -> pa.RecordBatch:
        if self._file is not None:
            return self._file.get_batch(group.batch)
        if group.place >= 0:
            self._source.seek(group.place)
            return pa.ipc.read_record_batch(pa.ipc.read_message(self._source), self.schema)
        for _ in range(self._number + 1, group.batch):
            next(self._stream)
        return next(self._stream)


def _as_bytes(column: pa.Array) -> pa.Array:
    """Strings as bytes: whether they are UTF-8 is for each row, not for the file."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_string(column.type):
        return column.view(pa.binary())
    return column.view(pa.large_binary()) if pa.types.is_large_string(column.type) else column


class _Arrow:
    """Reads Arrow IPC; see ``zipsel.readers.Reader``. A chunk is some consecutive groups."""

    def plan(
        self, shard: Shard, reading: Reading, chunk_bytes: int, *, salvage: bool = False
    ) -> list[Chunk]:
        """Chunks of about ``chunk_bytes`` of stored data."""
        index = read_index(shard, salvage=salvage)
        check_columns(index.schema.names, shard.path, reading)
        groups = index.cut(shard.n_bytes)
        row_bytes = shard.n_bytes / max(1, index.n_rows)
        cuts, n_bytes, first = [], 0.0, 0
        for i, group in enumerate(groups):
            n_bytes += group.n_rows * row_bytes
            if n_bytes >= chunk_bytes or i == len(groups) - 1:
                cuts.append(tuple(groups[first : i + 1]))
                first, n_bytes = i + 1, 0.0
        cuts = cuts or [()]
        last = len(cuts) - 1
        return [
            Chunk(i, _where(cut), cut, final=i == last, damage=index.damage if i == last else "")
            for i, cut in enumerate(cuts)
        ]

    def cut(self, shard: Shard, reading: Reading, chunk_bytes: int, **_: Any) -> Iterator[Chunk]:
        """Yield the planned chunks."""
        yield from self.plan(shard, reading, chunk_bytes)

    def read(
        self, shard: Shard, chunk: Chunk, reading: Reading, *, salvage: bool = False
    ) -> Iterator[RowBatch]:
        """Yield the rows of a chunk; all rows of a damaged group are refused by ``salvage``."""
        if not chunk.place:
            return
        file = _Batches(shard)
        columns = pick_columns(file.schema.names, shard.path, reading)
        for group in chunk.place:
            try:
                if salvage:
                    file.read(group)  # all of a chosen row is copied
                rows = read_batch(file.read(group, columns), reading)
            except ShardError as error:
                if not salvage:
                    raise
                rows = damaged_rows(group.n_rows, error.problem)
            yield rows

    def take(
        self, shard: Shard, places: NDArray[Any], reading: Reading
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows by their numbers; damage behind the last group was salvaged before."""
        file = _Batches(shard)
        groups = read_index(shard, salvage=True).cut(shard.n_bytes)
        found = ((group.n_rows, partial(_read_one, file, group)) for group in groups)
        return take_rows(shard.path, found, places)

    def schema(self, shard: Shard, reading: Reading) -> pa.Schema:
        """Names and types of the columns."""
        return read_index(shard, salvage=True).schema

    def check(self, shard: Shard, reading: Reading) -> None:
        """Find all record batches."""
        check_columns(read_index(shard).schema.names, shard.path, reading)


def _where(groups: Sequence[Group]) -> str:
    return f"record batches {groups[0].batch} to {groups[-1].batch}" if groups else "no rows"


def _read_one(file: _Batches, group: Group) -> list[pa.RecordBatch]:
    return [file.read(group)]


READER = _Arrow()
