"""The summary on a terminal: 80 columns, no colour where none is wanted."""

import io

import pytest
from rich.console import Console
from unit.test_html import HOSTILE, make_record, make_report

from zipsel.report.model import Counts, GroupShare, ShardCounts
from zipsel.report.print_run import print_records, print_summary

GROUP = GroupShare(name=HOSTILE * 3, n_pool=5, n_pool_bytes=5, n_chosen=2, n_chosen_bytes=2)


def shown(report, **console):
    file = io.StringIO()
    printer = Console(file=file, highlight=False, width=80, **console)
    print_summary(report, printer)
    print_records(report.best, printer)
    return file.getvalue()


@pytest.fixture
def report():
    return make_report(
        groups=[GROUP],
        group_field="[bold]kind",
        best=[make_record(HOSTILE * 5)],
        length_quantiles={"pool": {"p50": 900}, "subset": {"p50": 100}},
    )


def test_fits_80_columns_without_colour(report):
    text = shown(report)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]kind" in text


def test_groups_that_are_not_named_are_counted():
    groups = [
        GroupShare(name=name, n_pool=2, n_pool_bytes=9, n_chosen=1, n_chosen_bytes=4)
        for name in "abcdefg"
    ]
    counts = Counts(n_rows=14, n_scored=14, n_chosen=7)
    text = shown(make_report(groups=groups, group_field="kind", counts=counts))
    assert "e: 14.3% of the subset, 14.3% of the pool" in text
    assert "(2 others): 28.6% of the subset, 28.6% of the pool" in text


def test_no_color_is_respected_on_a_terminal(report, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(report, force_terminal=True)
    assert "\x1b[3" not in text
    assert "\x1b[38" not in text


def test_says_what_asks_for_a_look(report):
    text = " ".join(shown(report).split())
    assert "look Chosen texts are much shorter than the pool's" in text


def test_says_how_long_it_took_and_which_stages_took_longest():
    stages = {"find": 1.0, "score": 3599.0, "choose": 59.94, "write": 900.0, "total": 4560.0}
    text = " ".join(shown(make_report(stages=stages)).split())
    assert "time 1:16:00, score 0:59:59, write 0:15:00" in text
    assert "choose" not in text


def test_an_empty_run_has_a_summary():
    report = make_report(counts=Counts(), threshold=None, best=[], shards=[])
    assert "Nothing was chosen" in shown(report)


def test_contenders_and_those_ruled_out_are_told_apart():
    text = " ".join(shown(make_report()).split())
    assert "6 compressed; 3 ruled out by their n-grams" in text


def test_shards_that_lost_rows_are_named():
    shards = [
        ShardCounts(
            path=f"p{i}.jsonl", fingerprint="f", n_rows=10, n_rejected=i, n_bytes=9, n_chosen=1
        )
        for i in range(8)
    ]
    counts = Counts(n_rows=80, n_rejected=28, rejects={"empty": 28})
    bad = {"bad.jsonl": "all of its 3 rows are refused"}
    text = " ".join(shown(make_report(counts=counts, shards=shards, bad_shards=bad)).split())
    assert "28 rows: 28 empty 7 of 10 in p7.jsonl 6 of 10 in p6.jsonl" in text
    assert "3 of 10 in p3.jsonl the rest in 2 other shards; see report.json" in text
    assert "bad file bad.jsonl: all of its 3 rows are refused" in text
