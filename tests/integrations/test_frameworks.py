"""The README's lines in the libraries that they are for, each as it stands there."""

import os
import re
import sys
from glob import glob
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from made_up import make_records, read_jsonl, write_jsonl

import zipsel as package

README = (Path(__file__).parents[2] / "README.md").read_text()

TEXTS = [record["text"] for record in make_records(40)]
TARGET = [record["text"] for record in make_records(16, seed=1) if record["kind"] == "code"]


def lines_for(library):
    """The README's lines of Python for a library, whose name stands behind them."""
    found = re.findall(rf"^(\S.*\S) {{2,}}{library}$", README, re.MULTILINE)
    assert found
    return found


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

    (line,) = lines_for("datasets")
    scored = eval(line, {"dataset": dataset, "scorer": scorer})
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

    (line,) = lines_for("Polars")
    alignment = eval(line, {"pl": pl, "scorer": scorer})

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
        (line,) = lines_for("Spark")
        scored = eval(line, {"frame": frame, "scorer": scorer})
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
        (line,) = lines_for("Ray Data")
        scored = eval(line, {"ray_dataset": dataset, "scorer": scorer})
        rows = sorted(scored.take_all(), key=lambda row: row["id"])
    finally:
        ray.shutdown()
    np.testing.assert_array_equal([row["alignment"] for row in rows], expected)


@pytest.fixture
def written(zipsel, target, tmp_path, monkeypatch):
    """A subset and scores of one pool, in the current directory."""
    write_jsonl(tmp_path / "pool" / "part-00000.jsonl", make_records(40))
    write_jsonl(tmp_path / "pool" / "part-00001.jsonl", make_records(40, seed=2))
    zipsel("select", "pool", "-t", target, "--top-k", 30, "--output", "subset")
    zipsel("score", "pool", "-t", target, "--output", "scores")
    monkeypatch.chdir(tmp_path)
    return read_jsonl("subset/subset-00000.jsonl")


def test_duckdb(written):
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    (line,) = lines_for("DuckDB")
    subset, scores = eval(line, {"duckdb": duckdb})
    assert subset.project("id, kind, text").fetchall() == [
        (row["id"], row["kind"], row["text"]) for row in written
    ]
    assert [value for (value,) in scores.project("alignment").fetchall()] == alignments()


def test_pandas(written):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    (line,) = lines_for("pandas")
    chosen, *scores = eval(line, {"pandas": pandas, "glob": lambda path: sorted(glob(path))})
    assert chosen["n_bytes"].tolist() == [len(row["text"]) for row in written]
    assert [value for one in scores for value in one["alignment"]] == alignments()


def alignments():
    """Of all rows of the pool, in its order."""
    paths = [f"scores/part-0000{number}.jsonl.scores.parquet" for number in range(2)]
    return pa.parquet.read_table(paths)["alignment"].to_pylist()
