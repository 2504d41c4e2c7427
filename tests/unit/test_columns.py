"""Texts and groups of a batch of Arrow columns."""

from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zipsel.readers.columns import column_of, pick_columns, read_batch
from zipsel.readers.reading import Reading, TextSpec
from zipsel.readers.rows import Reason
from zipsel.readers.table_rows import plain_schema, take_rows


@pytest.mark.parametrize(("kind", "text"), [("field", "meta.text"), ("template", "{meta.text}")])
def test_a_column_of_the_very_name_comes_before_a_path(kind, text):
    nested = pa.array([{"text": "nested"}])
    batch = pa.RecordBatch.from_pydict({"meta": nested, "meta.text": ["the column"]})
    reading = Reading(TextSpec(kind, text), "meta.text")
    names = batch.schema.names
    assert column_of(names, "meta.text") == "meta.text"
    assert pick_columns(names, "a.parquet", reading) == ["meta.text"]
    rows = read_batch(batch, reading)
    assert (list(rows.texts.iter_texts()), rows.groups) == (["the column"], ["the column"])
    rows = read_batch(batch.select(["meta"]), reading)
    assert (list(rows.texts.iter_texts()), rows.groups) == (["nested"], ["nested"])


VIEWS = pa.array(["a text", "another", "a third"], pa.string_view())
WORDS = pa.array([1, 0, 1], pa.uint32())
TYPES = {
    "categorical": (pa.DictionaryArray.from_arrays(WORDS, VIEWS), ["another", "a text", "another"]),
    "array": (pa.array([["a", "b"]] * 3, pa.list_(pa.string_view(), 2)), [["a", "b"]] * 3),
    "runs": (pa.RunEndEncodedArray.from_arrays(pa.array([2, 3]), ["x", "y"]), ["x", "x", "y"]),
    "map": (pa.array([[("k", "v")]] * 3, pa.map_(pa.string_view(), pa.string_view())),
            [[("k", "v")]] * 3),
    "bytes": (pa.array([b"a", b"b", b"c"], pa.binary_view()), [b"a", b"b", b"c"]),
    "nested": (pa.array([{"a": ["x"]}] * 3, pa.struct([("a", pa.list_(pa.string_view()))])),
               [{"a": ["x"]}] * 3),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
def test_rows_of_types_that_arrow_cannot_take_are_taken(name):
    column, values = TYPES[name]
    batch = pa.RecordBatch.from_arrays([VIEWS, column], ["text", "c"])
    [taken] = take_rows("a.arrow", [(3, lambda: [batch])], np.array([0, 2]))
    assert taken["c"].to_pylist() == [values[0], values[2]]
    assert taken.schema == plain_schema(batch.schema)
    assert taken.take(pa.array([1]))["c"].to_pylist() == [values[2]]
    pq.write_table(pa.Table.from_batches([taken]), pa.BufferOutputStream())


@pytest.mark.parametrize("name", ["categorical", "runs", "bytes"])
def test_texts_of_any_encoding_of_strings_are_read(name):
    column, values = TYPES[name]
    rows = read_batch(pa.RecordBatch.from_arrays([column], ["text"]), Reading())
    assert list(rows.texts.iter_encoded()) == [
        value if isinstance(value, bytes) else value.encode() for value in values
    ]


@pytest.mark.parametrize("spec", [TextSpec(), TextSpec("template", "{text}")])
def test_a_refused_row_takes_its_group_with_it(spec):
    batch = pa.record_batch({"text": ["a", None, "c", " ", "e"], "g": [1, 2, 3, 4, 5]})
    rows = read_batch(batch, Reading(text=spec, group_field="g"))
    assert rows.accepted.tolist() == [0, 2, 4]
    assert rows.groups == ["1", "3", "5"]
    assert {i: reason for i, (reason, _) in rows.rejects.items()} == {
        1: Reason.NULL,
        3: Reason.EMPTY,
    }


GROUPS = [
    (pa.array([date(2026, 1, 2), None]), ["2026-01-02", None]),
    (pa.array([10**18 + 1, 10**18], pa.timestamp("ns")),
     ["2001-09-09T01:46:40.000000001", "2001-09-09T01:46:40"]),
    (pa.array([b"web", b"\xff"]), ["web", "/w=="]),
    (pa.array([Decimal("1.50"), Decimal("2")]), ["1.50", "2.00"]),
    (pa.array([1.5, float("nan")]), ["1.5", "NaN"]),
    (pa.array([[1], []]), [None, None]),
    (pa.array(["web", None], pa.string_view()), ["web", None]),
    (pa.RunEndEncodedArray.from_arrays(pa.array([2]), VIEWS[:1]), ["a text", "a text"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "names"), GROUPS, ids=[str(column.type) for column, _ in GROUPS]
)
def test_groups_are_named_as_the_row_writes_them(column, names):
    meta = pa.StructArray.from_arrays([column], ["g"])
    batch = pa.record_batch({"text": ["a", "b"], "g": column, "meta": meta})
    for field in ("g", "meta.g"):
        assert read_batch(batch, Reading(group_field=field)).groups == names


def test_a_row_without_the_field_says_which_it_has():
    kind = pa.struct([("url", pa.string()), ("body", pa.int64())])
    batch = pa.record_batch({"meta": pa.array([{"url": "a", "body": 1}], kind)})
    rows = read_batch(batch, Reading(text=TextSpec("field", "meta.text")))
    assert [reason for reason, _ in rows.rejects.values()] == [Reason.MISSING_FIELD]
    assert rows.found == "url, body"
