"""Pools and targets on S3."""

from pathlib import Path

import pytest
from made_up import make_records, write_jsonl

import zipsel as package
from zipsel.errors import BadShards, StorageError

pytestmark = pytest.mark.filterwarnings("default")


def select(pool, target, output, **options):
    return package.select(
        pool, target=target, output=output, top_k=60, workers=1, format="jsonl",
        work_dir=output.with_suffix(".work"), **options,
    )  # fmt: skip


@pytest.fixture
def expected(bucket, target, tmp_path):
    result = select(bucket, target, tmp_path / "local")
    return b"".join(Path(file).read_bytes() for file in result.files)


@pytest.mark.parametrize(
    "troubles",
    [[], ["throttle", "cut", "cut", "throttle"], ["cut"] * 4 + ["pass"] + ["throttle"] * 4],
)
def test_the_same_subset_as_from_a_directory(bucket, expected, tmp_path, faults, troubles):
    faults.extend(troubles)
    result = select("s3://bucket/pool", "s3://bucket/target.jsonl", tmp_path / "remote")
    assert b"".join(Path(file).read_bytes() for file in result.files) == expected
    assert result.n_rows == 600
    assert not faults


def test_patterns_and_single_objects(bucket, target, tmp_path):
    result = select(["s3://bucket/pool/*.jsonl*", "s3://bucket/pool/c.parquet"], target,
                    tmp_path / "remote")  # fmt: skip
    assert [shard.path for shard in result.report.shards] == [
        "s3://bucket/pool/a.jsonl",
        "s3://bucket/pool/b.jsonl.zst",
        "s3://bucket/pool/c.parquet",
    ]


def test_a_network_that_goes_on_failing_is_no_bad_file(bucket, target, tmp_path, faults):
    faults.append("always-cut")
    with pytest.raises(StorageError, match=r"s3://bucket/pool/.*failed 5 times"):
        select("s3://bucket/pool", target, tmp_path / "remote", on_bad_file="skip")
    assert not (tmp_path / "remote").exists()


def test_missing_buckets_and_objects_are_named(bucket, target, tmp_path):
    with pytest.raises(BadShards, match="no such object or bucket") as caught:
        select(["s3://nowhere/pool", "s3://bucket/none.jsonl"], target, tmp_path / "remote")
    assert [error.shard for error in caught.value.errors] == [
        "s3://nowhere/pool",
        "s3://bucket/none.jsonl",
    ]
    assert "made-up-secret" not in str(caught.value)


def test_an_object_that_was_replaced_is_scored_again(bucket, direct, target, tmp_path):
    first = select("s3://bucket/pool/a.jsonl", target, tmp_path / "remote")
    changed = write_jsonl(tmp_path / "new.jsonl", make_records(250, seed=5))
    direct.pipe_file("bucket/pool/a.jsonl", changed.read_bytes())
    second = select("s3://bucket/pool/a.jsonl", target, tmp_path / "remote")
    assert (first.n_rows, second.n_rows) == (200, 250)


def test_a_listing_tells_all_that_finding_needs(bucket, asked_of):
    asked, read = asked_of("s3://bucket/pool")
    assert len(asked) == 1  # with whose answer the listing is compared
    assert read == []
