"""The examples of the README: ``Scorer`` inside the tables of other libraries."""

import os
import sys

import numpy as np
import pyarrow as pa
import pytest
from made_up import make_records

import zipsel as package

TEXTS = [record["text"] for record in make_records(40)]
TARGET = [record["text"] for record in make_records(16, seed=1) if record["kind"] == "code"]


@pytest.fixture(scope="module")
def scorer():
    return package.Scorer.fit(TARGET, TEXTS)


@pytest.fixture(scope="module")
def expected(scorer):
    return scorer.score(TEXTS).tolist()


@pytest.mark.filterwarnings("default")
def test_datasets_map(scorer, expected, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    dataset = datasets.Dataset.from_dict({"text": TEXTS})

    scored = dataset.map(lambda rows: {"alignment": scorer.score(rows["text"])}, batched=True)
    by_arrow = dataset.with_format("arrow").map(scorer.score_batch, batched=True, batch_size=7)

    assert scored["alignment"][:] == expected
    assert by_arrow.with_format(None)["alignment"][:] == expected


@pytest.mark.filterwarnings("default")
def test_datasets_knows_the_same_scorer_again(scorer):
    hasher = pytest.importorskip("datasets.fingerprint", reason="datasets is not installed").Hasher
    before = hasher.hash(scorer.score_batch)
    scorer.score(TEXTS)
    assert hasher.hash(scorer.score_batch) == before


def test_polars(scorer, expected):
    pl = pytest.importorskip("polars", reason="polars is not installed")
    frame = pl.DataFrame({"text": TEXTS})

    alignment = pl.col("text").map_batches(
        lambda texts: pl.Series(scorer.score(texts)), return_dtype=pl.Float64
    )

    assert frame.with_columns(alignment=alignment)["alignment"].to_list() == expected
    assert frame.lazy().select(alignment).collect()["text"].to_list() == expected


def test_spark_map_in_arrow(scorer, expected):
    """The contract of ``mapInArrow``: batches in, batches of a fixed schema out."""
    batches = pa.table({"text": TEXTS}).to_batches(max_chunksize=7)
    scored = pa.Table.from_batches(scorer.score_batches(iter(batches)))
    assert scored["alignment"].to_pylist() == expected
    empty = next(scorer.score_batches([batches[0].slice(0, 0)]))
    assert empty.schema == scored.schema


@pytest.mark.filterwarnings("default")
def test_spark(scorer, expected, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    session = sql.SparkSession.builder.master("local[1]").getOrCreate()
    try:
        frame = session.createDataFrame([(text,) for text in TEXTS], "text string")
        scored = frame.mapInArrow(scorer.score_batches, "text string, alignment double")
        assert sorted(row.alignment for row in scored.collect()) == sorted(expected)
    finally:
        session.stop()


@pytest.mark.filterwarnings("default")
def test_ray_data(scorer, expected, monkeypatch):
    monkeypatch.setitem(os.environ, "RAY_USAGE_STATS_ENABLED", "0")
    ray = pytest.importorskip("ray", reason="ray is not installed")
    data = pytest.importorskip("ray.data", reason="ray is not installed")
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        dataset = data.from_arrow(pa.table({"id": range(40), "text": TEXTS}))
        scored = dataset.map_batches(scorer.score_batch, batch_format="pyarrow", batch_size=16)
        rows = sorted(scored.take_all(), key=lambda row: row["id"])
    finally:
        ray.shutdown()
    np.testing.assert_array_equal([row["alignment"] for row in rows], expected)
