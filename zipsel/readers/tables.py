"""Shards of typed columns, Parquet or Arrow, read alike: groups → chunks → batches of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pyarrow as pa

from zipsel.pool.shards import Shard
from zipsel.readers import arrow, parquet
from zipsel.readers.arrow import BatchChunk
from zipsel.readers.arrow_index import read_index
from zipsel.readers.columns import check_columns
from zipsel.readers.rows import GroupChunk, Reading, RowBatch
from zipsel.texts import CHUNK_BYTES, TextBatch


def read_schema(shard: Shard) -> pa.Schema:
    """Names and types of a file's columns.

    Raises:
        ShardError: If there is no readable footer or schema.
    """
    if shard.format == "arrow":
        return read_index(shard, salvage=True).schema
    return parquet.open_parquet(shard).schema_arrow


def check(shard: Shard, reading: Reading) -> None:
    """Find what can be found to be wrong with a file without reading its data.

    Raises:
        ShardError: If it is damaged or lacks a column.
    """
    if shard.format == "arrow":
        read_index(shard)
    check_columns(read_schema(shard).names, shard.path, reading)


def plan_chunks(
    shard: Shard, reading: Reading, chunk_bytes: int = CHUNK_BYTES, *, salvage: bool = False
) -> list[GroupChunk]:
    """Cut a file into chunks of about ``chunk_bytes``.

    Args:
        shard: The file.
        reading: How rows become texts.
        chunk_bytes: Of column data: uncompressed in Parquet, as stored in Arrow.
        salvage: Accept a file that is damaged behind its first rows.

    Raises:
        ShardError: If it is damaged and not to be salvaged, or lacks a column.
    """
    if shard.format == "arrow":
        return list(arrow.plan_chunks(shard, reading, chunk_bytes, salvage=salvage))
    file = parquet.open_parquet(shard)
    check_columns(file.schema_arrow.names, shard.path, reading)
    return parquet.plan_chunks(file, chunk_bytes)


def is_final(shard: Shard, chunk: GroupChunk) -> bool:
    """Whether no other chunk of the file follows."""
    if isinstance(chunk, BatchChunk):
        return chunk.final
    return bool(chunk.end_group == parquet.open_parquet(shard).metadata.num_row_groups)


def count_rows(shard: Shard) -> int:
    """Rows of a file."""
    if shard.format == "arrow":
        return read_index(shard, salvage=True).n_rows
    return int(parquet.open_parquet(shard).metadata.num_rows)


def iter_rows(
    shard: Shard,
    chunk: GroupChunk,
    reading: Reading,
    damage: list[str] | None = None,
) -> Iterator[RowBatch]:
    """Read the texts of a chunk.

    Args:
        shard: The file.
        chunk: Which groups.
        reading: How rows become texts.
        damage: To salvage: takes what was wrong with groups that cannot be read.

    Raises:
        ShardError: If the file is damaged and not to be salvaged, or lacks a column.
    """
    if isinstance(chunk, BatchChunk):
        return arrow.iter_rows(shard, chunk, reading, damage)
    return parquet.iter_rows(shard, chunk, reading, damage)


def iter_shard(shard: Shard, reading: Reading) -> Iterator[RowBatch]:
    """Read the texts of a whole file.

    Raises:
        ShardError: If it is damaged or lacks a column.
    """
    for chunk in plan_chunks(shard, reading):
        yield from iter_rows(shard, chunk, reading)


def iter_sample(shard: Shard, reading: Reading, random: Random) -> Iterator[TextBatch]:
    """The texts of a file's groups in random order.

    Raises:
        ShardError: As ``iter_rows``.
    """
    if shard.format == "arrow":
        return arrow.iter_sample(shard, reading, random)
    return parquet.iter_sample(shard, reading, random)


def iter_groups(shard: Shard) -> Iterator[tuple[int, Callable[[], Iterator[pa.RecordBatch]]]]:
    """Yield rows of each group in order, and what reads all its columns.

    Raises:
        ShardError: If the file is damaged.
    """
    return arrow.iter_groups(shard) if shard.format == "arrow" else parquet.iter_groups(shard)
