"""A finished run is explained and compared by what it read, or not at all."""

import io
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up import make_records, read_jsonl, write_jsonl
from rich.console import Console
from unit.test_html import make_report

from zipsel.api.scorer import Scorer
from zipsel.commands.compare import compare
from zipsel.commands.explain import ExplainSettings, explain
from zipsel.commands.select import run_select
from zipsel.console.messages import Log
from zipsel.engines.local import LocalEngine
from zipsel.errors import BadShards, ProfileError, ShardError
from zipsel.readers.reading import Reading, TextSpec
from zipsel.report.compare import compare_runs
from zipsel.report.model import GroupShare
from zipsel.report.print_comparison import print_comparison, render_comparison, sentence
from zipsel.report.runs import FinishedRun, open_run
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.selection.budgets import Budget
from zipsel.selection.settings import SelectSettings


@pytest.fixture
def run(tmp_path, pool, target, monkeypatch):
    """Select into a directory of some name."""
    monkeypatch.chdir(tmp_path)

    def run_one(name, budget=8, text=TextSpec(), **options):  # noqa: B008 - frozen
        settings = RunSettings(
            pool=("pool",),
            target=("target.jsonl",),
            reading=Reading(text),
            target_reading=Reading(text),
            work_dir=str(tmp_path / "work"),
        )
        select = SelectSettings(budget=Budget("top_k", budget), output=name, **options)
        with LocalEngine(1) as engine:
            return run_select(Run(settings, Log(quiet=True), ("zipsel",)), select, engine)

    return run_one


def rewrite(pool):
    for path in pool.iterdir():
        write_jsonl(path, [{"text": "z" * 60}] * 20)


def test_texts_of_a_pool_that_was_rewritten_are_not_shown(run, pool):
    run("a")
    shown = io.StringIO()
    explain(ExplainSettings(run="a", top=3), shown)
    assert "z" * 9 not in shown.getvalue()
    rewrite(pool)
    name = open_run("a").chosen["shard"][0].as_py()
    for settings in (
        ExplainSettings(run="a", top=3),
        ExplainSettings(run="a", records=(f"{name}:1",)),
        ExplainSettings(run="a", records=(f"{pool}/{name.split('/')[-1]}:1",)),
    ):
        with pytest.raises(
            (BadShards, ShardError), match=rf"{name}.*has changed since the run of a"
        ):
            explain(settings, io.StringIO())


def test_a_record_of_another_file_is_explained(run, tmp_path):
    run("a")
    other = write_jsonl(tmp_path / "other.jsonl", make_records(3))
    shown = io.StringIO()
    explain(ExplainSettings(run="a", records=(f"{other}:1",)), shown)
    assert "other.jsonl:1" in shown.getvalue()


def test_a_record_is_explained_by_the_text_that_the_run_saw(run):
    report = run("a", text=TextSpec("template", "{kind}: {text}"))
    best = report.best[0]
    shown = io.StringIO()
    explain(ExplainSettings(run="a", records=(f"{best.shard}:{best.row}",)), shown, as_json=True)
    explained = json.loads(shown.getvalue())
    assert (explained["alignment"], explained["n_bytes"]) == (best.alignment, best.n_bytes)


def test_the_best_of_a_table_have_their_own_texts(run, pool, records):
    for path in pool.iterdir():
        path.unlink()
    pq.write_table(pa.Table.from_pylist(records), pool / "pool.parquet")
    run("a")
    finished = open_run("a")
    rows = finished.chosen["row"].to_pylist()
    assert rows != sorted(rows)
    texts, errors = finished.texts_at(range(1, len(rows) + 1))
    assert (texts, errors) == ([records[row]["text"] for row in rows], [])


def test_a_profile_that_was_fitted_again_explains_no_run_before(run, tmp_path):
    path = run("a").provenance.profile
    Scorer.fit(["another target"], ["another pool"]).save(path)
    with pytest.raises(ProfileError, match="is not the profile that a was made with"):
        explain(ExplainSettings(run="a", top=1), io.StringIO())


