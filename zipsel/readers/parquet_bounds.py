"""How many rows a Parquet row group may have, and how many of them may be decoded at once.

Parquet keeps what repeats once, so a file of a few hundred bytes may decode to terabytes. What
one row may decode to follows from the encoding:

- a dictionary page is read by itself, and its longest value decides;
- a value of ``DELTA_BYTE_ARRAY`` begins with a part of the one before, so it is no longer than
  everything that the column chunk holds;
- a value of fixed length is as long as the schema says.

A row without a value takes no space at all, but does where its score is kept. So row groups of
many more rows than the file has bytes are refused.

Where the bound ends: encodings and sizes are those of the footer, since pyarrow shows no page
headers. One value, one page (2 GiB at most, by the format) and all elements of a list in one row
are decoded whole before any of them can be refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

#: Rows decoded at once; bounds memory where a row group is large.
BATCH_ROWS = 1024

#: Bytes that one column's batch may decode to, but for single rows that are longer.
_BATCH_MAX_BYTES = 32 << 20

#: Bytes up to which small batches are joined: a scorer gains nothing from larger ones.
_JOINED_BYTES = 4 << 20

#: Row groups of up to so many bytes are read together, some at a time. One value of such a group
#: may fill a batch's rows and stay in bounds.
_TINY_BYTES, _RUN_BYTES = _BATCH_MAX_BYTES // BATCH_ROWS, 1 << 20

#: Rows of a row group that need no more bytes than the file has: about 100 MB of scores.
_GROUP_ROWS = 1 << 20

#: Rows for each byte of the file beyond those; texts take at least some bytes each.
_ROWS_PER_BYTE = 4


def row_group_problem(metadata: pq.FileMetaData, n_bytes: int) -> str:
    """What is wrong with the row counts of a file of ``n_bytes``; empty if nothing is."""
    limit = _GROUP_ROWS + _ROWS_PER_BYTE * n_bytes
    for group in range(metadata.num_row_groups):
        n_rows = metadata.row_group(group).num_rows
        if not 0 <= n_rows <= limit:
            return (
                f"row group {group} has {n_rows:,} rows in a file of {n_bytes:,} bytes; "
                f"write it again in row groups of at most {_GROUP_ROWS:,} rows"
            )
    return ""


def iter_runs(file: pq.ParquetFile, groups: Iterable[int]) -> Iterator[list[int]]:
    """Yield row groups in their order, some together where they are tiny.

    Opening each of 10,000 row groups of one row for itself takes 20 times as long.
    """
    leaves = (file.schema.column(i) for i in range(len(file.schema)))
    lengths = [leaf.length for leaf in leaves if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY"]
    may_join = max(lengths, default=0) <= _TINY_BYTES
    run: list[int] = []
    n_rows = n_bytes = 0
    for group in groups:
        found = file.metadata.row_group(group)
        n_rows += found.num_rows
        n_bytes += found.total_byte_size
        is_tiny = may_join and 0 <= found.total_byte_size <= _TINY_BYTES
        if run and not (is_tiny and n_rows <= BATCH_ROWS and n_bytes <= _RUN_BYTES):
            yield run
            run, n_rows, n_bytes = [], found.num_rows, found.total_byte_size
        run.append(group)
        if not is_tiny:
            yield run
            run, n_rows, n_bytes = [], 0, 0
    if run:
        yield run


def safe_batch_rows(
    file: pq.ParquetFile,
    group: int,
    columns: Sequence[str] | None,
    reopen: Callable[..., pq.ParquetFile],
) -> int:
    """Rows of a row group that can be decoded at once, from 1 to ``BATCH_ROWS``.

    Args:
        file: The file.
        group: Which row group; its first row must have been read without an error.
        columns: The columns to be read; None for all.
        reopen: Opens the file again, with options of ``ParquetFile``.

    Raises:
        pa.ArrowException: If the row group is damaged.
    """
    metadata = file.metadata.row_group(group)
    longest, suspects = 1, []
    for i in range(metadata.num_columns):
        leaf = file.schema.column(i)
        if columns is not None and leaf.path.split(".")[0] not in columns:
            continue  # nor ask for its metadata: of a column that was not read they may abort
        column = metadata.column(i)
        if column.physical_type == "FIXED_LEN_BYTE_ARRAY":
            longest = max(longest, leaf.length)
        elif column.physical_type == "BYTE_ARRAY":
            if "DELTA_BYTE_ARRAY" in column.encodings:
                longest = max(longest, column.total_uncompressed_size)
            may_burst = column.total_uncompressed_size * BATCH_ROWS > _BATCH_MAX_BYTES
            if column.has_dictionary_page and may_burst:
                suspects.append(leaf.path)
    if suspects:
        probe = reopen(read_dictionary=suspects, buffer_size=1 << 20, pre_buffer=False)
        names = sorted({path.split(".")[0] for path in suspects})
        first = next(probe.iter_batches(1, row_groups=[group], columns=names), None)
        if first is not None:
            longest = max(longest, *map(_longest_value, first.columns))
    return min(BATCH_ROWS, max(1, _BATCH_MAX_BYTES // longest))


def _longest_value(column: pa.Array) -> int:
    """Bytes of the longest dictionary value; of a nested column, all bytes of its one row."""
    if pa.types.is_dictionary(column.type):
        return int(pc.max(pc.binary_length(column.dictionary)).as_py() or 0)
    return int(column.nbytes)


def join_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join batches that had to be small for what they might have held, and did not."""
    held: list[pa.RecordBatch] = []
    n_rows = n_bytes = 0
    for batch in batches:
        held.append(batch)
        n_rows += batch.num_rows
        n_bytes += batch.nbytes
        if n_rows >= BATCH_ROWS or n_bytes >= _JOINED_BYTES:
            yield _joined(held)
            held, n_rows, n_bytes = [], 0, 0
    if held:
        yield _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
