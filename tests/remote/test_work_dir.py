"""A work directory on S3, for machines that share no disk."""

import pytest

from zipsel.errors import OutputError, StorageError, UsageError

pytestmark = pytest.mark.filterwarnings("default")


def parts_on(direct):
    return {name: direct.cat_file(name) for name in direct.find("bucket/work/scores")}


def score_shares(command, target, tmp_path, n_shares):
    """Each share in a directory of its own, as on a machine of its own."""
    for rank in range(n_shares):
        command(
            "score", "s3://bucket/pool", "-t", target, "--quiet",
            "--work-dir", "s3://bucket/work", "--rank", rank, "--world-size", n_shares,
            cwd=tmp_path / f"machine-{rank}",
        )  # fmt: skip


def test_ranks_of_several_machines_and_a_select_on_another(
    bucket, command, target, tmp_path, direct, proxy
):
    pool = "s3://bucket/pool"
    score_shares(command, target, tmp_path, 2)
    parts = parts_on(direct)
    assert len(parts) == 3
    assert len(direct.find("bucket/work/profiles")) == 1
    whole, in_pieces = ".profile", ".profile?uploads"  # how a file is sent goes by its size
    assert len([one for one in proxy.written if one.endswith((whole, in_pieces))]) == 1
    proxy.written.clear()
    arguments = (pool, "-t", target, "--top-k", 40, "--format", "jsonl", "--add-field", "score")
    command("select", *arguments, "-o", "far", "--work-dir", "s3://bucket/work")
    command("select", *arguments, "-o", "near", "--work-dir", "other")
    name = "subset-00000.jsonl"
    assert (tmp_path / "far" / name).read_bytes() == (tmp_path / "near" / name).read_bytes()
    assert parts_on(direct) == parts  # nothing was scored again
    assert not [line for line in proxy.written if ".parquet" in line]


def test_what_is_kept_is_not_scored_again(bucket, command, target, tmp_path, direct, proxy):
    score_shares(command, target, tmp_path, 1)
    proxy.written.clear()
    arguments = ("score", "s3://bucket/pool", "-t", target, "--work-dir", "s3://bucket/work")
    command(*arguments)
    assert not [line for line in proxy.written if ".parquet" in line]

    kept = sorted(parts_on(direct))
    direct.rm_file(kept[0])  # as if the machine had lost the network before it was sent
    command(*arguments)
    assert sorted(parts_on(direct)) == kept


def test_unfinished_parts_stay_at_home(bucket, command, target, tmp_path, direct):
    arguments = (
        "s3://bucket/pool", "-t", target, "--work-dir", "s3://bucket/work", "--scorer", "fused"
    )  # fmt: skip
    top = ("--strategy", "top", "--top-k", 5)
    command("select", *arguments, "-o", "out", *top)
    assert parts_on(direct) == {}
    assert list((tmp_path / ".zipsel").glob("scores/**/*.parquet"))
    command("score", *arguments)
    assert len(parts_on(direct)) == 3
    first = (tmp_path / "out" / "subset-00000.jsonl").read_bytes()
    command("select", *arguments, "-o", "out", *top, "--force")
    assert (tmp_path / "out" / "subset-00000.jsonl").read_bytes() == first


def test_a_store_that_cannot_be_written_is_found_before_the_work(bucket, target, tmp_path):
    import zipsel as package

    with pytest.raises(OutputError, match=r"cannot write s3://nowhere/.*no such object or bucket"):
        package.select(
            bucket, target=target, output=tmp_path / "out", top_k=1, work_dir="s3://nowhere/work"
        )
    assert not list((tmp_path / ".zipsel").glob("scores/**/*.parquet"))
    with pytest.raises(UsageError, match=r"--work-dir hf://x: can be read but not written"):
        package.select(bucket, target=target, output=tmp_path / "o", top_k=1, work_dir="hf://x")


def test_a_network_that_fails_is_no_bad_file(bucket, target, tmp_path, proxy, direct):
    import zipsel as package

    proxy.write_faults.extend(["pass", "pass", "pass", "always-cut"])
    with pytest.raises(StorageError, match=r"s3://bucket/work/scores/.*no file is to blame"):
        package.select(
            bucket, target=target, output=tmp_path / "out", top_k=1, work_dir="s3://bucket/work",
            scorer="ncd", workers=1, on_bad_file="skip",
        )  # fmt: skip
    assert not (tmp_path / "out" / "manifest.json").exists()
