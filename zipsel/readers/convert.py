"""Rows of tables as JSON objects, and JSON objects as rows of tables: exactly, or not at all.

A value that the other form cannot hold (a number beyond 64 bits, a lone surrogate, a column of
nothing but empty objects) is an error that names its row, never another value. Two things are no
change: a table has a null where a JSON object lacks a field, and a column of whole numbers and
fractions holds fractions. NaN and infinity are null in JSON, which has no such numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from zipsel.readers.json_rows import decode_object
from zipsel.readers.rows import RowError
from zipsel.readers.schemas import ConversionError, first_failing, first_line

#: JSON that becomes a table at once; bounds the Python objects that live at a time.
_LINES_BYTES = 16 << 20


def to_json(table: pa.Table) -> Iterator[bytes]:
    """Yield each row of a table as a JSON object.

    Bytes that are UTF-8 become strings, other bytes base64. Times keep their nanoseconds.

    Raises:
        ConversionError: If JSON cannot hold a value.
    """
    names = table.column_names
    if len({*names}) < len(names):
        raise ConversionError(0, "two of its columns have one name")
    columns = [_json_values(table.column(i), name) for i, name in enumerate(names)]
    for i in range(len(table)):
        row = {name: column[i] for name, column in zip(names, columns, strict=True)}
        yield msgspec.json.encode(row, enc_hook=str)


def value_of(scalar: pa.Scalar) -> Any:
    """A value as ``to_json`` takes it: times with their nanoseconds, bytes that are UTF-8 as text.

    Raises:
        ValueError: If Python has no such value; also ``OverflowError`` and ``pa.ArrowException``.
    """
    return _json_value(scalar) if _needs_care(scalar.type) else scalar.as_py()


def _json_values(column: pa.ChunkedArray, name: str) -> list[Any]:
    if not _needs_care(column.type):
        try:
            return list(column.to_pylist())
        except (ValueError, OverflowError):  # broken UTF-8, or a time that Python does not have
            pass
    values = []
    for i, scalar in enumerate(column):
        try:
            values.append(_json_value(scalar))
        except (ValueError, OverflowError, pa.ArrowException) as error:
            raise ConversionError(i, f"its column {name!r}: {error}") from None
    return values


def _needs_care(kind: pa.DataType) -> bool:
    """Whether Python's value of a type may be another than Arrow's, or is no text."""
    if isinstance(kind, pa.BaseExtensionType):
        return False
    if pa.types.is_dictionary(kind):
        return _needs_care(kind.value_type)
    if kind.num_fields:
        return any(_needs_care(kind.field(i).type) for i in range(kind.num_fields))
    return getattr(kind, "unit", None) == "ns" or _is_binary(kind)


def _is_binary(kind: pa.DataType) -> bool:
    is_kind = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return any(check(kind) for check in is_kind)


def _json_value(scalar: pa.Scalar) -> Any:
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        if len({*names}) < len(names):
            raise ValueError(f"two of the fields {', '.join(names)} have one name")
        return {kind.field(i).name: _json_value(scalar[i]) for i in range(kind.num_fields)}
    if pa.types.is_map(kind):
        return [[_json_value(entry[0]), _json_value(entry[1])] for entry in scalar.values]
    if isinstance(scalar, pa.ListScalar):
        return [_json_value(value) for value in scalar.values]
    if pa.types.is_dictionary(kind) or pa.types.is_union(kind):
        return _json_value(scalar.value)
    if _is_binary(kind):
        data = scalar.as_py()
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data
    if getattr(kind, "unit", None) == "ns":
        return _time_text(scalar)
    return scalar.as_py()


def _time_text(scalar: pa.Scalar) -> Any:
    """A time as Python's where it has no nanoseconds; else as a string that has them."""
    kind = scalar.type
    micro = scalar.value % 1000 == 0
    if pa.types.is_duration(kind):
        if micro:
            return scalar.cast(pa.duration("us")).as_py()
        sign, value = ("-" if scalar.value < 0 else ""), abs(scalar.value)
        return f"{sign}PT{value // 10**9}.{value % 10**9:09d}S"
    if micro:
        is_time = pa.types.is_time(kind)
        return scalar.cast(pa.time64("us") if is_time else pa.timestamp("us", kind.tz)).as_py()
    text = scalar.cast(pa.string()).as_py().replace(" ", "T", 1)
    if text[-5:-4] in "+-" and text[-4:].isdigit():  # Arrow writes +0100, ISO 8601 +01:00
        text = f"{text[:-2]}:{text[-2:]}"
    return text


def to_tables(lines: Iterator[bytes]) -> Iterator[pa.Table]:
    """Yield JSON objects as tables of every field that any of them has, some 16 MB each.

    Raises:
        ConversionError: If a table cannot hold a value.
    """
    first_row, rows, n_bytes = 0, [], 0
    for i, line in enumerate(lines):
        rows.append(_decode(i, line))
        n_bytes += len(line)
        if n_bytes >= _LINES_BYTES:
            yield _to_table(rows, first_row)
            first_row, rows, n_bytes = i + 1, [], 0
    if rows:
        yield _to_table(rows, first_row)


def _decode(row: int, line: bytes) -> dict[str, Any]:
    """Decode a JSON object whose every value a table can hold as it is written."""
    try:
        value = decode_object(line, _EXACT.decode)
        if b"\\u" in line:
            json.dumps(value, ensure_ascii=False).encode()
    except RowError as error:
        raise ConversionError(row, f"it does not decode: {error.reason}") from None
    except UnicodeEncodeError:
        raise ConversionError(row, "it holds a lone surrogate, which is no text") from None
    except _UnfitError as error:
        raise ConversionError(row, str(error)) from None
    return value


class _UnfitError(Exception):
    """A JSON value that no table holds as it is written."""


def _to_float(digits: str) -> float:
    value = float(digits)
    vanished = value == 0 and any(digit in "123456789" for digit in digits.lower().split("e")[0])
    if vanished or not math.isfinite(value):
        raise _UnfitError(f"its number {digits[:30]} is beyond 64-bit fractions")
    return value


def _to_int(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise _UnfitError(f"its number {digits[:30]} is beyond 64-bit integers")
    return int(digits)


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise _UnfitError(f"it has the field {double!r} twice")
    return value


_EXACT = json.JSONDecoder(parse_float=_to_float, parse_int=_to_int, object_pairs_hook=_to_object)


def _to_table(rows: Sequence[dict[str, Any]], first_row: int) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        columns[name], at, problem = _to_array(values)
        if problem:
            raise ConversionError(first_row + at, f"its field {name!r}: {problem}")
    return pa.table(columns)


def _to_array(values: list[Any]) -> tuple[pa.Array | None, int, str]:
    """An Arrow array; or None, the position of the first value that does not fit, and why."""
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError, ValueError) as error:
        at = first_failing(len(values), lambda end: pa.array(values[:end]))
        return None, at, first_line(error)
    if _holds_float(array.type):
        for at, value in enumerate(values):
            if _is_bool_of_float(value, array.type):
                return None, at, "true or false where other rows have numbers"
    return array, 0, ""


def _holds_float(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or any(
        _holds_float(kind.field(i).type) for i in range(kind.num_fields)
    )


def _is_bool_of_float(value: Any, kind: pa.DataType) -> bool:
    """Whether Arrow has made a number of a ``true`` or ``false``, which it does in silence."""
    if isinstance(value, dict):
        return any(_is_bool_of_float(value.get(field.name), field.type) for field in kind)
    if isinstance(value, list):
        return any(_is_bool_of_float(one, kind.value_type) for one in value)
    return isinstance(value, bool) and pa.types.is_floating(kind)
