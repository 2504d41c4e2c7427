"""``zipsel score``, ``zipsel fit`` and the help that leads to them."""

import json
import re

import pyarrow.parquet as pq
import pytest
from made_up import make_records, write_jsonl

from zipsel.commands.option_table import COMMANDS, options_of
from zipsel.commands.rules import flag


def test_scores_are_row_aligned_with_the_shards(tmp_path, zipsel, pool, target):
    with open(pool / "part-1.jsonl", "ab") as file:
        file.write(b'{"text": ""}\n\n{"text": "def return self"}\n')
    zipsel(
        *("score", pool, "--target", target, "--scorer", "fused", "--output", "scores"),
        *("--max-rejects", 1),
    )
    tables = {
        path.name: pq.read_table(path) for path in sorted((tmp_path / "scores").rglob("*.parquet"))
    }
    assert list(tables) == [f"part-{i}.jsonl.scores.parquet" for i in range(3)]
    table = tables["part-1.jsonl.scores.parquet"]

    assert table["row"].to_pylist() == list(range(22))
    assert table["alignment"].is_null().to_pylist() == [False] * 20 + [True, False]
    assert table["reject"].to_pylist()[20:] == ["empty", None]
    assert {"conditional", "ngram", "c_x", "c_x_given_t", "n_bytes"} <= set(table.column_names)
    rejects = (tmp_path / "scores" / "rejects.jsonl").read_text().splitlines()
    assert json.loads(rejects[0])["row"] == 20


