"""The report's parts: what a reader could be misled by, or harmed."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipsel.console.safe_text import printable
from zipsel.evaluation.verdicts import Curve
from zipsel.explain.model import Explanation, Source, Span
from zipsel.readers.reading import Reading
from zipsel.report import charts
from zipsel.report.card import render_card
from zipsel.report.findings import findings
from zipsel.report.html import render_report, strip_markup
from zipsel.report.model import Counts, GroupShare, Histogram, Provenance, Report, ShardCounts
from zipsel.report.runs import iter_report_files
from zipsel.report.shown import RejectExample, Removal, RemovedRecord, Saving, ShownRecord, Strip
from zipsel.report.statistics import alignment_histogram, length_histogram
from zipsel.report.strips import character_starts, heat_digits, strip_of
from zipsel.report.tables import group_rows, loss_rows
from zipsel.report.visible import code, visible
from zipsel.scoring.histogram import length_bins

HOSTILE = (
    "<script>alert(1)</script> \u202egnirts\u202c \x1b[31m \x00 | `tick` 👩\u200d🚀 \u2028 @all"
)


def make_record(text="def f():", **fields):
    values = {
        "rank": 1,
        "chosen": True,
        "shard": "p.jsonl",
        "row": 0,
        "alignment": 2.0,
        "n_bytes": 9,
    }
    return ShownRecord(text=text, **{**values, **fields})


def make_report(**fields):
    values = {
        "versions": {"zipsel": "1"},
        "command": ["zipsel", "select", "pool", "--top-k", "2"],
        "budget": "--top-k 2",
        "scorer": "fused",
        "profile": {"digest": "ab", "n_target": 8, "n_sample_records": 100, "target": ["t.jsonl"]},
        "counts": Counts(
            n_shards=1,
            n_rows=10,
            n_rejected=1,
            n_scored=9,
            n_bytes=900,
            n_no_contenders=3,
            n_chosen=2,
            n_chosen_bytes=200,
            n_passed=7,
            rejects={"empty": 1},
        ),
        "threshold": 1.5,
        "cascade": {"fraction": 0.5, "n_contenders": 6.0},
        "histogram": Histogram(edges=[0.0, 1.0, 2.0], pool=[4, 2], subset=[0, 2]),
        "quantiles": {"pool": {"p50": 0.5}, "subset": {"p50": 1.7}},
        "groups": [],
        "group_field": None,
        "best": [make_record()],
        "borderline": [make_record(), make_record(rank=3, chosen=False)],
        "shards": [
            ShardCounts(
                path="p.jsonl", fingerprint="f", n_rows=10, n_rejected=1, n_bytes=900, n_chosen=2
            )
        ],
        "bad_shards": {},
        "stages": {"score": 1.0, "total": 2.0},
        "outputs": [{"name": "subset-00000.jsonl", "n_records": 2, "n_bytes": 200}],
        "length_quantiles": {"pool": {"p50": 100}, "subset": {"p50": 100}},
        "lengths": Histogram(edges=[1.0, 2.0, 4.0], pool=[5, 4], subset=[1, 1]),
        "provenance": Provenance(
            directory="/d", finished="2024-01-01T00:00:00+00:00", profile="/p", reading=Reading()
        ),
    }
    return Report(**{**values, **fields})


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def tags_of(page):
    parser = Tags()
    parser.feed(page)
    return parser.tags


def test_hostile_text_is_inert_wherever_it_may_stand():
    shown = make_record(
        HOSTILE,
        shard=HOSTILE,
        group=HOSTILE,
        strip=Strip(
            heat="0" * len(HOSTILE),
            savings=[Saving(start=0, end=8, saved_bytes=1, example=0, source=HOSTILE)],
        ),
    )
    removed = RemovedRecord(shard=HOSTILE, row=1, alignment=1, text=HOSTILE, match=HOSTILE)
    report = make_report(
        best=[shown],
        random=[shown],
        borderline=[shown],
        command=["zipsel", HOSTILE],
        bad_shards={HOSTILE: HOSTILE},
        budget=HOSTILE,
        group_field=HOSTILE,
        shards=[
            ShardCounts(
                path=HOSTILE, fingerprint="f", n_rows=1, n_rejected=0, n_bytes=1, n_chosen=1
            )
        ],
        reject_examples=[RejectExample(shard=HOSTILE, row=1, reason="empty", snippet=HOSTILE)],
        removed=[Removal(cause=HOSTILE, n_records=1, note=HOSTILE, examples=[removed])],
        curves=[
            Curve(
                title=HOSTILE,
                x_label=HOSTILE,
                y_label=HOSTILE,
                note=HOSTILE,
                series={HOSTILE: [(1, 1), (2, 2)]},
                mark=1,
            )
        ],
    )
    page = render_report(report)
    assert len([tag for tag, _ in tags_of(page) if tag == "script"]) == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\u2028]", page)
    assert "U+202E" in page
    assert "\u241b" in page
    assert "👩\u200d🚀" in page
    markdown = re.sub(r"^(`{3,})sh\n.*?\n\1$", "", render_card(report), flags=re.M | re.S)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\u2028]", markdown)
    for line in markdown.splitlines():
        outside = re.sub(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        assert "<script" not in outside.replace("\\<", ""), line


def test_the_page_asks_the_network_for_nothing():
    for _, attributes in tags_of(render_report(make_report())):
        for name in ("src", "href", "action"):
            assert not (attributes.get(name) or "").startswith(("http", "//", "/"))


def test_the_page_is_a_function_of_the_report():
    report = make_report()
    assert dict(iter_report_files(report)) == dict(iter_report_files(report))


@pytest.mark.parametrize(
    "fields",
    [
        {
            "counts": Counts(),
            "threshold": None,
            "best": [],
            "borderline": [],
            "shards": [],
            "histogram": Histogram(edges=[0.0, 1.0], pool=[0], subset=[0]),
            "quantiles": {"pool": {}, "subset": {}},
            "length_quantiles": {"pool": {}, "subset": {}},
            "lengths": None,
            "stages": {},
        },
        {"provenance": None, "lengths": None, "length_quantiles": {}},
        {"curves": [Curve(title="t", x_label="x", y_label="y", series={})]},
    ],
    ids=["empty pool", "an older report", "a curve without points"],
)
def test_a_report_that_lacks_parts_is_shown_without_them(fields):
    report = make_report(**fields)
    assert "What did I get?" in render_report(report)
    assert "# A subset chosen by zipsel" in render_card(report)


def test_where_rows_went_adds_up_to_the_rows_read():
    report = make_report(removed=[Removal(cause="leaks", n_records=2)])
    assert sum(n for _, n, _ in loss_rows(report)) == report.counts.n_rows
    assert ("not reached", 2, "ranked below the threshold") in loss_rows(report)
    by_gain = make_report(removed=[Removal(cause="leaks", n_records=2)], strategy="cover")
    assert dict(row[::2] for row in loss_rows(by_gain))["not reached"].startswith("added less")


def test_findings_say_what_asks_for_a_look():
    report = make_report(
        length_quantiles={"pool": {"p50": 400}, "subset": {"p50": 100}},
        best=[make_record(strip=Strip(conditional=0.99))],
        bad_shards={"x.jsonl": "broken"},
    )
    texts = [finding.text for finding in findings(report) if finding.look]
    assert "Chosen texts are much shorter than the pool's (median 100 bytes against 400)." in texts
    assert any("perhaps copies" in text for text in texts)
    assert any("could not be read whole" in text for text in texts)
    quiet = [finding for finding in findings(make_report()) if "shorter" in finding.text]
    assert quiet == []


def test_an_empty_subset_is_the_first_finding():
    report = make_report(counts=Counts(n_rows=3, n_scored=3), threshold=None)
    assert findings(report)[0].text == "Nothing was chosen: no record meets --top-k 2."
    of_leaks = make_report(counts=Counts(n_rows=3, n_scored=3, n_leaks=3), threshold=None)
    assert "no record meets --top-k 2 but for 3 leaks." in findings(of_leaks)[0].text
    of_none = make_report(counts=Counts(n_rows=3, n_rejected=3), threshold=None)
    assert "the pool has no record that can be used" in findings(of_none)[0].text


@given(st.text())
def test_plain_text_has_no_control_characters(text):
    shown = printable(text)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]", shown)
    assert "<script" not in visible(text + "<script>")


@given(st.text())
def test_a_code_span_holds(text):
    span = code(text)
    fence = re.match("`+", span).group()
    inner = span[len(fence) : -len(fence)]
    assert span.endswith(fence)
    assert fence not in re.findall("`+", inner)
    assert "|" not in inner.replace("\\|", "")


def test_piled_up_marks_are_thinned():
    assert len(visible("a" + "\u0301" * 100)) < 10


def test_a_strip_shows_every_character_once():
    text = "  def f():\n    return 1"
    record = make_record(
        text,
        strip=Strip(
            heat="0" * 6 + "9" * (len(text) - 6),
            savings=[Saving(start=0, end=10, saved_bytes=6.0, example=3, source="def f():")],
        ),
    )
    markup = strip_markup(record)
    assert re.sub("<[^>]*>", "", markup) == text
    assert 'title="saves 6.0 bytes · target example 3: def f():"' in markup
    assert markup.startswith("  <span")  # blanks at its end are not underlined


def test_heat_spreads_a_weight_over_its_ngram():
    weights = [0.0] * 10
    weights[2] = 4.0
    digits = heat_digits("abcdefghij", weights, 4)
    assert digits == "0099990000"
    assert heat_digits("", [], 6) == ""


def test_heat_of_a_wide_character_is_that_of_its_bytes():
    text = "é漢🎈x"
    assert character_starts(text).tolist() == [0, 2, 5, 9, 10]
    weights = np.zeros(10)
    weights[2:5] = 1.0
    assert heat_digits(text, weights.tolist(), 1) == "0900"


def test_ticks_are_round_and_inside():
    assert charts.ticks(0.13, 7.68) == [2.0, 4.0, 6.0]
    assert charts.ticks(3, 3) == [3]
    assert charts.log_ticks(100, 20_000) == [100.0, 1000.0, 10_000.0]
    assert charts.log_ticks(100, 600) == [128.0, 256.0, 512.0]


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (0.25, "0.25"), (999, "999"), (1000, "1k"), (2.5e6, "2.5M")]
)
def test_numbers_on_axes_are_short(value, shown):
    assert charts.number(value) == shown


def test_the_tail_of_lengths_keeps_every_record():
    histogram = Histogram(
        edges=[float(2**i) for i in range(8)],
        pool=[500, 500, 0, 0, 0, 0, 1],
        subset=[9, 9, 0, 0, 0, 0, 0],
    )
    gathered = charts.gather_tail(histogram)
    assert sum(gathered.pool) == sum(histogram.pool)
    assert len(gathered.pool) < len(histogram.pool)
    assert len(gathered.edges) == len(gathered.pool) + 1


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=50))
def test_length_histogram_counts_every_text(lengths):
    lengths = np.array(lengths)
    histogram = length_histogram(length_bins(lengths), lengths[:3])
    assert sum(histogram.pool) == len(lengths)
    assert sum(histogram.subset) == len(lengths[:3])
    assert histogram.edges[0] <= lengths.min() + 0.01
    assert histogram.edges[-1] >= lengths.max() * 0.99


@given(st.lists(st.floats(-5, 50), min_size=1, max_size=80))
def test_alignment_histogram_counts_every_record_and_subset_lies_in_pool(values):
    from zipsel.scoring.histogram import N_BINS, bins_of

    values = np.sort(np.array(values))[::-1]
    pool = np.bincount(bins_of(values), minlength=N_BINS)
    histogram = alignment_histogram(pool, values[: len(values) // 2])
    assert sum(histogram.pool) == len(values)
    assert sum(histogram.subset) == len(values) // 2
    assert all(s <= p for s, p in zip(histogram.subset, histogram.pool, strict=True))


def test_a_subset_from_one_shard_is_told_of_and_its_name_is_no_markup():
    shards = [
        ShardCounts(path=path, fingerprint="f", n_rows=n, n_rejected=0, n_bytes=9, n_chosen=m)
        for path, n, m in ((HOSTILE, 10, 8), ("b", 45, 1), ("c", 45, 1))
    ]
    counts = Counts(n_rows=100, n_scored=100, n_chosen=10, n_passed=90)
    report = make_report(shards=shards, counts=counts)
    texts = [finding.text for finding in findings(report) if "comes from" in finding.text]
    assert len(texts) == 1
    assert texts[0].startswith("80% of the subset comes from <script>")
    assert texts[0].endswith("which is 10% of the pool.")
    assert len([tag for tag, _ in tags_of(render_report(report)) if tag == "script"]) == 1
    shards[0].n_chosen = shards[1].n_chosen = 4
    assert not [one for one in findings(report) if "comes from" in one.text]


@pytest.mark.parametrize(
    ("removal", "look", "text"),
    [
        (Removal(cause="leaks", n_records=15, note="A leak is one."), True,
         "15 leaks were found and left out. A leak is one."),
        (Removal(cause="leaks", n_records=1, note="A leak is one."), True,
         "1 leak was found and left out. A leak is one."),
        (Removal(cause="leaks", n_records=0, note="A leak is one."), False,
         "No leaks were found. A leak is one."),
        (Removal(cause="leaks", n_records=0, note="They were not looked for.", sought=False), True,
         "They were not looked for."),
    ],
)  # fmt: skip
def test_leaks_are_told_of_in_whole_sentences(removal, look, text):
    found = [one for one in findings(make_report(removed=[removal])) if one.text == text]
    assert [one.look for one in found] == [look]


def test_of_many_short_shares_those_that_lack_most_are_named():
    shares = [{"name": f"s{i}", "wanted": 50, "used": 50 - i} for i in range(1, 9)]
    told = findings(make_report(shortfalls=shares))
    texts = [one.text for one in told if "not filled" in one.text]
    assert texts[0] == "The share of s8 was not filled: 42 of 50."
    assert texts[-1] == "3 other shares were not filled either."
    assert len(texts) == 6
    told = findings(make_report(shortfalls=shares[:5]))
    assert sum("not filled" in one.text for one in told) == 5


def test_words_for_no_group_are_no_name_of_a_group():
    names = ["", "(none)", "'(none)'", "(2 others)", *map(str, range(29))]
    groups = [
        GroupShare(name=name, n_pool=1, n_pool_bytes=1, n_chosen=1, n_chosen_bytes=1)
        for name in names
    ]
    shown = [row.name for row in group_rows(make_report(groups=groups))]
    assert shown[:4] == ["(none)", "'(none)'", "''(none)''", "'(2 others)'"]
    assert shown[-1] == "(3 others)"
    assert len(set(shown)) == len(shown)


def test_groups_beyond_thirty_are_summed_up():
    groups = [
        GroupShare(name=str(i), n_pool=10 + i, n_pool_bytes=1, n_chosen=i, n_chosen_bytes=1)
        for i in range(33)
    ]
    rows = group_rows(make_report(groups=groups))
    assert [row.name for row in rows[:30]] == [str(i) for i in range(30)]
    assert rows[30][:3] == ("(3 others)", 10 * 3 + 30 + 31 + 32, 30 + 31 + 32)
    assert len(rows) == 31


def test_a_saving_begins_at_its_character():
    text = "é→ def f(): return"
    start = len("é→ ".encode())
    span = Span(
        start=start, end=start + 7, kind="target", text="def f()", saved_bytes=4.0,
        source=Source(example=2, text="<b>def f()</b>"),
    )  # fmt: skip
    explanation = Explanation(record="r", scorer="s", alignment=1, n_bytes=9, spans=[span])
    strip = strip_of(explanation, text, 1)
    assert [(one.start, one.end, one.example) for one in strip.savings] == [(3, 10, 2)]
    markup = strip_markup(make_record(text, strip=strip))
    assert "<b>" not in markup
    assert ">def f()</span>" in markup
