"""Parquet: row groups → chunks → batches of rows, read column by column.

A batch is as small as it takes to bound memory; a damaged file is an error, or all rows of its
damaged row groups are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard
from zipsel.readers.columns import damaged_rows, pick_columns, read_batch
from zipsel.readers.parquet_bounds import (
    BATCH_ROWS,
    join_batches,
    row_group_problem,
    safe_batch_rows,
)
from zipsel.readers.rows import GroupChunk, Reading, RowBatch
from zipsel.storage import remote
from zipsel.texts import CHUNK_BYTES, TextBatch

#: Rows after which a chunk ends, however few bytes they have.
_CHUNK_ROWS = 1 << 20


def open_parquet(shard: Shard, **options: Any) -> pq.ParquetFile:
    """Open a Parquet file, with options of ``ParquetFile``.

    Raises:
        ShardError: If it has no readable footer, or one that promises too much.
    """
    try:
        is_remote = remote.is_remote(shard.path)
        source = remote.open_remote(shard.path, shard.n_bytes) if is_remote else shard.path
        file = pq.ParquetFile(source, **options)
        list(file.schema_arrow.names)  # decodes them, which may be where it is broken
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ShardError(shard.path, f"no readable Parquet footer: {_first_line(error)}") from None
    if problem := row_group_problem(file.metadata, shard.n_bytes):
        raise ShardError(shard.path, problem)
    return file


def plan_chunks(file: pq.ParquetFile, chunk_bytes: int = CHUNK_BYTES) -> list[GroupChunk]:
    """Cut a file into chunks of about ``chunk_bytes`` of uncompressed column data.

    A chunk of many rows without values ends earlier, since their scores take memory all the same.
    """
    metadata = file.metadata
    chunks: list[GroupChunk] = []
    first, first_row, row, n_bytes = 0, 0, 0, 0
    for group in range(metadata.num_row_groups):
        row += metadata.row_group(group).num_rows
        n_bytes += metadata.row_group(group).total_byte_size
        full = n_bytes >= chunk_bytes or row - first_row >= _CHUNK_ROWS
        if full or group == metadata.num_row_groups - 1:
            chunks.append(GroupChunk(len(chunks), first, group + 1, first_row))
            first, first_row, n_bytes = group + 1, row, 0
    return chunks or [GroupChunk(0, 0, 0, 0)]


def iter_rows(
    shard: Shard,
    chunk: GroupChunk,
    reading: Reading,
    damage: list[str] | None = None,
) -> Iterator[RowBatch]:
    """Read the texts of a chunk.

    Args:
        shard: The file.
        chunk: Which row groups.
        reading: How rows become texts.
        damage: To salvage: takes what was wrong with row groups that cannot be read, all of
            whose rows are refused as damaged, so that later rows keep their numbers.

    Raises:
        ShardError: If the file is damaged and not to be salvaged, or lacks a column.
    """
    if chunk.first_group == chunk.end_group:
        return
    file = open_parquet(shard)
    columns = pick_columns(file.schema_arrow.names, shard.path, reading)
    for group in range(chunk.first_group, chunk.end_group):
        if damage is not None and (problem := _group_problem(file, shard, group)):
            damage.append(problem)
            yield damaged_rows(file.metadata.row_group(group).num_rows)
            continue
        for batch in iter_batches(file, shard, group, columns):
            try:
                rows = read_batch(batch, reading)
            except MemoryError:
                raise
            except pa.ArrowException as error:
                raise _damaged_data(shard, error) from None
            yield rows


def _group_problem(file: pq.ParquetFile, shard: Shard, group: int) -> str:
    """What is wrong with a row group in any column, since all of a chosen row is copied."""
    try:
        for _ in iter_batches(file, shard, group, None):
            pass
    except ShardError as error:
        return f"row group {group}: {error.problem}"
    return ""


def iter_batches(
    file: pq.ParquetFile, shard: Shard, group: int, columns: list[str] | None
) -> Iterator[pa.RecordBatch]:
    """Decode a row group in batches of bounded memory.

    Raises:
        ShardError: If it is damaged.
    """
    try:
        # Read a row first: a broken row group is an error there, and aborts the process where its
        # metadata are asked for.
        if next(file.iter_batches(1, row_groups=[group], columns=columns), None) is None:
            return
        n_rows = safe_batch_rows(file, group, columns, partial(open_parquet, shard))
        batches = file.iter_batches(n_rows, row_groups=[group], columns=columns)
        for batch in batches if n_rows == BATCH_ROWS else join_batches(batches):
            for column in batch.columns:
                if pa.types.is_dictionary(column.type):  # whose indices nothing has checked yet
                    column.validate(full=True)
            yield batch
    except MemoryError:  # also Arrow's, which says nothing about the file
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged_data(shard, error) from None


def _damaged_data(shard: Shard, error: Exception) -> ShardError:
    return ShardError(shard.path, f"damaged Parquet data: {_first_line(error)}")


def iter_groups(shard: Shard) -> Iterator[tuple[int, Callable[[], Iterator[pa.RecordBatch]]]]:
    """Yield rows of each row group, and what reads all its columns.

    Raises:
        ShardError: If the file is damaged.
    """
    file = open_parquet(shard)
    for group in range(file.metadata.num_row_groups):
        n_rows = file.metadata.row_group(group).num_rows
        yield n_rows, partial(iter_batches, file, shard, group, None)


def iter_sample(shard: Shard, reading: Reading, random: Random) -> Iterator[TextBatch]:
    """The texts of a file's row groups in random order.

    Raises:
        ShardError: As ``iter_rows``.
    """
    groups = list(range(open_parquet(shard).metadata.num_row_groups))
    random.shuffle(groups)
    for group in groups:
        for rows in iter_rows(shard, GroupChunk(0, group, group + 1, 0), reading):
            yield rows.texts


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