def test_fused_is_the_mean_of_its_components(tmp_path, zipsel, pool, target):
    zipsel("score", pool, "--target", target, "--scorer", "fused", "--output", "scores")
    rows = [
        row
        for path in (tmp_path / "scores").rglob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    z = []
    for name in ("conditional", "ngram"):
        values = [row[name] for row in rows]
        mean = sum(values) / len(values)
        deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
        z.append([(value - mean) / deviation for value in values])
    for row, a, b in zip(rows, *z, strict=True):
        assert row["alignment"] == pytest.approx((a + b) / 2, abs=1e-6)
        assert row["conditional"] == 1 - row["c_x_given_t"] / row["c_x"]


def test_scores_of_shards_that_were_not_scored_now_are_named(zipsel, pool, target, tmp_path):
    def left(*options):
        log = zipsel("score", pool, "--profile", "code.profile", "--output", "scores",
                     "--log-format", "json", *options).stderr  # fmt: skip
        told = [json.loads(line) for line in log.splitlines()]
        return [one["files"] for one in told if one["event"] == "left"]

    zipsel("fit", pool, "--target", target, "--output", "code.profile")
    assert left() == left() == []
    (pool / "part-1.jsonl").unlink()
    gone = ["part-1.jsonl.scores.parquet"]
    assert left() == left() == [gone]
    (pool / "part-2.jsonl").write_text("no JSON\n")
    assert left("--on-bad-file", "skip") == [[*gone, "part-2.jsonl.scores.parquet"]]
    for path in gone:
        (tmp_path / "scores" / path).unlink()
    (pool / "part-2.jsonl").unlink()
    assert left("--format", "dolma", "--add-field", "zipsel__alignment") == [
        ["part-0.jsonl.scores.parquet", "part-2.jsonl.scores.parquet"]
    ]


def test_a_share_does_not_name_the_scores_of_another(zipsel, pool, target):
    zipsel("fit", pool, "--target", target, "--output", "code.profile")
    score = ("score", pool, "--profile", "code.profile", "--output", "scores")
    for _ in range(2):
        for number in (0, 1):
            said = zipsel(*score, "--rank", number, "--world-size", 2).stderr
            assert b"still holds" not in said
        write_jsonl(pool / "part-9.jsonl", make_records(200, seed=9))  # shares are other ones


@pytest.mark.parametrize("format_name", ["parquet", "dolma"])
def test_files_of_known_shards_stay_unless_they_are_not_what_was_written(
    tmp_path, command, pool, target, format_name
):
    command("fit", pool, "--target", target, "--output", "code.profile")
    out = tmp_path / "scores"

    def score(*options):
        """Score again; returns the names of the files that were written."""
        before = {path: path.stat().st_ino for path in out.glob("part*")}
        arguments = ("score", pool, "--profile", "code.profile", "--output", out)
        command(*arguments, "--format", format_name, *options)
        return [path.name[:6] for path in sorted(out.glob("part*"))
                if path.stat().st_ino != before.get(path)]  # fmt: skip

    all_three = ["part-0", "part-1", "part-2"]
    assert score() == all_three
    content = {path: path.read_bytes() for path in out.glob("part*")}
    assert score() == []
    write_jsonl(pool / "part-3.jsonl", make_records(5, seed=9))
    assert score() == ["part-3"]
    (pool / "part-0.jsonl").write_bytes((pool / "part-3.jsonl").read_bytes())
    assert score() == ["part-0"]
    damaged, gone = sorted(out.glob("part*"))[1:3]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    gone.unlink()
    assert score() == ["part-1", "part-2"]
    assert (damaged.read_bytes(), gone.read_bytes()) == (content[damaged], content[gone])
    assert score("--force") == [*all_three, "part-3"]
    if format_name == "dolma":
        assert score("--add-field", "closeness") == [*all_three, "part-3"]


def test_a_profile_takes_the_targets_place(tmp_path, zipsel, pool, target):
    zipsel("fit", pool, "--target", target, "--output", "code.profile")
    first = (tmp_path / "code.profile").read_bytes()
    options = ("--top-k", 9, "--output", "-", "--add-field", "a")
    by_profile = zipsel("select", pool, "--profile", "code.profile", *options).stdout
    assert by_profile == zipsel("select", pool, "--target", target, *options).stdout
    assert b"pickle" not in first

    zipsel("fit", pool, "--target", target, "--output", "code.profile")
    assert (tmp_path / "code.profile").read_bytes() == first


def test_a_damaged_profile_says_so(tmp_path, zipsel, pool, target):
    zipsel("fit", pool, "--target", target, "--output", "p")
    data = bytearray((tmp_path / "p").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "p").write_bytes(data)
    done = zipsel("score", pool, "--profile", "p", "--output", "-", code=1)
    assert b"is damaged" in done.stderr
    (tmp_path / "p").write_bytes(b"something else")
    done = zipsel("score", pool, "--profile", "p", "--output", "-", code=1)
    assert b"zipsel fit" in done.stderr


def test_a_profile_is_not_written_over_the_target(zipsel, pool, target):
    before = target.read_bytes()
    done = zipsel("fit", pool, "--target", target, "--output", target, code=2)
    assert b"would write over the input" in done.stderr
    assert target.read_bytes() == before


def test_scores_are_no_directory_with_the_name_of_a_file(tmp_path, zipsel, pool, target):
    for name in ("scores.jsonl", "scores.csv", "scores.parquet"):
        done = zipsel("score", pool, "--target", target, "--output", name, code=2)
        assert f"--output {name} is a file; score writes a directory".encode() in done.stderr
        assert not (tmp_path / name).exists()


def test_a_page_in_a_text_file_is_an_example(tmp_path, zipsel, pool):
    (tmp_path / "page.txt").write_text("<!DOCTYPE html>\n<p>return self</p>\n")
    zipsel("score", pool, "--target", "page.txt", "--output", "scores")
    assert list((tmp_path / "scores").glob("*.parquet"))


def test_target_and_profile_exclude_each_other(zipsel, pool, target):
    for extra in ((), ("--target", target, "--profile", "x")):
        done = zipsel("score", pool, *extra, "--output", "-", code=2)
        assert b"exactly one of --target, --profile" in done.stderr


def test_a_bad_target_row_is_an_error(tmp_path, zipsel, pool):
    (tmp_path / "t.jsonl").write_text('{"text": "x"}\n{"txt": "y"}\n')
    done = zipsel("score", pool, "--target", "t.jsonl", "--output", "-", code=1)
    assert b"t.jsonl: 1 row is refused as missing-field (row 1: " in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_eighty_columns_and_names_every_option(zipsel, command):
    done = zipsel(command, "--help", env={"COLUMNS": "80"})
    if b"--help-all" in done.stdout:
        done = zipsel(command, "--help-all", env={"COLUMNS": "80"})
    text = done.stdout.decode()
    assert max(map(len, text.splitlines())) <= 80
    arguments = {"pool", "subsets", "runs", "shards"} if command != "eval" else {"subsets"}
    assert all(flag(name) in text for name in options_of(command).keys() - arguments)
    assert done.stderr == b""


def test_versions_are_shown(zipsel):
    text = zipsel("--version").stdout.decode()
    for name in ("zipsel", "python", "zstandard", "libzstd", "zlib", "pyarrow"):
        assert re.search(rf"^{name} \S+", text, re.MULTILINE), name


def test_an_unknown_command_is_a_usage_error(zipsel):
    assert b"selct" in zipsel("selct", code=2).stderr


def test_a_forced_select_after_a_score_chooses_the_same(zipsel, target, tmp_path):
    write_jsonl(tmp_path / "many" / "a.jsonl", make_records(600))
    arguments = ("many", "--target", target, "--work-dir", "work")
    budget = ("--top-k", 5, "--add-field", "score")
    zipsel("select", *arguments, "--output", "a.jsonl", *budget)
    zipsel("score", *arguments)  # finishes what the cascade passed over
    zipsel("select", *arguments, "--output", "b.jsonl", *budget, "--force")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
