"""Rows cross between JSON and tables unchanged, or their row is named."""

import decimal
import json

import numpy as np
import pyarrow as pa
import pytest

from zipsel.readers.convert import to_json, to_tables
from zipsel.readers.schemas import ConversionError, fit_schema, join_schemas, parquet_problem


def times(kind, *values):
    return pa.array(values, pa.int64()).cast(kind)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (times(pa.timestamp("ns"), 123456789, 123000),
         ["1970-01-01T00:00:00.123456789", "1970-01-01T00:00:00.000123"]),
        (times(pa.timestamp("ns", "UTC"), -5), ["1969-12-31T23:59:59.999999995Z"]),
        (times(pa.timestamp("ns", "Europe/Berlin"), 1), ["1970-01-01T01:00:00.000000001+01:00"]),
        (times(pa.time64("ns"), 1, 1000), ["00:00:00.000000001", "00:00:00.000001"]),
        (times(pa.duration("ns"), -1, 1000), ["-PT0.000000001S", "PT0.000001S"]),
        (pa.array([[1], None], pa.list_(pa.timestamp("ns"))),
         [["1970-01-01T00:00:00.000000001"], None]),
        (pa.array([b"text", b"\xff\xfe", None]), ["text", "//4=", None]),
        (pa.array([{"a": b"x", "b": [b"y", None]}, None]), [{"a": "x", "b": ["y", None]}, None]),
        (pa.array([[("k", b"v")], []], pa.map_(pa.string(), pa.binary())), [[["k", "v"]], []]),
        (pa.array([b"x", b"x"]).dictionary_encode(), ["x", "x"]),
        (pa.array([2**64 - 1, 1], pa.uint64()), [2**64 - 1, 1]),
    ],
)  # fmt: skip
def test_values_of_tables_become_json(column, values):
    lines = list(to_json(pa.table({"x": column})))
    assert [json.loads(line)["x"] for line in lines] == values


@pytest.mark.parametrize(
    ("table", "row", "problem"),
    [
        ({"x": pa.array([1, 10**15], pa.timestamp("s"))}, 1, "column 'x'"),
        ({"x": pa.array([b"a", b"\xff"]).view(pa.string())}, 1, "column 'x'.*can't decode"),
        ({"x": pa.StructArray.from_arrays([pa.array([1])] * 2, ["a", "a"])}, 0, "have one name"),
    ],
)
def test_values_that_json_cannot_hold_are_named(table, row, problem):
    with pytest.raises(ConversionError, match=problem) as refused:
        list(to_json(pa.table(table)))
    assert refused.value.row == row


@pytest.mark.parametrize(
    "rows",
    [
        [{"a": 1}, {"a": 1.5}, {"a": None}],
        [{"a": 2**63 - 1}, {"a": -(2**63)}],
        [{"a": {"b": 1.5, "c": True}}],
        [{"a": [1, 2.5]}, {"a": []}],
        [{"a": "\u00e9\U0001f600"}],
        [{"a": 1}, {"b": "x"}],
    ],
)
def test_json_becomes_a_table_of_the_same_values(rows):
    (table,) = to_tables(iter([json.dumps(row).encode() for row in rows]))
    found = [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]
    assert found == [{k: v for k, v in row.items() if v is not None} for row in rows]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("9223372036854775808", "number 9223372036854775808 is beyond 64-bit"),
        ("[" + "9" * 5000 + "]", "beyond 64-bit"),
        ("-1e400", "number -1e400 is beyond"),
        ("2e-400", "number 2e-400 is beyond"),
        ("true", "field 'a'"),
        ('"one"', "field 'a'"),
        ('{"b": 1}', "field 'a'"),
        ("9007199254740993", "field 'a'.*9007199254740993"),
        ('"\\ud800"', "lone surrogate"),
        ('{"\\udc00": 1}', "lone surrogate"),
        ('1, "a": 2', "field 'a' twice"),
    ],
)
def test_json_that_a_table_cannot_hold_is_named(value, problem):
    lines = [b'{"a": 0.5}', b'{"a": null}', f'{{"a": {value}}}'.encode(), b'{"a": 2}']
    with pytest.raises(ConversionError, match=problem) as refused:
        list(to_tables(iter(lines)))
    assert refused.value.row == 2


def test_tables_are_joined_without_changing_a_value():
    tables = [pa.table({"a": [1, 2**53 + 1]}), pa.table({"a": [0.5], "b": ["x"]})]
    schema = join_schemas([table.schema for table in tables])
    assert schema == pa.schema([("a", pa.float64()), ("b", pa.string())])
    assert fit_schema(tables[1], schema).to_pylist() == [{"a": 0.5, "b": "x"}]
    with pytest.raises(ConversionError) as refused:
        fit_schema(tables[0], schema)
    assert refused.value.row == 1
    with pytest.raises(ConversionError) as refused:
        join_schemas([schema, tables[0].schema, pa.schema([("a", pa.bool_())])])
    assert refused.value.row == 2


def test_columns_without_a_parquet_type_are_named():
    schema = pa.schema([("a", pa.int8()), ("b", pa.list_(pa.struct([])))])
    assert "column 'b'" in parquet_problem(schema)
    assert "nothing but empty objects" in parquet_problem(schema)
    assert not parquet_problem(pa.schema([("a", pa.null()), ("b", pa.large_string())]))


def test_columns_that_parquet_could_write_but_not_read_are_named():
    (table,) = to_tables(iter([b'{"a": 1, "b": ' + b"[" * 150 + b"]" * 150 + b"}"]))
    problem = parquet_problem(table.schema)
    assert "column 'b'" in problem
    assert len(problem) < 300


@pytest.mark.parametrize(
    "around",
    [lambda one: one, lambda one: [None, one], lambda one: {"b": one}, lambda one: [{"b": [one]}]],
)
def test_decimals_become_fractions_only_where_their_values_stay(around):
    decimals = [decimal.Decimal("0.25"), decimal.Decimal("12345678901234567890.25")]
    table = pa.table({"a": list(map(around, decimals))})
    schema = pa.table({"a": [around(0.5)]}).schema
    assert fit_schema(table.slice(0, 1), schema)["a"].to_pylist() == [around(0.25)]
    with pytest.raises(ConversionError, match="'a'") as refused:
        fit_schema(table, schema)
    assert refused.value.row == 1


def test_tensors_fit_the_schema_of_others():
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((2, 2, 2)))
    schema = pa.schema([("a", tensors.type), ("b", pa.string())])
    fitted = fit_schema(pa.table({"a": tensors}), schema)
    assert fitted.schema == schema
    assert fitted["a"].chunk(0).storage == tensors.storage