def test_explained_texts_command_no_terminal(tmp_path, monkeypatch):
    """Neither in the text itself nor in the table of its stretches."""
    monkeypatch.chdir(tmp_path)
    texts = [f"def f():\n\treturn \x1b[31m\x9b31m\u202e{i}" for i in range(9)]
    for name in ("pool.jsonl", "target.jsonl"):
        write_jsonl(tmp_path / name, [{"text": text} for text in texts])
    shown = io.StringIO()
    settings = ExplainSettings(target=("target.jsonl",), records=("pool.jsonl:3",))
    explain(settings, shown)
    assert "<U+202E>" in shown.getvalue()
    assert "stretch" in shown.getvalue()
    assert not set(shown.getvalue()) & {"\x1b", "\x9b", "\u202e", "\t"}


def test_examples_of_the_target_count_from_0_as_rows_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "target.jsonl", make_records(5))
    write_jsonl(tmp_path / "pool.jsonl", make_records(5))
    settings = ExplainSettings(target=("target.jsonl",), records=("pool.jsonl:3",))
    shown, page = io.StringIO(), tmp_path / "why.html"
    explain(settings, shown)
    explain(settings, io.StringIO(), html=str(page))
    assert re.search(r"^ *[\d.]+ B .* 3: ", shown.getvalue(), re.MULTILINE)
    assert "target example 3" in page.read_text()


def test_a_comparison_says_which_shards_have_changed(run, pool):
    run("a")
    run("b", budget=12)
    for as_json in (False, True):
        shown = io.StringIO()
        compare("a", "b", None, as_json, shown)
        assert "has changed" not in shown.getvalue()
    assert json.loads(shown.getvalue())["only_b"][0]["text"] != ""
    assert json.loads(shown.getvalue())["unreadable"] == []
    rewrite(pool)
    found = {}
    for as_json in (False, True):
        shown = io.StringIO()
        compare("a", "b", "page.html", as_json, shown)
        assert "has changed since the run of" in " ".join(shown.getvalue().split())
        assert "zzz" not in shown.getvalue()
        found = shown.getvalue()
    both = json.loads(found)
    assert {one["text"] for one in (*both["only_a"], *both["only_b"], *both["moved"])} == {""}
    assert len(both["unreadable"]) >= 1


def test_a_moved_record_is_shown_from_the_run_that_can_still_read_it(run, pool):
    run("a", budget=40, strategy="top")
    for path in pool.iterdir():
        write_jsonl(path, [{"text": "a row before all others"}, *read_jsonl(path)])
    run("b", budget=40)
    for first, second in (("a", "b"), ("b", "a")):
        both = compare_runs(open_run(first), open_run(second))
        assert both.moved
        for one in both.moved:
            path, _, row = one.record.rpartition(":")
            assert one.text == read_jsonl(Path(path))[int(row)]["text"][:100] != ""
        assert bool(both.unreadable) == (not all(one.text for one in (*both.only_a, *both.only_b)))


def rename_into_each_other(pool):
    (pool / "part-0.jsonl").rename(pool / "away")
    (pool / "part-1.jsonl").rename(pool / "part-0.jsonl")
    (pool / "away").rename(pool / "part-1.jsonl")


def test_a_record_is_the_same_wherever_it_stands(run, pool, tmp_path):
    def lines(name):
        return set((tmp_path / name / "subset-00000.jsonl").read_text().splitlines())

    run("a")
    rename_into_each_other(pool)
    run("b")
    both = compare_runs(open_run("a"), open_run("b"))
    assert sentence(both) == "Both runs chose the same 8 records, in the same order."
    assert (both.only_a, both.only_b, both.moved) == ([], [], [])
    for path in pool.iterdir():
        write_jsonl(path, [{"text": "a row before all others"}, *read_jsonl(path)])
    run("c", budget=12)
    both = compare_runs(open_run("b"), open_run("c"))
    assert both.n_common == len(lines("b") & lines("c")) > 0
    for path in pool.iterdir():
        write_jsonl(path, make_records(20, seed=int(path.stem[-1]) + 50))
    run("d")
    assert compare_runs(open_run("a"), open_run("d")).n_common == len(lines("a") & lines("d")) == 0


