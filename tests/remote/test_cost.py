"""What reading a pool behind a network costs: requests and bytes, against what the pool holds."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from made_up import make_records, write_jsonl

import zipsel as package
from zipsel.cli.group import cli
from zipsel.readers import decompress, parquet
from zipsel.readers.jsonl import _LINE_RANGE_BYTES
from zipsel.selection import passes
from zipsel.selection.selector import _SPARE_RECORDS
from zipsel.storage import ranges as store_ranges

pytestmark = pytest.mark.filterwarnings("default")

N_RECORDS = 12_000
#: The first range and the largest: shards of this test have as many of them as real ones.
FIRST_BYTES, LAST_BYTES = 1 << 13, 1 << 18
SAMPLE_BYTES = 1 << 17


@pytest.fixture
def ranges(monkeypatch):
    """Ranges that are read, as ``(URL, bytes)``."""
    found = []
    cat_file = pytest.importorskip("s3fs").S3FileSystem.cat_file

    def counting(self, path, start=None, end=None, **options):
        if (start, end) != (0, 1 << 16):  # by which the format is told
            found.append((f"s3://{path}", end - start))
        return cat_file(self, path, start=start, end=end, **options)

    monkeypatch.setattr("s3fs.S3FileSystem.cat_file", counting)
    monkeypatch.setattr(store_ranges, "_FIRST_RANGE_BYTES", FIRST_BYTES)
    monkeypatch.setattr(store_ranges, "_LAST_RANGE_BYTES", LAST_BYTES)
    monkeypatch.setattr(store_ranges, "_REST_BYTES", FIRST_BYTES)
    monkeypatch.setattr(decompress, "_READ_BYTES", FIRST_BYTES)
    store_ranges._held_of.cache_clear()
    return found


@pytest.fixture
def objects(direct, tmp_path):
    """URL → size of objects with the same records."""
    records = make_records(N_RECORDS, seed=3)
    lines = write_jsonl(tmp_path / "lines.jsonl", records).read_bytes()
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "table.parquet", row_group_size=3000)
    pq.write_table(
        pa.Table.from_pylist(records), tmp_path / "one-group.parquet", use_dictionary=False,
        data_page_size=FIRST_BYTES,
    )  # fmt: skip
    contents = {
        "a.jsonl": lines,
        "b.jsonl.zst": zstandard.compress(lines),
        "b.jsonl.gz": gzip.compress(lines),
        "c.parquet": (tmp_path / "table.parquet").read_bytes(),
        "d.parquet": (tmp_path / "one-group.parquet").read_bytes(),
    }
    for name, data in contents.items():
        direct.pipe_file(f"bucket/large/{name}", data)
    return {f"s3://bucket/large/{name}": len(data) for name, data in contents.items()}


@pytest.mark.parametrize("name", ["a.jsonl", "b.jsonl.zst", "c.parquet", "d.parquet"])
def test_scoring_reads_a_shard_once(bucket, objects, ranges, tmp_path, monkeypatch, name):
    monkeypatch.setattr(store_ranges, "HELD_BYTES", 2 * LAST_BYTES)  # less than d's row group
    monkeypatch.setattr(parquet, "_MOST_BUFFER_BYTES", LAST_BYTES // 2)
    url, profile = f"s3://bucket/large/{name}", str(tmp_path / "code.profile")
    package.Scorer.fit(["one example", "another example"], ["a text of the pool"]).save(profile)
    work = ["--work-dir", str(tmp_path / "work"), "--workers", "1"]
    cli.main(["score", url, "--profile", profile, *work], standalone_mode=False)
    assert {path for path, _ in ranges} == {url}
    assert sum(n_bytes for _, n_bytes in ranges) < 1.2 * objects[url]
    assert len(ranges) < 12 + 2 * objects[url] / LAST_BYTES


def test_a_chosen_line_costs_one_small_range(
    bucket, objects, ranges, target, tmp_path, monkeypatch
):
    monkeypatch.setattr(passes.Passes, "_fraction_kept", lambda *_: 0.0)  # else it costs none
    options = {"target": target, "workers": 1, "work_dir": tmp_path / "work", "strategy": "top"}
    url = "s3://bucket/large/a.jsonl"
    package.select(url, output=tmp_path / "one", top_k=1, **options)
    ranges.clear()
    package.select(url, output=tmp_path / "some", top_k=20, **options)  # scored already
    n_fetched = 22 + _SPARE_RECORDS
    assert n_fetched / 2 < len(ranges) < n_fetched + 4
    assert sum(n_bytes for _, n_bytes in ranges) < n_fetched * _LINE_RANGE_BYTES


def test_lines_that_are_near_each_other_come_in_one_range(
    bucket, objects, ranges, target, tmp_path, monkeypatch
):
    """Where a large part of a large pool is chosen, pass one keeps no lines."""
    monkeypatch.setattr(passes.Passes, "_fraction_kept", lambda *_: 0.0)
    url = "s3://bucket/large/a.jsonl"
    package.select(
        url, output=tmp_path / "out", work_dir=tmp_path / "work", target=target, workers=1,
        strategy="top", fraction=0.3, sample_bytes=SAMPLE_BYTES // 2,
    )  # fmt: skip
    assert sum(n_bytes for _, n_bytes in ranges) < 2.2 * objects[url]
    assert len(ranges) < 12 + 4 * objects[url] / LAST_BYTES


@pytest.mark.parametrize("options", [{"strategy": "top", "top_k": 20}, {"max_bytes": 100_000}])
def test_of_a_compressed_shard_sample_and_chosen_rows_cost_one_range_beside_scoring(
    bucket, objects, ranges, target, tmp_path, monkeypatch, options
):
    """Pass one keeps the lines of the best rows; of rows that it did not keep, bytes are the same.

    A range of this test is 45 % of its shard, one of a real shard far less than 1 %.
    """
    url = "s3://bucket/large/b.jsonl.zst"

    def select(url, name):
        package.select(
            url, output=tmp_path / name, work_dir=tmp_path / f"work-{name}", target=target,
            workers=1, sample_bytes=SAMPLE_BYTES, **options,
        )  # fmt: skip
        return (tmp_path / name / "subset-00000.jsonl").read_bytes()

    far = select(url, "far")
    assert sum(n_bytes for _, n_bytes in ranges) <= objects[url] + LAST_BYTES
    monkeypatch.setattr(passes.Passes, "_fraction_kept", lambda *_: 0.002)
    ranges.clear()
    assert select(url, "few-kept") == far
    assert sum(n_bytes for _, n_bytes in ranges) > objects[url] + LAST_BYTES
    near = tmp_path / "near.jsonl.zst"
    near.write_bytes(zstandard.compress((tmp_path / "lines.jsonl").read_bytes()))
    assert select(near, "near") == far


@pytest.mark.parametrize("name", ["a.jsonl", "b.jsonl.zst", "b.jsonl.gz"])
@pytest.mark.parametrize("budget", [{"strategy": "top", "top_k": 20}, {"fraction": 0.3}])
def test_sample_and_chosen_rows_add_at_most_a_fifth_to_one_read_of_lines(
    bucket, objects, ranges, target, tmp_path, name, budget
):
    url = f"s3://bucket/large/{name}"
    package.select(
        url, output=tmp_path / "out", work_dir=tmp_path / "work", target=target, workers=1,
        sample_bytes=SAMPLE_BYTES // 2, **budget,
    )  # fmt: skip
    assert sum(n_bytes for _, n_bytes in ranges) <= 1.2 * objects[url]


@pytest.mark.parametrize(("is_sorted", "ceiling"), [(True, 1.2), (False, 2.2)])
def test_chosen_rows_of_a_table_cost_the_row_groups_that_hold_candidates(
    bucket, direct, ranges, target, tmp_path, monkeypatch, is_sorted, ceiling
):
    """Where every row group holds some, the table is read again: Parquet reads no less."""
    monkeypatch.setattr(store_ranges, "_LAST_RANGE_BYTES", 4 * FIRST_BYTES)
    monkeypatch.setattr(store_ranges, "HELD_BYTES", 32 * FIRST_BYTES)
    records = make_records(2 * N_RECORDS, seed=3)
    if is_sorted:
        records = [one for one in records if one["kind"] == "law" or one["id"] < 1000]
        records.sort(key=lambda one: one["kind"])
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet", row_group_size=400)
    data = (tmp_path / "a.parquet").read_bytes()
    direct.pipe_file("bucket/large/a.parquet", data)
    package.select(
        "s3://bucket/large/a.parquet", output=tmp_path / "out", work_dir=tmp_path / "work",
        target=target, workers=1, strategy="top", top_k=20, sample_bytes=SAMPLE_BYTES // 2,
    )  # fmt: skip
    n_read = sum(n_bytes for _, n_bytes in ranges)
    assert n_read <= ceiling * len(data)
    assert is_sorted or n_read > 1.2 * len(data)
