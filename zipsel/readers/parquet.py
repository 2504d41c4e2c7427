"""Parquet: row groups → chunks → batches of rows, read column by column.

A batch is as small as it takes to bound memory; a damaged file is an error, or all rows of its
damaged row groups are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from io import BufferedReader
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard
from zipsel.readers.columns import check_columns, damaged_rows, pick_columns, read_batch
from zipsel.readers.parquet_bounds import (
    BATCH_ROWS,
    iter_runs,
    join_batches,
    row_group_problem,
    safe_batch_rows,
)
from zipsel.readers.reading import Reading
from zipsel.readers.rows import Chunk, RowBatch
from zipsel.readers.schemas import first_line
from zipsel.readers.table_rows import take_rows
from zipsel.storage import ranges, remote

#: Rows after which a chunk ends, however few bytes they have.
_CHUNK_ROWS = 1 << 20

#: Of a shard behind a URL, bytes of a column that are read at once.
_LEAST_BUFFER_BYTES, _MOST_BUFFER_BYTES = 1 << 16, 1 << 21


def open_parquet(shard: Shard, **options: Any) -> pq.ParquetFile:
    """Open a Parquet file, with options of ``ParquetFile``.

    Raises:
        ShardError: If it has no readable footer, or one that promises too much.
    """
    try:
        return _open(shard, metadata=_read_footer(shard), **options)
    except OSError as error:
        raise _bad_footer(shard, error) from None


@lru_cache(maxsize=1)
def _read_footer(shard: Shard) -> pq.FileMetaData:
    """The footer of a shard, which is opened for each of its chunks: 10,000 row groups take 50 ms.

    Raises:
        ShardError: As ``open_parquet``.
    """
    try:
        file = _open(shard)
        list(file.schema_arrow.names)  # decodes them, which may be where it is broken
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _bad_footer(shard, error) from None
    if problem := row_group_problem(file.metadata, shard.n_bytes):
        raise ShardError(shard.path, problem)
    return file.metadata


def _open(shard: Shard, **options: Any) -> pq.ParquetFile:
    source = _open_remote(shard) if remote.is_remote(shard.path) else shard.path
    return pq.ParquetFile(source, **options)


def _buffered(shard: Shard, n_columns: int) -> dict[str, Any]:
    """Options of ``ParquetFile`` by which a shard behind a URL is read piece by piece.

    Otherwise Arrow reads all of a column's row group for its first row, and again for the others.
    """
    if not remote.is_remote(shard.path):
        return {}
    of_column = ranges.HELD_BYTES // 4 // max(1, n_columns)
    n_bytes = min(_MOST_BUFFER_BYTES, max(_LEAST_BUFFER_BYTES, of_column))
    return {"buffer_size": n_bytes, "pre_buffer": False}


def _bad_footer(shard: Shard, error: Exception) -> ShardError:
    return ShardError(shard.path, f"no readable Parquet footer: {first_line(error)}")


def _open_remote(shard: Shard) -> BufferedReader:
    """Open a shard behind a URL; its footer and its last row groups are fetched once."""
    return ranges.open_remote(shard.path, shard.n_bytes, version=shard.fingerprint)


class _Parquet:
    """Reads Parquet; see ``zipsel.readers.Reader``. A chunk is some consecutive row groups."""

    def plan(
        self, shard: Shard, reading: Reading, chunk_bytes: int, *, salvage: bool = False
    ) -> list[Chunk]:
        """Chunks of about ``chunk_bytes`` of uncompressed column data.

        A chunk of many rows without values ends earlier, since their scores take memory too.
        """
        file = open_parquet(shard)
        check_columns(file.schema_arrow.names, shard.path, reading)
        metadata = file.metadata
        bounds: list[tuple[int, int]] = []
        first, n_rows, n_bytes = 0, 0, 0
        for group in range(metadata.num_row_groups):
            n_rows += metadata.row_group(group).num_rows
            n_bytes += metadata.row_group(group).total_byte_size
            full = n_bytes >= chunk_bytes or n_rows >= _CHUNK_ROWS
            if full or group == metadata.num_row_groups - 1:
                bounds.append((first, group + 1))
                first, n_rows, n_bytes = group + 1, 0, 0
        bounds = bounds or [(0, 0)]
        return [
            Chunk(i, f"row groups {first} to {end - 1}", (first, end), final=i == len(bounds) - 1)
            for i, (first, end) in enumerate(bounds)
        ]

    def cut(self, shard: Shard, reading: Reading, chunk_bytes: int, **_: Any) -> Iterator[Chunk]:
        """Yield the planned chunks."""
        yield from self.plan(shard, reading, chunk_bytes)

    def read(
        self, shard: Shard, chunk: Chunk, reading: Reading, *, salvage: bool = False
    ) -> Iterator[RowBatch]:
        """Yield the rows of a chunk; all rows of a damaged row group are refused by ``salvage``.

        So later rows keep their numbers.
        """
        first, end = chunk.place
        if first == end:
            return
        columns = pick_columns(self.schema(shard, reading).names, shard.path, reading)
        file = open_parquet(shard, **_buffered(shard, len(columns)))
        if not salvage:  # tiny row groups are read at the cost of large ones
            runs = iter_runs(file, range(first, end))
            of_runs = (iter_batches(file, shard, run, columns) for run in runs)
            yield from _read_all(join_batches(chain.from_iterable(of_runs)), shard, reading)
            return
        for group in range(first, end):
            if problem := _group_problem(file, shard, group):
                yield damaged_rows(file.metadata.row_group(group).num_rows, problem)
            else:
                yield from _read_all(iter_batches(file, shard, [group], columns), shard, reading)

    def take(
        self, shard: Shard, places: NDArray[Any], reading: Reading
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows by their numbers, reading only the row groups that hold one."""
        file = open_parquet(shard, **_buffered(shard, len(self.schema(shard, reading))))
        metadata = file.metadata
        sizes = np.array([metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)])
        ends = np.cumsum(sizes, dtype=np.int64)
        group_of = np.searchsorted(ends, places, side="right")  # beyond all where there is no row
        is_read = np.isin(np.arange(len(sizes)), group_of)
        passed_over = np.append(0, np.cumsum(np.where(is_read, 0, sizes), dtype=np.int64))
        groups = (
            (int(sizes[run].sum()), partial(iter_batches, file, shard, run, None))
            for run in iter_runs(file, np.flatnonzero(is_read).tolist())
        )
        places = places - passed_over[group_of]  # among the rows of the row groups that are read
        return take_rows(shard.path, groups, places)

    def schema(self, shard: Shard, reading: Reading) -> pa.Schema:
        """Names and types of the columns, from the footer."""
        return open_parquet(shard).schema_arrow

    def check(self, shard: Shard, reading: Reading) -> None:
        """Read the footer."""
        check_columns(self.schema(shard, reading).names, shard.path, reading)


