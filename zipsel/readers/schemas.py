"""Schemas of tables: joined, fitted to each other, and made such that Parquet can hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

#: Characters of a type in a message.
_SHOWN_TYPE = 200


class ConversionError(Exception):
    """A row cannot be converted.

    Args:
        row: Position of the row among those given.
        problem: What is wrong with the row.
    """

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(row, problem)
        self.row = row
        self.problem = problem


def first_failing(n_rows: int, attempt: Callable[[int], Any]) -> int:
    """The row without which an attempt with the rows before it would not have failed.

    Args:
        n_rows: Rows with which the attempt fails.
        attempt: Called with a number of rows, tries those before it.
    """
    low, high = 0, n_rows
    while high - low > 1:
        middle = (low + high) // 2
        try:
            attempt(middle)
            low = middle
        except (pa.ArrowException, OverflowError, ValueError):
            high = middle
    return low


def join_schemas(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The schema that holds the columns of all, absent ones null, narrow ones widened.

    Raises:
        ConversionError: Naming the first schema that does not fit those before it.
    """
    joined = pa.schema([])
    for i, schema in enumerate(schemas):
        try:
            joined = pa.unify_schemas(
                [joined, schema.remove_metadata()], promote_options="permissive"
            )
        except pa.ArrowException as error:
            raise ConversionError(i, first_line(error)) from None
    return joined


def fit_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with the columns of a schema that was joined of its own and others.

    Raises:
        ConversionError: If a value would change.
    """

    def attempt(end: int) -> pa.Table:
        parts = [pa.Table.from_batches([], schema), table.slice(0, end)]
        fitted = pa.concat_tables(parts, promote_options="permissive")
        for name, kind in zip(table.schema.names, table.schema.types, strict=True):
            if kind != schema.field(name).type and _holds_decimal(kind):
                if _is_rounded(table[name].slice(0, end).to_pylist(), fitted[name].to_pylist()):
                    raise pa.ArrowInvalid(f"{name!r} has decimals that no 64-bit fraction holds")
        return fitted

    try:
        return attempt(len(table))
    except pa.ArrowException as error:
        raise ConversionError(first_failing(len(table), attempt), first_line(error)) from None


def _holds_decimal(kind: pa.DataType) -> bool:
    inner = (kind.field(i).type for i in range(kind.num_fields))
    return pa.types.is_decimal(kind) or any(map(_holds_decimal, inner))


def _is_rounded(before: Any, fitted: Any) -> bool:
    """Whether a decimal, at any depth, has become a fraction that is written otherwise."""
    if isinstance(before, Decimal):
        return isinstance(fitted, float) and Decimal(repr(fitted)) != before
    if isinstance(before, dict):
        return any(_is_rounded(value, fitted[name]) for name, value in before.items())
    if isinstance(before, list | tuple):
        return any(map(_is_rounded, before, fitted))
    return False


def parquet_problem(schema: pa.Schema) -> str:
    """Which column Parquet cannot hold, and why; empty if it can hold all."""
    if _fits_parquet(schema):
        return ""
    field = next(field for field in schema if not _fits_parquet(pa.schema([field])))
    kind = str(field.type)
    only_empty = " (nothing but empty objects)" if "struct<>" in kind else ""
    shown = kind if len(kind) <= _SHOWN_TYPE else f"{kind[:_SHOWN_TYPE]}…"
    return f"Parquet has no type for the column {field.name!r}: {shown}{only_empty}"


def with_parquet_units(table: pa.Table) -> pa.Table:
    """A table whose times in seconds, which Parquet lacks, are milliseconds.

    pyarrow before 25 does the same on writing and lets times that are too far away overflow.

    Raises:
        pa.ArrowInvalid: If a time has no milliseconds in 64 bits.
    """
    fields = [field.with_type(_parquet_unit(field.type)) for field in table.schema]
    schema = pa.schema(fields, table.schema.metadata)
    return table if schema.equals(table.schema) else table.cast(schema)


def _parquet_unit(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind) and kind.unit == "s":
        return pa.timestamp("ms", kind.tz)
    return with_inner_types(kind, _parquet_unit)


_LISTS = (
    (pa.types.is_list, pa.list_),
    (pa.types.is_large_list, pa.large_list),
    (pa.types.is_list_view, pa.list_view),
    (pa.types.is_large_list_view, pa.large_list_view),
)


def with_inner_types(
    kind: pa.DataType, change: Callable[[pa.DataType], pa.DataType]
) -> pa.DataType:
    """A struct, map or list with the types inside it changed; any other type as it is."""

    def changed(field: pa.Field) -> pa.Field:
        return field.with_type(change(field.type))

    if pa.types.is_struct(kind):
        return pa.struct([changed(kind.field(i)) for i in range(kind.num_fields)])
    if pa.types.is_map(kind):
        key, item = changed(kind.key_field), changed(kind.item_field)
        return pa.map_(key, item, keys_sorted=kind.keys_sorted)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(changed(kind.value_field), kind.list_size)
    for is_kind, make in _LISTS:
        if is_kind(kind):
            return make(changed(kind.value_field))
    return kind


def _fits_parquet(schema: pa.Schema) -> bool:
    """Whether a file with these columns can be written, and read: one nested too deeply cannot."""
    sink = pa.BufferOutputStream()
    try:
        pq.ParquetWriter(sink, schema).close()
        pq.read_schema(pa.BufferReader(sink.getvalue()))
    except (pa.ArrowException, OSError):
        return False
    return True


def first_line(error: Exception) -> str:
    """The first line of an error's text; its type where it has none."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
