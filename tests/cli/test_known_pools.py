"""What is known is not scored again, and what has changed since the last run is told."""

import os
import shutil

import msgspec
import pytest
from made_up import make_records, write_jsonl

import zipsel


@pytest.fixture
def nightly(tmp_path, pool, target):
    """Fit a profile, score the pool under it, and run again as the test asks."""
    zipsel_profile = tmp_path / "code.profile"
    scorer = zipsel.Scorer.fit(
        [one["text"] for one in make_records(16, seed=1) if one["kind"] == "code"],
        pool_sample=[one["text"] for one in make_records(60)],
    )
    scorer.save(zipsel_profile)

    def run(*places, output="out", **options):
        options = {"profile": zipsel_profile, "top_k": 5, "workers": 1, **options}
        zipsel.select(
            *places or [pool], output=tmp_path / output, work_dir=tmp_path / "work", **options
        )
        return msgspec.json.decode((tmp_path / output / "report.json").read_bytes())

    first = run()["counts"]
    assert (first["n_shards"], first["n_scored_shards"]) == (3, 3)
    return run


def move(pool):
    return [pool.rename(pool.parent / "elsewhere")]


def copy(pool):
    return [shutil.copytree(pool, pool.parent / "copy")]


def touch(pool):
    for path in pool.iterdir():
        os.utime(path, (5, 5))
    return [pool]


def link(pool):
    (pool.parent / "link").symlink_to(pool)
    return [pool.parent / "link"]


def hard_link(pool):
    return [shutil.copytree(pool, pool.parent / "hard", copy_function=os.link)]


def rename(pool):
    for path in sorted(pool.iterdir()):
        path.rename(path.with_name(f"renamed-{path.name}"))
    return [pool]


@pytest.mark.parametrize("change", [move, copy, touch, link, hard_link, rename])
def test_a_pool_that_holds_the_same_is_not_scored_again(nightly, pool, tmp_path, change):
    first = (tmp_path / "out" / "subset-00000.jsonl").read_bytes()
    counts = nightly(*change(pool), output="again")["counts"]
    assert (counts["n_shards"], counts["n_scored_shards"], counts["n_scored_bytes"]) == (3, 0, 0)
    assert (tmp_path / "again" / "subset-00000.jsonl").read_bytes() == first


def test_a_byte_that_changed_is_scored_again(nightly, pool):
    shard = pool / "part-1.jsonl"
    status = shard.stat()
    shard.write_bytes(shard.read_bytes().replace(b"agreement", b"agreemend"))
    os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns))
    report = nightly()
    assert report["counts"]["n_scored_shards"] == 1
    assert report["changes"] == [f"1 shard changed: {shard}"]


def test_touching_the_pool_and_the_target_makes_nothing_again(tmp_path, pool, target):
    def run():
        zipsel.select(pool, target=target, output=tmp_path / "out", top_k=5, workers=1)
        return (tmp_path / "out" / "manifest.json").stat().st_mtime_ns

    first = run()
    for path in (*pool.iterdir(), target):
        os.utime(path, (7, 7))
    assert run() == first


def test_a_target_that_was_moved_fits_the_same_profile(tmp_path, pool, target):
    def run(target, output):
        zipsel.select(
            pool, target=target, output=tmp_path / output, work_dir=tmp_path / "w", top_k=5,
            workers=1,
        )  # fmt: skip
        return msgspec.json.decode((tmp_path / output / "report.json").read_bytes())

    first = run(target, "a")
    moved = run(target.rename(tmp_path / "moved.jsonl"), "b")
    assert moved["counts"]["n_scored_shards"] == 0
    assert moved["profile"]["digest"] == first["profile"]["digest"]
    assert moved["profile"]["target"] == [str(tmp_path / "moved.jsonl")]


def test_the_report_says_what_has_changed_since_the_last_run(nightly, pool):
    (pool / "part-2.jsonl").unlink()
    write_jsonl(pool / "part-3.jsonl", make_records(7, seed=9))
    (pool / "part-0.jsonl").rename(pool / "part-9.jsonl")
    report = nightly(top_k=6)
    assert report["counts"]["n_scored_shards"] == 1
    assert report["changes"] == [
        f"1 shard gone: {pool}/part-2.jsonl",
        f"1 shard new: {pool}/part-3.jsonl",
        f"1 shard under another path: {pool}/part-9.jsonl",
        "the budget was --top-k 5 and is --top-k 6",
    ]


@pytest.mark.parametrize(
    ("options", "change"),
    [
        ({"dedup": "none"}, "--dedup was exact and is none"),
        ({"strategy": "top"}, "--strategy was cover and is top"),
        ({"group_field": "kind"}, "--group-field was none and is kind"),
        ({"force": True}, "--force"),
    ],
)
def test_an_option_that_changed_is_named(nightly, options, change):
    assert nightly(**options)["changes"] == [change]


def test_a_new_version_of_a_library_is_named(nightly, monkeypatch):
    from zipsel.commands import made_from

    versions = made_from.library_versions()
    monkeypatch.setattr(made_from, "library_versions", lambda: {**versions, "zlib": "99.1"})
    change = f"version of zlib was {versions['zlib']} and is 99.1"
    assert nightly()["changes"] == [change]


def test_the_summary_counts_what_was_known(zipsel, pool, target):
    select = ("select", pool, "--target", target, "--output", "out")
    zipsel("fit", pool, "--target", target, "--output", "code.profile")
    select = ("select", pool, "--profile", "code.profile", "--output", "out")
    assert b"0 known, 3 scored" in zipsel(*select, "--top-k", 5).stderr
    said = zipsel(*select, "--top-k", 6).stderr.decode()
    assert "3 known, 0 scored" in said
    assert "/s" not in said
    assert "out is made again: the budget was --top-k 5 and is --top-k 6" in said
    assert "out is up to date" in zipsel(*select, "--top-k", 6).stderr.decode()
