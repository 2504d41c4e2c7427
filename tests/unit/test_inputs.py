"""No file that a run reads is ever written over, by any command, under any name."""

import io
import os
import sys
from types import SimpleNamespace

import pytest
from made_up import make_records, write_jsonl

from zipsel.errors import BadShards, UsageError
from zipsel.pool.finding import find_shards, names_many, would_find
from zipsel.scoring.targets import target_patterns


@pytest.fixture
def files(tmp_path, pool, target, command):
    """A file for every role that an input can have, and everything's bytes."""
    benchmark = tmp_path / "bench.txt"
    benchmark.write_text("an item of a benchmark with more than eight words in it")
    held_out = write_jsonl(tmp_path / "held-out.jsonl", make_records(4, seed=5))
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text("{}")
    command("fit", pool, "--target", target, "--output", "code.profile", "--quiet")
    return SimpleNamespace(
        pool=pool / "part-0.jsonl",
        target=target,
        bench=benchmark,
        held_out=held_out,
        tokenizer=tokenizer,
        profile=tmp_path / "code.profile",
    )


def unchanged(tmp_path):
    return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


ROLES = ["pool", "target", "bench", "held_out", "tokenizer"]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("option", ["--output", "--report"])
def test_select_writes_over_no_input(tmp_path, command, files, role, option):
    victim = getattr(files, role)
    before = unchanged(tmp_path)
    link = tmp_path / "hard.jsonl"
    os.link(victim, link)
    before[link] = victim.read_bytes()
    outputs = [victim, link]
    if option == "--report":
        outputs.append(tmp_path / "pool" / ".." / victim.relative_to(tmp_path))
    for output in outputs:
        if option == "--output" and output.suffix not in (".jsonl",):
            output = output.parent  # a directory in which the input is
        places = {"--output": "out", "--report": "r.json", option: output}
        arguments = [word for pair in places.items() for word in pair]
        with pytest.raises(UsageError, match=r"would write over the input|would read"):
            command(
                "select", "pool", "-t", "target.jsonl", "--exclude-overlap", "bench.txt",
                "--eval-target", "held-out.jsonl", "--tokenizer", "tokenizer.json",
                "--max-tokens", 90, *arguments,
            )  # fmt: skip
    assert unchanged(tmp_path) == before


def test_file_urls_name_the_same_file(tmp_path, command, pool, target):
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    before = target.read_bytes()
    with pytest.raises(UsageError, match="would write over the input"):
        command("select", "pool", "-t", f"file://{target}", "-o", "target.jsonl", "--top-k", 5)
    assert target.read_bytes() == before


def test_fit_writes_over_no_input(tmp_path, command, files):
    for output in ("target.jsonl", "pool/part-0.jsonl"):
        with pytest.raises(UsageError, match="would write over the input"):
            command("fit", "pool", "-t", "target.jsonl", "-o", output)
    with pytest.raises(UsageError, match="would read"):
        command("fit", "pool/*", "-t", "target.jsonl", "-o", "pool/code.profile")


@pytest.mark.parametrize("format_name", ["parquet", "dolma"])
@pytest.mark.parametrize("output", ["pool", "pool/scores", "."])
def test_scores_never_go_where_the_pool_is(tmp_path, command, files, format_name, output):
    before = unchanged(tmp_path)
    with pytest.raises(UsageError, match=r"would write over the input|would read"):
        command("score", "pool", "-t", "target.jsonl", "--format", format_name, "-o", output)
    assert unchanged(tmp_path) == before


def test_scores_below_a_hidden_folder_of_the_pool_are_no_pool(command, pool, target, tmp_path):
    command("score", "pool", "-t", "target.jsonl", "-o", "pool/.scores", "--quiet")
    assert len(list((pool / ".scores").glob("*.parquet"))) == 3
    assert len(find_shards(["pool"])[0]) == 3


@pytest.mark.parametrize("pattern", ["pool", "p*/*.jsonl", "**/*.jsonl", "pool/*"])
@pytest.mark.parametrize("output", ["pool/new.jsonl", "pool/deeper"])
def test_an_output_that_the_next_run_would_take_in_is_refused(command, files, pattern, output):
    found = find_shards([pattern])[0]
    if output == "pool/deeper" and pattern == "p*/*.jsonl":
        command("select", pattern, "-t", "target.jsonl", "-o", output, "--top-k", 5, "--quiet")
        assert find_shards([pattern])[0] == found
        return
    with pytest.raises(UsageError, match=r"the next run would read .* as an input"):
        command("select", pattern, "-t", "target.jsonl", "-o", output, "--top-k", 5)


