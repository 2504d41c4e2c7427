"""The automatic budget: where the curve is settled, and what it refuses."""

import json

import numpy as np
import pytest

from zipsel.console import progress
from zipsel.console.messages import Log
from zipsel.errors import UsageError
from zipsel.evaluation.auto_budget import N_FOLDS, find_budget, settle
from zipsel.readers.reading import Reading, TextSpec
from zipsel.readers.target import read_target
from zipsel.scoring.settings import RunSettings
from zipsel.selection.budgets import Budget
from zipsel.selection.settings import SelectSettings

pytest.importorskip("pyppmd", reason="the judge needs the extra eval")

KIND = "def add_{0}(a, b):\n    return a + b + {0}\n"
OTHER = "The {0}th chapter tells of ships, storms and far harbours, of sailors and of rain."


def test_settles_on_the_smallest_size_within_a_percent_of_the_best():
    sizes = np.array([1, 2, 4, 8])
    assert settle(sizes, np.array([2.0, 1.009, 1.0, 1.5])) == 2
    assert settle(sizes, np.array([4.0, 3.0, 2.0, 1.0])) == 8


QUIET = Log(quiet=True)


def make_run(tmp_path):
    """A selection that ranks texts of the target's kind first."""

    def run(settings: RunSettings, select: SelectSettings, log: Log) -> None:
        texts = [KIND.format(i) * 4 for i in range(1500)] + [OTHER.format(i) for i in range(4000)]
        with open(select.output, "w") as file:
            n_bytes = 0
            for text in texts:
                if n_bytes + len(text) > select.budget.value:
                    break
                n_bytes += len(text)
                file.write(json.dumps({"text": text}) + "\n")

    return run


def settings_for(tmp_path, n_examples):
    target = tmp_path / "target.jsonl"
    target.write_text(
        "".join(json.dumps({"text": KIND.format(i + 9000)}) + "\n" for i in range(n_examples))
    )
    return RunSettings(pool=("x",), target=(str(target),), work_dir=str(tmp_path / "work"))


def test_budget_stops_where_other_text_begins(tmp_path):
    select = SelectSettings(budget=Budget("auto", 0), output=str(tmp_path / "out"))
    found = find_budget(settings_for(tmp_path, 12), select, 5_000_000, make_run(tmp_path), QUIET)
    of_kind = sum(len(KIND.format(i) * 4) for i in range(1500))
    assert found.budget.kind == "max_bytes"
    assert found.budget.value <= of_kind
    assert found.curve.mark == found.budget.value
    folds = [dict(found.curve.series[f"fold {i + 1}"]) for i in range(N_FOLDS)]
    assert len(found.curve.series) == N_FOLDS + 1
    for size, bits in found.curve.series["mean"]:
        assert bits == pytest.approx(np.mean([fold[size] for fold in folds]))
    assert f"{found.budget.value:,} bytes of text are the smallest subset" in found.conclusion
    assert found.conclusion in found.curve.note
    best = min(found.curve.series["mean"], key=lambda point: point[1])[0]
    assert ("bytes." in found.conclusion) == (best != found.budget.value)
    assert not list((tmp_path / "work").glob("auto/*"))


def test_too_few_examples_are_refused(tmp_path):
    select = SelectSettings(budget=Budget("auto", 0), output=str(tmp_path / "out"))
    with pytest.raises(UsageError, match="at least 6 examples"):
        find_budget(settings_for(tmp_path, 5), select, 1e6, make_run(tmp_path), QUIET)


def test_folds_hold_their_examples_out_of_target_and_subset(tmp_path):
    """Each fold selects by the others' examples, in rank order, and within a fifth of the pool."""
    bench = tmp_path / "bench.jsonl"
    bench.write_text(json.dumps({"prompt": "an item that must not leak"}) + "\n")
    target = tmp_path / "target.jsonl"
    texts = [KIND.format(i) for i in range(9)]
    target.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    settings = RunSettings(
        pool=("x",),
        target=(str(target),),
        target_reading=Reading(TextSpec("field", "prompt")),
        work_dir=str(tmp_path / "work"),
    )
    select = SelectSettings(
        budget=Budget("auto", 0), output="out", order="input", exclude=(str(bench),)
    )
    seen = []

    def run(settings, select, log):
        train = set(read_target(settings.target, settings.target_reading).iter_texts())
        excluded = set(read_target(select.exclude, settings.target_reading).iter_texts())
        seen.append((train, excluded))
        assert select.order == "rank"
        assert select.budget.value == 2_000_000
        make_run(tmp_path)(settings, select, log)

    find_budget(settings, select, 10_000_000, run, QUIET)
    assert len(seen) == N_FOLDS
    for train, excluded in seen:
        held_out = excluded - {"an item that must not leak"}
        assert len(excluded) == 4
        assert train | held_out == set(texts)
        assert not train & held_out


def test_progress_of_folds_is_shown(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(progress, "_PLAIN_INTERVAL_SECONDS", 0.0)
    select = SelectSettings(budget=Budget("auto", 0), output=str(tmp_path / "out"))
    find_budget(settings_for(tmp_path, 6), select, 1e6, make_run(tmp_path), Log())
    shown = capsys.readouterr().err
    for i in range(N_FOLDS):
        assert f"--auto, fold {i + 1} of 3: judging" in shown
