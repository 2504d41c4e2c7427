"""Arrow files and streams: planned by their footer, or cut from their beginning."""

import numpy as np
import pyarrow as pa
import pytest

from zipsel.pool.shards import open_shard
from zipsel.readers import reader_of
from zipsel.readers.reading import Reading
from zipsel.readers.shard import iter_chunks, iter_shard

pl = pytest.importorskip("polars", reason="polars is not installed")

TEXTS = [f"text number {i} of some length" for i in range(200)]


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(TEXTS)])
def test_what_polars_writes_is_read(tmp_path, dtype):
    """Views, dictionaries of views, and a file that no stream reader understands."""
    path = tmp_path / "a.arrow"
    frame = pl.DataFrame({"text": pl.Series(TEXTS, dtype=dtype), "n": range(200)})
    frame.write_ipc(path)
    shard = open_shard(str(path), 0)
    assert [
        text for rows in iter_shard(shard, Reading()) for text in rows.texts.iter_texts()
    ] == TEXTS
    taken = list(reader_of(shard).take(shard, np.array([3, 150]), Reading()))
    assert [one for batch in taken for one in batch["text"].to_pylist()] == [TEXTS[3], TEXTS[150]]


def write_stream(path, rows_in_batch):
    table = pa.table({"text": TEXTS})
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows_in_batch)
    return open_shard(str(path), 0)


@pytest.mark.parametrize("rows_in_batch", [7, 200])
def test_chunks_of_a_stream_are_about_as_large_as_asked_for(tmp_path, rows_in_batch):
    shard = write_stream(tmp_path / "a.arrow", rows_in_batch)
    reader = reader_of(shard)
    assert (shard.seekable, reader.plan(shard, Reading(), 1000)) == (False, None)
    chunks = list(iter_chunks(shard, Reading(), 1000))
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    n_rows = [sum(rows.n_rows for rows in reader.read(shard, one, Reading())) for one in chunks]
    assert sum(n_rows) == 200
    assert max(n_rows) < 60
    stretches = reader.cut(shard, Reading(), 1000, stretch_bytes=1)
    assert len({chunk.index for chunk in stretches}) == len(chunks)


def test_a_file_is_cut_also_inside_one_large_batch(tmp_path):
    table = pa.table({"text": TEXTS * 300})
    path = tmp_path / "a.arrow"
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    shard = open_shard(str(path), 0)
    chunks = reader_of(shard).plan(shard, Reading(), 1000)
    assert shard.seekable
    assert len(chunks) > 1
    found = [rows.n_rows for one in chunks for rows in reader_of(shard).read(shard, one, Reading())]
    assert sum(found) == len(table)
