"""Parquet files of very many row groups."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zipsel.pool.shards import open_shard
from zipsel.readers import reader_of
from zipsel.readers.reading import Reading
from zipsel.readers.shard import iter_shard
from zipsel.scoring.pool_sample import sample_pool

#: Rows of each row group: tiny ones, empty ones, one of more rows than are decoded at once, and
#: one whose value is larger than what tiny row groups may have.
SIZES = [*[1] * 3000, 0, 0, 1500, *[2] * 20, 1, 0, 3]
LARGE = 3000 + 1500 + 40


@pytest.fixture
def texts():
    return ["x" * 100_000 if i == LARGE else f"text {i}" for i in range(sum(SIZES))]


@pytest.fixture
def shard(tmp_path, texts):
    keys = pa.array([i.to_bytes(8, "little") for i in range(len(texts))], pa.binary(8))
    table = pa.table({"text": texts, "key": keys})
    with pq.ParquetWriter(tmp_path / "tiny.parquet", table.schema) as writer:
        first = 0
        for n_rows in SIZES:
            writer.write_table(table.slice(first, n_rows))
            first += n_rows
    assert pq.ParquetFile(tmp_path / "tiny.parquet").num_row_groups == len(SIZES)
    return open_shard(str(tmp_path / "tiny.parquet"), 0)


def test_rows_of_tiny_row_groups_are_all_there_in_their_order(shard, texts):
    found = [text for rows in iter_shard(shard, Reading()) for text in rows.texts.iter_texts()]
    assert found == texts


def test_rows_of_tiny_row_groups_are_found_by_their_numbers(shard, texts):
    rows = np.array([0, 1, 1023, 1024, 2999, 3000, 4499, 4500, LARGE, LARGE + 3])
    batches = list(reader_of(shard).take(shard, rows, Reading()))
    found = [row for batch in batches for row in batch.to_pylist()]
    assert [row["text"] for row in found] == [texts[i] for i in rows]
    assert [int.from_bytes(row["key"], "little") for row in found] == rows.tolist()


def test_row_groups_of_one_row_are_not_opened_one_by_one(shard, monkeypatch):
    """Nor is the footer read once for each stretch of the sample: it is large in such a file."""
    calls = Counter()
    open_file, decode = pq.ParquetFile.__init__, pq.ParquetFile.iter_batches

    def opening(file, *args, metadata=None, **options):
        calls["footers"] += metadata is None
        open_file(file, *args, metadata=metadata, **options)

    def decoding(file, *args, **options):
        calls["decoded"] += 1
        return decode(file, *args, **options)

    monkeypatch.setattr(pq.ParquetFile, "__init__", opening)
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", decoding)
    assert len(sample_pool([shard], Reading())) == sum(SIZES)
    assert calls["footers"] == 1
    assert calls["decoded"] < len(SIZES) / 50