def test_a_work_directory_does_not_clear_inputs_away(tmp_path, command, target):
    kept = write_jsonl(tmp_path / "spool" / "pool.jsonl", make_records(9))
    with pytest.raises(UsageError, match="--work-dir"):
        command("select", kept, "-t", target, "-o", "out", "--top-k", 5, "--work-dir", ".")
    assert kept.exists()
    with pytest.raises(UsageError, match="--work-dir"):
        command("select", "spool", "-t", target, "-o", "o", "--top-k", 5, "--work-dir", "spool/w")


def test_standard_output_redirected_to_an_input(tmp_path, command, pool, target, monkeypatch):
    before = (pool / "part-1.jsonl").read_bytes()
    with open(pool / "part-1.jsonl", "a") as redirected:
        monkeypatch.setattr(sys, "stdout", redirected)
        with pytest.raises(UsageError, match="standard output"):
            command("select", "pool", "-t", target, "-o", "-", "--top-k", 5)
    assert (pool / "part-1.jsonl").read_bytes() == before


def test_pages_write_over_no_input(tmp_path, command, files):
    for name in ("a", "b"):
        command("select", "pool", "-t", "target.jsonl", "-o", name, "--top-k", 5, "--quiet")
    before = unchanged(tmp_path)
    for page in ("a/report.json", "b/subset-00000.jsonl", "pool/part-1.jsonl"):
        with pytest.raises(UsageError, match="would write over the input"):
            command("report", "a", "b", "--html", page)
        with pytest.raises(UsageError, match="would write over the input"):
            command("explain", "--run", page.split("/")[0].replace("pool", "a"), "--top", 1,
                    "--html", page)  # fmt: skip
    with pytest.raises(UsageError, match="would write over the input"):
        command("explain", "--profile", "code.profile", "--record", "pool/part-0.jsonl:1",
                "--html", "code.profile")  # fmt: skip
    assert unchanged(tmp_path) == before


def test_a_missing_benchmark_ends_the_run(command, pool, target):
    for option in ("--exclude-overlap", "--eval-target"):
        with pytest.raises(BadShards, match="nowhere"):
            command("select", "pool", "-t", target, "-o", "o", "--top-k", 5, option, "nowhere")
        with pytest.raises(UsageError, match="standard input"):
            command("select", "pool", "-t", target, "-o", "o", "--top-k", 5, option, "-")


@pytest.mark.parametrize("name", ["select", "score"])
def test_pool_and_target_are_not_both_standard_input(name, command, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"text": "def f(): 1"}\n')))
    budget = ["--top-k", 5] if name == "select" else []
    with pytest.raises(UsageError, match="both name standard input"):
        command(name, "-", "--target", "-", "-o", "-", *budget)


def test_a_file_that_is_skipped_is_an_input_too(tmp_path, command, pool, target):
    (pool / "part-3.jsonl").write_bytes(b"PAR1 is no JSONL")
    with pytest.raises(UsageError, match=r"would write over the input .*part-3"):
        command(
            "select", "pool", "-t", target, "--top-k", 5, "-o", "pool/part-3.jsonl",
            "--on-bad-file", "skip",
        )  # fmt: skip


def test_hive_folders_are_no_names_of_targets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "lang=en" / "a.jsonl", make_records(2))
    for argument in ("lang=en/*.jsonl", "lang=en", "lang=*/a.jsonl"):
        assert target_patterns([argument]) == {"": [argument]}
    assert target_patterns(["code=x.jsonl"]) == {"code": ["x.jsonl"]}


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("pool", "pool/x.jsonl", True),
        ("pool", "pool/a/b/x.json", True),
        ("pool", "pool/_a/x.jsonl", False),
        ("pool", "pool/rejects.jsonl", False),
        ("pool", "pool/x.profile", False),
        ("pool", "pools/x.jsonl", False),
        ("pool/part-?.jsonl", "pool/part-9.jsonl", True),
        ("pool/part-?.jsonl", "pool/part-10.jsonl", False),
        ("*/x.jsonl", ".hidden/x.jsonl", False),
        ("**", "a/b/x.jsonl", True),
        ("a/**/x.jsonl", "a/x.jsonl", True),
        ("a/**/x.jsonl", "b/x.jsonl", False),
    ],
)
def test_what_a_pattern_would_find(tmp_path, monkeypatch, pool, pattern, path, found):
    monkeypatch.chdir(tmp_path)
    assert names_many(pattern)
    assert would_find(pattern, path) is found
    write_jsonl(tmp_path / path, make_records(1))
    real = {os.path.realpath(shard.path) for shard in find_shards([pattern])[0]}
    assert (os.path.realpath(path) in real) is found


def test_the_configuration_is_an_input(tmp_path, command, pool, target):
    config = tmp_path / "conf.json"
    config.write_text("top-k = 5\n")
    for places in (["-o", "out", "--report", "conf.json"], ["-o", "."]):
        with pytest.raises(UsageError, match=r"would write over the input"):
            command("select", "pool", "-t", target, "--config", "conf.json", *places)
    assert config.read_text() == "top-k = 5\n"
