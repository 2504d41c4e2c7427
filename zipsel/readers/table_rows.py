"""Rows of a table by their row numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from zipsel.errors import ShardError
from zipsel.readers.schemas import with_inner_types

#: Rows of a group, and what reads all its columns.
Group = tuple[int, Callable[[], Iterable[pa.RecordBatch]]]


def take_rows(path: str, groups: Iterable[Group], rows: NDArray[np.int64]) -> Iterator[pa.Table]:
    """Yield ascending rows of a table; groups without any of them are not read.

    Raises:
        ShardError: If there are fewer rows.
    """
    first_row = 0
    for n_rows, read in groups:
        if len(rows) and first_row > rows[-1]:
            return
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
    for batch in batches:
        low, high = np.searchsorted(rows, [first_row, first_row + batch.num_rows])
        if low < high:
            yield _plain_batch(batch).take(pa.array(rows[low:high] - first_row))
        first_row += batch.num_rows


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Columns as ``take_rows`` yields them."""
    fields = [field.with_type(plain_type(field.type)) for field in schema]
    return pa.schema(fields, schema.metadata)


def _plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    schema = plain_schema(batch.schema)
    if schema.equals(batch.schema):
        return batch
    columns = [
        column if column.type == field.type else _plain_column(column, field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _plain_column(column: pa.Array, plain: pa.DataType) -> pa.Array:
    try:
        return decode_values(column).cast(plain)
    except pa.ArrowNotImplementedError:  # by way of Python
        return pa.array(column.to_pylist(), plain)


def decode_values(column: pa.Array) -> pa.Array:
    """The values of a dictionary or run-end encoded column, dictionaries of views included."""
    if pa.types.is_run_end_encoded(column.type):
        column = pc.run_end_decode(column)
    if pa.types.is_dictionary(column.type):
        values = column.dictionary
        if is_view(values.type):
            values = values.cast(plain_type(values.type))
            column = pa.DictionaryArray.from_arrays(column.indices, values)
        column = column.dictionary_decode()
    return column


def is_view(kind: pa.DataType) -> bool:
    """Whether values are views into buffers, which Polars writes."""
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def plain_type(kind: pa.DataType) -> pa.DataType:
    """A type with the same values of which Arrow can take rows and Parquet can store all.

    Views become plain strings, dictionaries of views and run-end encoding their values.
    """
    if is_view(kind):
        return pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()
    if pa.types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if pa.types.is_dictionary(kind):
        plain = plain_type(kind.value_type)
        return kind if plain == kind.value_type else plain
    return with_inner_types(kind, plain_type)