def test_other_texts_of_the_same_rows_are_the_same_records(run, pool, tmp_path):
    run("a", budget=60)
    rename_into_each_other(pool)
    run("b", budget=60, text=TextSpec("template", "{text}{text}"))
    assert compare_runs(open_run("a"), open_run("b")).n_common == 60


def test_copies_are_counted_one_by_one(run, pool):
    for path in pool.iterdir():
        write_jsonl(path, [{"text": "return self"}] * 20)
    run("a", budget=8, dedup="none")
    run("b", budget=12, dedup="none")
    both = compare_runs(open_run("a"), open_run("b"))
    assert (both.n_common, both.jaccard) == (8, 8 / 12)


def test_the_report_says_what_was_read(run, tmp_path):
    (tmp_path / "bench.txt").write_text("an item of a benchmark with more than eight words")
    report = run("a", exclude=("bench.txt",))
    read = {(file.role, file.path) for file in report.provenance.inputs}
    assert read == {("target", "target.jsonl"), ("exclude", "bench.txt")}
    assert all(len(file.fingerprint) == 32 for file in report.provenance.inputs)
    assert open_run("a").report.provenance == report.provenance
    for name in ("report.html", "README.md"):
        assert report.provenance.inputs[1].fingerprint in (tmp_path / "a" / name).read_text()


def ranked(rows, name):
    """A finished run whose records of one shard have these rows, best first."""
    run = FinishedRun(name, make_report(provenance=None))
    run.__dict__["chosen"] = pa.table(
        {
            "shard": ["p.jsonl"] * len(rows),
            "row": rows,
            "offset": [0] * len(rows),
            "alignment": [float(-i) for i in range(len(rows))],
        }
    )
    return run


def test_what_moved_most_comes_first_and_the_curve_is_of_its_depth():
    a = ranked(list(range(20)), "a")
    b = ranked([0, 19, *range(1, 19)], "b")
    both = compare_runs(a, b)
    moved = [(one.record.rpartition(":")[2], one.rank_a, one.rank_b) for one in both.moved]
    assert moved[:2] == [("19", 20, 2), ("1", 2, 3)]
    assert len(moved) == 10
    curve = dict(both.curve.series["Jaccard"])
    assert (curve[1], curve[2], curve[20]) == (1.0, pytest.approx(1 / 3), 1.0)
    assert curve[10] == pytest.approx(9 / 11)


def test_a_run_that_tells_no_groups_apart_has_no_share_of_them():
    a, b = ranked([0, 1], "a"), ranked([1, 2], "b")
    b.report.groups = []
    a.report.groups = [
        GroupShare(name="code", n_pool=5, n_pool_bytes=9, n_chosen=2, n_chosen_bytes=4)
    ]
    both = compare_runs(a, b)
    assert [(one.name, one.n_a, one.n_b) for one in both.groups] == [("code", 2, None)]
    shown = io.StringIO()
    print_comparison(both, Console(file=shown))
    assert ["code", "100.0%", "-"] in [line.split() for line in shown.getvalue().splitlines()]
    assert "Only one of the runs tells groups apart" in render_comparison(both)


def test_the_callers_run_is_not_changed(tmp_path, pool, target):
    settings = RunSettings(pool=(str(pool),), target=(str(target),), work_dir=str(tmp_path / "w"))
    run = Run(settings, Log(quiet=True), force=True)
    select = SelectSettings(budget=Budget("top_k", 8), output=str(tmp_path / "out"))
    with LocalEngine(1) as engine:
        run_select(run, select, engine)
    assert run.force
