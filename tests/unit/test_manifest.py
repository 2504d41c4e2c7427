"""An output directory: whose files are in it, and whether a run's output is whole."""

import gzip
import json
import os
import random
import subprocess
import sys

import pytest
from made_up import make_records, write_jsonl

from zipsel.errors import BadShards, TooManyRejects, UsageError
from zipsel.output import manifest as module
from zipsel.storage.staging import TEMPORARY_MARK, Staging


@pytest.fixture
def select(command, pool, target, capsys):
    """Select into ``out``; return whether the output was up to date."""

    def run(*options, output="out"):
        capsys.readouterr()
        command("select", "pool", "-t", "target.jsonl", "-o", output, "--top-k", 8, *options)
        return "is up to date" in capsys.readouterr().err

    return run


NAMES = [
    "manifest.json", "report.json", "report.html", "rejects.jsonl", "leaks.jsonl",
    "chosen.feather", "subset-00000.jsonl", "subset-00007.parquet",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_select_leaves_files_alone_that_it_did_not_write(tmp_path, select, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text('{"text": "mine"}\n')
    with pytest.raises(UsageError, match=rf"{name} is not a file that zipsel wrote"):
        select()
    assert os.listdir(tmp_path / "out") == [name]
    assert (tmp_path / "out" / name).read_text() == '{"text": "mine"}\n'
    if "subset" not in name:
        (tmp_path / "out").rename(tmp_path / "one.jsonl.zipsel")
        with pytest.raises(UsageError, match=rf"{name} is not a file that zipsel wrote"):
            select(output="one.jsonl")


def test_files_of_other_names_do_not_matter(tmp_path, select):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    (tmp_path / "out" / "README.md").write_text("mine")
    select()
    assert select()
    assert not select("--seed", 1)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "out" / "README.md").read_text() == "mine"


@pytest.mark.parametrize("name", ["part-0.jsonl.scores.parquet", "rejects.jsonl", "manifest.json"])
def test_score_leaves_files_alone_that_it_did_not_write(tmp_path, command, pool, target, name):
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / name).write_text("mine")
    arguments = ["score", "pool", "-t", "target.jsonl", "-o", "scores", "--quiet"]
    with pytest.raises(UsageError, match=rf"{name} is not a file that zipsel wrote"):
        command(*arguments)
    assert os.listdir(tmp_path / "scores") == [name]
    (tmp_path / "scores" / name).unlink()
    command(*arguments)
    command(*arguments)
    command("score", "pool/part-0.jsonl", *arguments[2:])
    command(*arguments)
    assert len(list((tmp_path / "scores").glob("*.parquet"))) == 3


def test_ranks_score_into_one_directory_again_and_again(tmp_path, command, pool, target):
    for size in (2, 3):
        for rank in range(size):
            command("score", "pool", "-t", "target.jsonl", "-o", "scores", "--quiet",
                    "--rank", rank, "--world-size", size)  # fmt: skip
    assert len(list((tmp_path / "scores").glob("*.parquet"))) == 3


def test_subset_and_scores_do_not_share_a_directory(command, select):
    select()
    with pytest.raises(UsageError, match="holds the output of zipsel select"):
        command("score", "pool", "-t", "target.jsonl", "-o", "out")


@pytest.mark.parametrize("name", ["target.jsonl", "pool/part-00002.jsonl"])
def test_the_demo_leaves_files_alone_that_it_did_not_write(tmp_path, command, name):
    mine = write_jsonl(tmp_path / "demo" / name, make_records(2))
    before = mine.read_bytes()
    with pytest.raises(UsageError, match=rf"{name} is not a file that zipsel wrote"):
        command("demo", "-o", "demo", "--quiet")
    assert mine.read_bytes() == before
    assert [path for path in (tmp_path / "demo").rglob("*") if path.is_file()] == [mine]


@pytest.mark.parametrize("report", ["out/manifest.json", "out/subset-00000.jsonl", "one.jsonl"])
def test_a_copy_of_the_report_takes_no_place_of_the_output(select, report):
    with pytest.raises(UsageError, match="name another file"):
        select("--report", report, output="one.jsonl" if report == "one.jsonl" else "out")


def test_a_run_that_was_killed_between_two_files_is_repeated(tmp_path, select, monkeypatch):
    select("--shard-size", 300)
    out = tmp_path / "out"
    assert len(list(out.glob("subset-*"))) > 2
    (out / "manifest.json").rename(out / ".zipsel-unfinished.json")
    assert not select()
    assert [path.name for path in out.glob("subset-*")] == ["subset-00000.jsonl"]
    assert not (out / ".zipsel-unfinished.json").exists()
    assert select()


