"""Arrow IPC: streams, as Hugging Face ``datasets`` writes them, and files, which are Feather v2.

Local files are mapped into memory, so columns that are not compressed are read where they lie. A
group is a record batch, or a stretch of a large one, so that one huge file is split over workers.
What a batch says of its own buffers is checked before it is used. Where the bound ends: a batch
that is compressed is decompressed whole, whatever it decompresses to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import pyarrow as pa

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
from zipsel.readers.rows import GroupChunk, Reading, RowBatch
from zipsel.texts import CHUNK_BYTES, TextBatch


@dataclass(frozen=True)
class BatchChunk(GroupChunk):
    """Consecutive groups of a file.

    Attributes:
        groups: What they are.
        final: Whether no other chunk follows.
        damage: What is wrong behind them, where that was salvaged.
    """

    groups: tuple[Group, ...] = ()
    final: bool = True
    damage: str = ""


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


def plan_chunks(
    shard: Shard, reading: Reading, chunk_bytes: int = CHUNK_BYTES, *, salvage: bool = False
) -> list[BatchChunk]:
    """Cut a file into chunks of about ``chunk_bytes`` of stored data.

    Raises:
        ShardError: If it is damaged and not to be salvaged, or lacks a column.
    """
    index = read_index(shard, salvage=salvage)
    check_columns(index.schema.names, shard.path, reading)
    groups = index.cut(shard.n_bytes)
    row_bytes = shard.n_bytes / max(1, index.n_rows)
    cuts, row, n_bytes, first_row, first = [], 0, 0.0, 0, 0
    for i, group in enumerate(groups):
        row += group.n_rows
        n_bytes += group.n_rows * row_bytes
        if n_bytes >= chunk_bytes or i == len(groups) - 1:
            cuts.append((first, i + 1, first_row))
            first, first_row, n_bytes = i + 1, row, 0.0
    cuts = cuts or [(0, 0, 0)]
    return [
        BatchChunk(
            number, first, end, first_row, tuple(groups[first:end]),
            number == len(cuts) - 1, index.damage if number == len(cuts) - 1 else "",
        )
        for number, (first, end, first_row) in enumerate(cuts)
    ]  # fmt: skip


def iter_rows(
    shard: Shard,
    chunk: BatchChunk,
    reading: Reading,
    damage: list[str] | None = None,
) -> Iterator[RowBatch]:
    """Read the texts of a chunk.

    Args:
        shard: The file.
        chunk: Which groups.
        reading: How rows become texts.
        damage: To salvage: takes what was wrong with groups that cannot be read, all of whose
            rows are refused as damaged, and with what follows them.

    Raises:
        ShardError: If the file is damaged and not to be salvaged, or lacks a column.
    """
    if damage is not None and chunk.damage:
        damage.append(chunk.damage)
    if not chunk.groups:
        return
    file = _Batches(shard)
    columns = pick_columns(file.schema.names, shard.path, reading)
    for group in chunk.groups:
        try:
            if damage is not None:
                file.read(group)  # all of a chosen row is copied
            rows = read_batch(file.read(group, columns), reading)
        except ShardError as error:
            if damage is None:
                raise
            damage.append(error.problem)
            rows = damaged_rows(group.n_rows)
        yield rows


def iter_groups(shard: Shard) -> Iterator[tuple[int, Callable[[], Iterator[pa.RecordBatch]]]]:
    """Yield rows of each group, and what reads all its columns.

    Raises:
        ShardError: As ``iter_rows``; damage behind the last group was salvaged before.
    """
    file = _Batches(shard)
    for group in read_index(shard, salvage=True).cut(shard.n_bytes):
        yield group.n_rows, partial(_iter_one, file, group)


def _iter_one(file: _Batches, group: Group) -> Iterator[pa.RecordBatch]:
    yield file.read(group)


def iter_sample(shard: Shard, reading: Reading, random: Random) -> Iterator[TextBatch]:
    """The texts of a file's groups in random order.

    Raises:
        ShardError: As ``iter_rows``.
    """
    index = read_index(shard)
    groups = index.cut(shard.n_bytes)
    random.shuffle(groups)
    if any(place < 0 for place, _ in index.batches):
        groups.sort(key=lambda group: group.batch)
    for group in groups:
        for rows in iter_rows(shard, BatchChunk(0, 0, 1, 0, (group,)), reading):
            yield rows.texts
