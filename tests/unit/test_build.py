"""Every number of a report, counted again from the scores of the pool."""

import json
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from made_up import make_records, read_jsonl, write_jsonl
from pyarrow import feather

from zipsel.cli.group import cli
from zipsel.report.runs import open_run
from zipsel.report.statistics import alignment_histogram, length_quantiles, pool_quantiles
from zipsel.scorers.ngram import NgramScorer
from zipsel.scoring.histogram import N_BINS, bin_floor, bins_of, length_bins

BUDGET = 38


@pytest.fixture
def run(tmp_path, target, monkeypatch):
    """A run with leaks, duplicates and refused rows, and every row's score."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZIPSEL_WORKERS", "1")
    monkeypatch.setattr(NgramScorer, "chunk_bytes", 2000)  # several parts a shard
    examples = [row["text"] for row in read_jsonl(target)]
    rows = make_records(90)
    for i, at in enumerate((3, 40, 41)):
        rows[at] = {**rows[at], "text": examples[i]}
    for at in (5, 33, 34, 58):
        rows[at] = {**rows[at], "text": ""}
    for at in (20, 24, 64, 66):  # copies
        rows[at] = {**rows[at], "text": rows[0]["text"]}
    for i in range(3):
        write_jsonl(tmp_path / "pool" / f"{i}.jsonl", rows[30 * i : 30 * (i + 1)])
    shared = ["pool", "-t", "target.jsonl", "--scorer", "ngram", "--group-field", "kind",
              "--max-rejects", "9", "--quiet", "--work-dir", "work"]  # fmt: skip
    cli.main(["score", *shared, "-o", "scores"], standalone_mode=False)
    select = ["select", *shared, "-o", "out", "--strategy", "top", "--top-k", str(BUDGET)]
    cli.main(select, standalone_mode=False)
    for i, row in enumerate(rows):
        row["at"] = (f"pool/{i // 30}.jsonl", i % 30)
    tables = [pq.read_table(tmp_path / f"scores/{i}.jsonl.scores.parquet") for i in range(3)]
    scores = [score for table in tables for score in table["alignment"].to_pylist()]
    ranked = sorted((i for i, row in enumerate(rows) if row["text"]), key=lambda i: (-scores[i], i))
    seen, offered, chosen, leaks, copies = {}, [], [], [], {}
    for i in ranked:
        if len(chosen) == BUDGET:
            break
        text = rows[i]["text"]
        offered.append(i)
        if text in examples:
            leaks.append(i)
        elif text in seen:
            copies[i] = seen[text]
        else:
            seen[text] = i
            chosen.append(i)
    after = [i for i in ranked if i not in offered]
    return SimpleNamespace(
        rows=rows, scores=scores, ranked=ranked, chosen=chosen, leaks=leaks, copies=copies,
        after=after, report=open_run("out").report, folder=tmp_path / "out",
    )  # fmt: skip


def places(run, numbers):
    return [run.rows[i]["at"] for i in numbers]


def test_counts(run):
    counts = run.report.counts
    assert (len(run.leaks), len(run.copies)) == (3, 4)
    assert (counts.n_leaks, counts.n_duplicates) == (3, 4)
    assert (counts.n_rows, counts.n_rejected, counts.n_scored) == (90, 4, 86)
    assert (counts.n_chosen, counts.n_passed, counts.n_no_contenders) == (BUDGET, 86 - BUDGET, 0)
    assert counts.n_chosen_bytes == sum(len(run.rows[i]["text"]) for i in run.chosen)
    assert run.report.threshold == run.scores[run.chosen[-1]]


def test_groups_and_shards(run):
    for group in run.report.groups:
        of_pool = [row for row in run.rows if row["kind"] == group.name and row["text"]]
        chosen = [i for i in run.chosen if run.rows[i]["kind"] == group.name]
        assert (group.n_pool, group.n_chosen) == (len(of_pool), len(chosen))
        assert group.n_pool_bytes == sum(len(row["text"]) for row in of_pool)
        assert group.n_chosen_bytes == sum(len(run.rows[i]["text"]) for i in chosen)
    for number, shard in enumerate(run.report.shards):
        chosen = [i for i in run.chosen if i // 30 == number]
        assert (shard.path, shard.n_rows) == (f"pool/{number}.jsonl", 30)
        assert (shard.n_rejected, shard.n_chosen) == ((1, 3, 0)[number], len(chosen))
        assert shard.n_bytes == sum(len(r["text"]) for r in run.rows[30 * number :][:30])


def test_shown_records(run):
    report = run.report
    shown = {
        name: [(one.shard, one.row) for one in getattr(report, name)]
        for name in ("best", "borderline", "random")
    }
    assert shown["best"] == places(run, run.chosen[:10])
    assert shown["borderline"] == places(run, [*run.chosen[-5:], *run.after[:5]])
    assert not set(shown["random"]) & {*shown["best"], *shown["borderline"]}
    assert [one.rank for one in report.best] == list(range(1, 11))
    assert [one.rank for one in report.borderline] == list(range(BUDGET - 4, BUDGET + 6))
    assert [one.chosen for one in report.borderline] == [True] * 5 + [False] * 5
    for one in (*report.best, *report.borderline, *report.random):
        row = run.rows[30 * int(one.shard[5]) + one.row]
        assert (one.text, one.group) == (row["text"][:200], row["kind"])
    ranks = [run.chosen.index(30 * int(one.shard[5]) + one.row) + 1 for one in report.random]
    assert [one.rank for one in report.random] == ranks


def test_removed_records(run):
    leaks, copies = run.report.removed
    assert [(one.shard, one.row) for one in leaks.examples] == places(run, run.leaks)
    assert [one.match.split(":")[0] for one in leaks.examples] == [
        f"target, example {(3, 40, 41).index(i)}" for i in run.leaks
    ]
    assert [(one.shard, one.row) for one in copies.examples] == places(run, run.copies)
    assert [one.match for one in copies.examples] == [
        "{} row {}".format(*place) for place in places(run, run.copies.values())
    ]
    lines = read_jsonl(run.folder / "leaks.jsonl")
    assert [(one["shard"], one["row"]) for one in lines] == places(run, run.leaks)
    assert [one["alignment"] for one in lines] == [run.scores[i] for i in run.leaks]
    rejected = [(one.shard, one.row) for one in run.report.reject_examples]
    assert rejected == places(run, (5, 33, 34))


def test_the_table_of_chosen_records(run):
    table = feather.read_table(run.folder / "chosen.feather")
    assert table["rank"].to_pylist() == list(range(1, BUDGET + 1))
    found = zip(table["shard"].to_pylist(), table["row"].to_pylist(), strict=True)
    assert list(found) == places(run, run.chosen)
    assert table["group"].to_pylist() == [run.rows[i]["kind"] for i in run.chosen]
    manifest = json.loads((run.folder / "manifest.json").read_bytes())
    assert manifest["files"][0]["n_records"] == BUDGET


def test_quantiles_are_those_of_the_values():
    values = np.random.default_rng(0).normal(1, 2, 5000)
    bins = np.bincount(bins_of(values), minlength=N_BINS)
    found = pool_quantiles(bins)
    for percent in (1, 10, 25, 50, 75, 90, 99):
        exact = np.quantile(values, percent / 100)
        assert found[f"p{percent}"] == pytest.approx(exact, rel=0.03, abs=0.03)
    lengths = np.random.default_rng(1).integers(50, 5000, 4000)
    found = length_quantiles(length_bins(lengths))
    for name, value in found.items():
        assert value == pytest.approx(np.quantile(lengths, int(name[1:]) / 100), rel=0.1)


def test_a_histogram_holds_everybody():
    values = np.concatenate([np.random.default_rng(0).normal(0, 1, 5000), [60.0, 70.0]])
    bins = np.bincount(bins_of(values), minlength=N_BINS)
    subset = np.sort(values)[-40:]
    histogram = alignment_histogram(bins, subset)
    assert sum(histogram.pool) == len(values)
    assert sum(histogram.subset) == 40
    assert histogram.pool[-1] >= 2
    assert histogram.edges[-1] < float(bin_floor(bins_of(np.array([60.0])))[0])
