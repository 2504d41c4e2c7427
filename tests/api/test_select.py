"""``zipsel.select``: the command as a function."""

import subprocess
import sys
from pathlib import Path

import pytest
from made_up import make_records, read_jsonl, write_jsonl

import zipsel as package
from zipsel.errors import BadShards, UsageError


def test_writes_what_the_command_writes(select, pool, target, tmp_path):
    select("--output", "by-command", "--top-k", 9, "--add-field", "score")
    result = package.select(
        pool, target=target, output=tmp_path / "by-call", top_k=9, add_field="score", workers=1
    )
    (file,) = result.files
    expected = (tmp_path / "by-command" / "subset-00000.jsonl").read_bytes()
    with open(file, "rb") as subset:
        assert subset.read() == expected
    assert (result.n_rows, result.n_rejected, result.n_chosen) == (60, 0, 9)
    assert result.threshold == min(row["score"] for row in read_jsonl(file))
    assert result.n_chosen_bytes == sum(len(row["text"]) for row in read_jsonl(file))


def test_a_finished_output_is_described_again(pool, target, tmp_path):
    def run(**options):
        result = package.select(
            [pool], target=[target], output=tmp_path / "s", top_k=3, workers=1, **options
        )
        return result, Path(result.files[0]).stat().st_ino

    first = run()
    assert run() == first
    again, file = run(force=True)
    assert (again.threshold, again.n_chosen) == (first[0].threshold, first[0].n_chosen)
    assert file != first[1]  # written again


def test_a_scorer_is_a_profile(pool, target, tmp_path):
    texts = [row["text"] for row in read_jsonl(target)]
    pool_texts = [row["text"] for shard in pool.iterdir() for row in read_jsonl(shard)]
    scorer = package.Scorer.fit(texts, pool_texts)
    result = package.select(
        pool, profile=scorer, output=tmp_path / "s.jsonl", fraction=0.1, add_field="a", workers=1
    )
    rows = read_jsonl(result.files[0])
    assert len(rows) == 6
    assert [row["a"] for row in rows] == scorer.score([row["text"] for row in rows]).tolist()


def test_several_workers_make_the_same_bytes(pool, target, tmp_path):
    one, two = (
        package.select(pool, target=target, output=tmp_path / f"{n}.jsonl", top_k=20, workers=n)
        for n in (1, 2)
    )
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()
    assert one.threshold == two.threshold


def test_errors_are_the_commands(pool, target, tmp_path):
    with pytest.raises(UsageError, match=r"exactly one of --top-k, .*; found none"):
        package.select(pool, target=target, output=tmp_path / "s")
    with pytest.raises(BadShards, match="nowhere"):
        package.select(tmp_path / "nowhere", target=target, output=tmp_path / "s", top_k=1)
    with pytest.raises(UsageError, match="colour is no option of select"):
        package.select(pool, target=target, output=tmp_path / "s", top_k=1, colour="red")


def test_a_script_without_a_main_guard_is_told_so(pool, target, tmp_path, zipsel_env):
    script = tmp_path / "script.py"
    script.write_text(
        f"import zipsel\n"
        f"zipsel.select({str(pool)!r}, target={str(target)!r}, output='s', top_k=1, workers=2)\n"
    )
    process = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env=zipsel_env,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 1
    assert b"if __name__ == '__main__':" in process.stderr


def test_facets_are_the_commands(zipsel, pool, tmp_path):
    both = write_jsonl(tmp_path / "both.jsonl", make_records(16, seed=1))
    zipsel(
        "select", pool, "--target", both, "--facets", 2, "--output", "a.jsonl", "--top-k", 9,
        "--add-field", "score",
    )  # fmt: skip
    options = {"target": both, "top_k": 9, "add_field": "score", "workers": 1}
    package.select(pool, output=tmp_path / "b.jsonl", facets=2, **options)
    package.select(pool, output=tmp_path / "c.jsonl", **options)
    assert (tmp_path / "b.jsonl").read_bytes() == (tmp_path / "a.jsonl").read_bytes()
    assert (tmp_path / "c.jsonl").read_bytes() != (tmp_path / "a.jsonl").read_bytes()
    with pytest.raises(UsageError, match="--facets needs --scorer fused"):
        package.select(pool, output=tmp_path / "d.jsonl", facets="auto", scorer="ncd", **options)


def test_the_package_shows_its_interface_and_a_result_is_short(pool, target, tmp_path):
    assert dir(package) == sorted([*package.__all__, "__version__"])
    result = package.select(pool, target=target, output=tmp_path / "s", top_k=3, workers=1)
    assert ": 3 of 60 rows" in repr(result)
    assert len(repr(result)) < 400
