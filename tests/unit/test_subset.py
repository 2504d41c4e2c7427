"""A subset's files hold the chosen rows, whole, on the disk, the same bytes every time."""

import gzip
import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest

from zipsel.engines.local import LocalEngine
from zipsel.errors import OutputError
from zipsel.output import subset_file
from zipsel.output.subset import SubsetWriter
from zipsel.output.subset_file import AddedField, WriteTask, write_shard
from zipsel.selection.chosen_rows import Chosen
from zipsel.selection.spool import ROW, Spool, SpooledRows
from zipsel.storage.staging import staged_files


def chosen_of(folder, rows):
    lines = [json.dumps(row).encode() for row in rows]
    (folder / "spool").write_bytes(b"".join(lines))
    spooled, ranks = np.zeros(len(rows), ROW), np.arange(len(rows))
    spooled["length"] = [len(line) for line in lines]
    spooled["start"] = np.cumsum(spooled["length"]) - spooled["length"]
    spool = Spool([SpooledRows([(str(folder / "spool"), False)], 0, spooled)])
    return Chosen(ranks, 0.5 - ranks, np.full(len(rows), 100), spool)


@pytest.fixture
def write(tmp_path):
    """Write rows to files of some bytes each; the paths of the files."""

    def write_rows(rows, format_name, shard_bytes=None, add_field=None, workers=1):
        writer = SubsetWriter(
            chosen_of(tmp_path, rows), format_name, add_field, lambda rank: f"pool row {rank}"
        )
        out = tmp_path / "out"
        with staged_files(str(tmp_path / "work")) as staging, LocalEngine(workers) as engine:
            files = writer.write_files(
                lambda i: str(out / f"{i}.{format_name}"), shard_bytes, staging, engine
            )
            staging.commit()
        assert [file.n_bytes for file in files] == [
            os.path.getsize(out / file.name) for file in files
        ]
        return [out / file.name for file in files]

    return write_rows


ROWS = [{"text": f"text {i}", "n": i} for i in range(10)]


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_are_cut_into_files_in_order(write, workers):
    paths = write(ROWS, "jsonl", shard_bytes=303, add_field="score", workers=workers)
    assert len(paths) == 4
    rows = [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
    assert rows == [{**row, "score": 0.5 - i} for i, row in enumerate(ROWS)]


def test_rows_are_written_slice_by_slice(write, monkeypatch):
    monkeypatch.setattr(subset_file, "_SLICE_BYTES", 1000)
    (path,) = write(ROWS, "jsonl", add_field="score")
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert rows == [{**row, "score": 0.5 - i} for i, row in enumerate(ROWS)]


@pytest.mark.parametrize("format_name", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet"])
def test_a_file_is_on_the_disk_before_it_has_its_name(write, monkeypatch, format_name):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_ino), fsync(fd)))
    (path,) = write(ROWS, format_name)
    assert path.stat().st_ino in synced


def test_a_file_is_written_again_where_a_killed_worker_left_half_of_it(tmp_path):
    temporary = tmp_path / "temporary"
    temporary.write_text("half of a row and much more than a whole subset would be" * 99)
    task = WriteTask(chosen_of(tmp_path, ROWS), "jsonl", None, "subset.jsonl", str(temporary))
    assert write_shard(task).n_records == 10
    assert [json.loads(line) for line in temporary.read_bytes().splitlines()] == ROWS


def test_gzip_holds_no_time(write):
    (path,) = write(ROWS, "jsonl.gz")
    assert path.read_bytes()[3:8] == b"\0" * 5
    assert [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()] == ROWS


@pytest.mark.parametrize(
    "line", ['{"zürich/1": 1}', r'{"z\u00FCrich\/1": 1}', r'{"\u007a\u00fcrich/1":1}']
)
def test_a_field_of_the_same_name_is_found_however_it_is_written(line):
    with pytest.raises(OutputError, match="already has a field 'zürich/1'"):
        AddedField("zürich/1").append(line.encode(), 0.5)
    inner = b'{"text": "z\xc3\xbcrich/1", "meta": ' + line.encode() + b"}"
    assert json.loads(AddedField("zürich/1").append(inner, 0.5))["zürich/1"] == 0.5


@pytest.mark.parametrize("workers", [1, 2])
def test_all_parquet_files_have_one_schema(write, workers):
    rows = [{"text": "a", "n": 1}, {"text": "b", "n": 2.5, "extra": "x"}, {"text": "c", "n": None}]
    paths = write(rows, "parquet", shard_bytes=101, workers=workers)
    assert len({pq.read_schema(path) for path in paths}) == 1
    found = [row for path in paths for row in pq.read_table(path).to_pylist()]
    assert found == [{"extra": None, **row} for row in rows]


@pytest.mark.parametrize("shard_bytes", [None, 101])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_row_that_cannot_be_written_is_named(write, shard_bytes, workers):
    rows = [{"text": "a", "n": 1}, {"text": "b", "n": 2**70}]
    with pytest.raises(OutputError, match=r"^pool row 1 cannot be written as parquet: .*beyond.*"):
        write(rows, "parquet", shard_bytes, workers=workers)
    with pytest.raises(OutputError, match=r"^pool row 1 cannot be written as parquet: "):
        write([ROWS[0], {"text": "b", "n": "one"}], "parquet", shard_bytes, workers=workers)
    with pytest.raises(OutputError, match=r"nothing but empty objects.*write JSONL"):
        write([{"text": "a", "meta": {}}] * 2, "parquet", shard_bytes, workers=workers)