def _read_all(
    batches: Iterable[pa.RecordBatch], shard: Shard, reading: Reading
) -> Iterator[RowBatch]:
    """Yield the rows of batches."""
    for batch in batches:
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
        for _ in iter_batches(file, shard, [group], None):
            pass
    except ShardError as error:
        return f"row group {group}: {error.problem}"
    return ""


def iter_batches(
    file: pq.ParquetFile, shard: Shard, run: Sequence[int], columns: list[str] | None
) -> Iterator[pa.RecordBatch]:
    """Decode a run of row groups (``iter_runs``) in batches of bounded memory.

    Raises:
        ShardError: If it is damaged.
    """
    try:
        n_rows = BATCH_ROWS
        if len(run) == 1:
            # Read a row first: a broken row group is an error there, and aborts the process where
            # its metadata are asked for.
            if next(file.iter_batches(1, row_groups=run, columns=columns), None) is None:
                return
            n_rows = safe_batch_rows(file, run[0], columns, partial(open_parquet, shard))
        batches = file.iter_batches(n_rows, row_groups=run, columns=columns)
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
    if "decrypt" in str(error):
        problem = "has encrypted columns, which are not read; write it again without encryption"
        return ShardError(shard.path, problem)
    return ShardError(shard.path, f"damaged Parquet data: {first_line(error)}")


READER = _Parquet()
