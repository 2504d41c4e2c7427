"""Which columns a text is taken from."""

import pyarrow as pa
import pytest

from zipsel.readers.columns import column_of, pick_columns, read_batch
from zipsel.readers.rows import Reading, TextSpec


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
