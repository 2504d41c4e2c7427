"""Rows of a table by their row numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from zipsel.errors import ShardError

#: Rows of a group, and what reads all its columns.
Group = tuple[int, Callable[[], Iterable[pa.RecordBatch]]]


def take_rows(path: str, groups: Iterable[Group], rows: NDArray[np.int64]) -> Iterator[pa.Table]:
    """Yield ascending rows of a table; groups without any of them are not read.

    Args:
        path: The shard, for messages.
        groups: All its rows, in order.
        rows: Row numbers.

    Raises:
        ShardError: If there are fewer rows.
    """
    first_row = 0
    for n_rows, read in groups:
        low, high = np.searchsorted(rows, [first_row, first_row + n_rows])
        if low < high:
            yield from _take_from(read(), rows[low:high] - first_row)
        first_row += n_rows
    if len(rows) and rows[-1] >= first_row:
        raise ShardError(path, "ends before a row that was scored")


def _take_from(
    batches: Iterable[pa.RecordBatch], rows: NDArray[np.int64]
) -> Iterator[pa.RecordBatch]:
    """Rows of consecutive batches, by their numbers in the group."""
    first_row = 0
    for batch in map(_plain_batch, batches):
        low, high = np.searchsorted(rows, [first_row, first_row + batch.num_rows])
        if low < high:
            yield batch.take(pa.array(rows[low:high] - first_row))
        first_row += batch.num_rows


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Columns as ``take_rows`` yields them: views and runs as plain values.

    Arrow cannot take rows of views and of run-end encoded columns, which Parquet does not tell
    apart from plain ones.
    """
    fields = [field.with_type(_plain_type(field.type)) for field in schema]
    return pa.schema(fields, schema.metadata)


def _plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    schema = plain_schema(batch.schema)
    if schema.equals(batch.schema):
        return batch
    columns = [
        pc.run_end_decode(column) if pa.types.is_run_end_encoded(column.type) else column
        for column in batch.columns
    ]
    arrays = [column.cast(field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_run_end_encoded(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_map(kind):
        return pa.map_(
            _plain_type(kind.key_type), kind.item_field.with_type(_plain_type(kind.item_type))
        )
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain_type(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_plain_type(kind.value_type)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_plain_type(kind.value_type)))
    return kind