def change(path, data):
    time = path.stat().st_mtime_ns + 1_000_000
    path.write_bytes(data)
    os.utime(path, ns=(time, time))


@pytest.mark.parametrize("name", [*NAMES[1:7], "README.md"])
def test_an_output_with_a_missing_file_is_made_again(tmp_path, select, name):
    select()
    before = (tmp_path / "out" / name).read_bytes()
    (tmp_path / "out" / name).unlink()
    assert not select()
    assert len((tmp_path / "out" / name).read_bytes()) == pytest.approx(len(before), rel=0.1)
    assert select()


@pytest.mark.parametrize("name", ["subset-00000.jsonl", "chosen.feather"])
@pytest.mark.parametrize("damage", ["same size", "shorter"])
@pytest.mark.parametrize("output", ["out", "one.jsonl"])
def test_a_damaged_output_is_made_again(tmp_path, select, name, damage, output):
    select(output=output)
    folder = tmp_path / ("out" if output == "out" else "one.jsonl.zipsel")
    path = tmp_path / "one.jsonl" if "subset" in name and output != "out" else folder / name
    before = path.read_bytes()
    change(path, before[:-9] + b"x" * 9 if damage == "same size" else before[:-9])
    os.utime(folder / "manifest.json", ns=(1, 1))
    assert not select(output=output)
    assert path.read_bytes() == before
    assert select(output=output)


@pytest.mark.parametrize("name", ["subset-00000.jsonl", "chosen.feather"])
def test_a_file_that_was_changed_and_kept_its_size_and_time_is_made_again(tmp_path, select, name):
    select()
    path = tmp_path / "out" / name
    before, status = path.read_bytes(), path.stat()
    path.write_bytes(before[:-9] + b"x" * 9)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not select()
    assert path.read_bytes() == before


def test_a_file_that_was_cut_short_and_kept_its_time_is_made_again(tmp_path, select):
    """As an interrupted copy that keeps times leaves it."""
    select()
    path = tmp_path / "out" / "subset-00000.jsonl"
    before = path.read_bytes()
    path.write_bytes(before[:-9])
    os.utime(path, ns=(1, 1))
    assert not select()
    assert path.read_bytes() == before


def test_a_report_that_cannot_be_read_is_made_again(tmp_path, select):
    select()
    report = tmp_path / "out" / "report.json"
    report.write_bytes(report.read_bytes()[:-20])
    assert not select()
    assert json.loads(report.read_bytes())["counts"]["n_chosen"] == 8


def test_another_copy_of_the_report_is_written_though_the_output_is_up_to_date(tmp_path, select):
    select()
    assert select("--report", "copy.json")
    assert (tmp_path / "copy.json").read_bytes() == (tmp_path / "out/report.json").read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        ["--on-bad-file", "skip"],
        ["--max-rejects", "7"],
        ["--seed", "1"],
        ["--template", "{text}"],
        ["--scorer", "ngram"],
        ["--order", "input"],
        ["--add-field", "a"],
        ["--dedup", "none"],
        ["--keep-leaks"],
        ["--leak-ngram", "9"],
        ["--group-field", "kind"],
        ["--target-template", "{text}{text}"],
    ],
)
def test_every_setting_that_decides_bytes_makes_the_output_again(select, options):
    select()
    assert not select(*options)
    assert select(*options)


@pytest.mark.parametrize("suffix", [".txt", ".jsonl"])
@pytest.mark.parametrize("option", ["--exclude-overlap", "--eval-target"])
def test_an_edited_benchmark_makes_the_output_again(tmp_path, select, suffix, option):
    pytest.importorskip("pyppmd", reason="pyppmd is not installed")
    bench = tmp_path / f"bench{suffix}"
    text = "one item of a benchmark with more than eight words"
    bench.write_text(text if suffix == ".txt" else json.dumps({"text": text}))
    select(option, bench)
    assert select(option, bench)
    change(bench, bench.read_bytes().replace(b"one", b"two"))
    assert not select(option, bench)


def test_another_example_of_the_target_makes_the_output_again(select, target):
    select()
    with open(target, "a") as file:
        file.write('{"text": "try yield raise class import"}\n')
    assert not select()
    assert select()


def test_an_edited_tokenizer_makes_the_output_again(tmp_path, command, pool, target, capsys):
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    path = tmp_path / "tokenizer.json"
    chosen = []
    for vocabulary in ({"[UNK]": 0}, {"[UNK]": 0, "def": 1}):
        model = tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]")
        tokenizer = tokenizers.Tokenizer(model)
        if len(vocabulary) > 1:
            tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        tokenizer.save(str(path))
        command("select", pool, "-t", target, "-o", "out", "--max-tokens", 20, "--tokenizer",
                path, "--quiet")  # fmt: skip
        chosen.append((tmp_path / "out" / "subset-00000.jsonl").read_bytes().count(b"\n"))
    assert chosen[0] > chosen[1] > 0


def test_another_version_makes_the_output_again(select, monkeypatch):
    from zipsel.report import model

    select()
    versions = {**model.library_versions(), "zipsel": "99"}
    monkeypatch.setattr("zipsel.commands.made_from.library_versions", lambda: versions)
    assert not select()
    assert select()


def test_fewer_allowed_rejects_are_not_overlooked(tmp_path, select, pool):
    with open(pool / "part-1.jsonl", "a") as file:
        file.write('{"text": ""}\n')
    select("--max-rejects", 1)
    with pytest.raises(TooManyRejects):
        select("--max-rejects", 0)


def test_a_bad_file_is_not_overlooked_by_an_output_that_is_up_to_date(select, pool):
    (pool / "part-3.jsonl").write_bytes(b"PAR1")
    select("--on-bad-file", "skip")
    with pytest.raises(BadShards):
        select()


def test_a_manifest_of_another_version_is_none(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_bytes(module.Manifest("select").encode())
    assert module.read_manifest(str(path)) is not None
    path.write_bytes(path.read_bytes().replace(b'"version": 2', b'"version": 1'))
    assert module.read_manifest(str(path)) is None


def test_a_report_is_not_made_again_over_a_file_of_the_users(tmp_path, command, select):
    select()
    (tmp_path / "copy").mkdir()
    (tmp_path / "out" / "report.json").rename(tmp_path / "copy" / "report.json")
    (tmp_path / "copy" / "report.html").write_text("mine")
    with pytest.raises(UsageError, match=r"report.html is not a file that zipsel wrote"):
        command("report", "copy/report.json")
    assert (tmp_path / "copy" / "report.html").read_text() == "mine"


def test_a_report_made_again_leaves_the_output_up_to_date(command, select, tmp_path):
    select()
    (tmp_path / "out" / "README.md").write_text("mine")
    command("report", "out")
    assert (tmp_path / "out" / "README.md").read_text() == "mine"
    assert select()


def test_no_manifest_is_there_while_files_get_their_names(tmp_path, select, monkeypatch):
    select()
    seen = []
    commit = Staging.commit

    def look(staging):
        if (tmp_path / "out" / "report.json").exists() and "manifest.json" in staging.names_in(
            "out"
        ):
            seen.append(sorted(path.name for path in (tmp_path / "out").glob("*.json")))
            seen.append((tmp_path / "out" / ".zipsel-unfinished.json").exists())
        commit(staging)

    monkeypatch.setattr(Staging, "commit", look)
    select("--seed", 1)
    assert seen == [[".zipsel-unfinished.json", "report.json"], True]
    assert (tmp_path / "out" / "manifest.json").exists()


def test_only_temporaries_of_its_own_are_cleared_beside_a_single_file(tmp_path, select):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine = tmp_path / f".one.jsonl{TEMPORARY_MARK}{dead.pid}-ab"
    other = tmp_path / f".two.jsonl{TEMPORARY_MARK}{dead.pid}-ab"
    for path in (mine, other):
        path.write_text("")
    select(output="one.jsonl")
    assert not mine.exists()
    assert other.exists()


def test_a_pool_that_grows_is_chosen_from_again_with_a_profile(command, pool, target, capsys):
    command("fit", "pool", "-t", target, "-o", "p.profile", "--quiet")
    arguments = ["select", "pool", "--profile", "p.profile", "-o", "out", "--top-k", 8]
    command(*arguments)
    with open(pool / "part-1.jsonl", "a") as file:
        file.write('{"text": "def return self"}\n')
    capsys.readouterr()
    command(*arguments)
    assert "is up to date" not in capsys.readouterr().err
    command("fit", "pool", "-t", target, "-o", "p.profile", "--seed", 3, "--quiet")
    command(*arguments)
    assert "is up to date" not in capsys.readouterr().err


def test_the_share_of_contenders_follows_the_size_that_the_pool_turns_out_to_have(
    tmp_path, command, target
):
    """A file that gzip cannot make small holds fewer records than its size makes one think."""
    noise = random.Random(0)
    records = [{"text": f"def {noise.randbytes(200).hex()}"} for _ in range(100)]
    rows = write_jsonl(tmp_path / "rows.jsonl", records).read_bytes()
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(rows, 9))
    command(
        *("select", "rows.jsonl.gz", "-t", target, "-o", "out", "--top-k", 30, "--quiet"),
        *("--scorer", "fused", "--strategy", "top"),
    )
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert report["cascade"]["fraction"] == 0.8
