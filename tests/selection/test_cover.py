"""``cover`` against its formula, its prefixes, and any way in which candidates may arrive."""

import random
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import write_jsonl

from selection.conftest import TOPICS, cover_run, make_topic, make_topic_records
from zipsel.output.chosen import read_chosen
from zipsel.report.novelty import new_characters
from zipsel.scorers.target_ngrams import TargetNgrams
from zipsel.selection.budgets import Budget
from zipsel.selection.candidates import Candidates
from zipsel.selection.chooser import Chooser
from zipsel.selection.cover import GreedyCover
from zipsel.selection.duplicates import Duplicates
from zipsel.selection.gather import Fetched
from zipsel.selection.inspection import Inspection
from zipsel.selection.offers import CANDIDATE_FACTOR, FIRST_STAGE_BYTES, STAGE_ENDS, OfferStream
from zipsel.selection.quotas import Quotas
from zipsel.selection.spool import ROW, SpooledRows, ngrams_path
from zipsel.selection.strategies import BudgetParts
from zipsel.selection.subset_code import PRIOR_STRENGTH
from zipsel.texts import TextBatch

N_BUCKETS = 2**22


def grams_of(text, n):
    """Buckets of the n-grams: the highest 22 bits of a product (Knuth, TAOCP 3, section 6.4)."""
    data = text.encode()
    words = [int.from_bytes(data[i : i + n], "little") for i in range(len(data) - n + 1)]
    return [(word << 64 - 8 * n) * 0x9E3779B97F4A7C15 % 2**64 >> 42 for word in words]


def cover_oracle(texts, target, sample, budget_bytes, first_stage=FIRST_STAGE_BYTES):
    """The module's docstring, step by step; texts come in the order of their alignments."""
    n = 5 if sum(len(text.encode()) for text in target) < 16384 else 6
    frequency = Counter(gram for text in target for gram in set(grams_of(text, n)))
    total = sum(count - 0.5 for count in frequency.values())
    in_sample = Counter(gram for text in sample for gram in grams_of(text, n))
    share = {g: (in_sample[g] + 0.5) / (in_sample.total() + 0.5 * N_BUCKETS) for g in frequency}
    grams = [set(grams_of(text, n)) & frequency.keys() for text in texts]
    sizes = [len(text.encode()) for text in texts]
    taken, held, left = [], Counter(), set(range(len(texts)))
    n_stages, end = 0, first_stage

    def gain(i):
        strength = PRIOR_STRENGTH * end
        each = (
            strength * (frequency[g] - 0.5) / total / (held[g] + strength * share[g] + 0.5)
            for g in grams[i]
        )
        return sum(round(value * 2**20) for value in each) / sizes[i]

    while left:
        entered = {i for i in left if sum(sizes[:i]) < CANDIDATE_FACTOR * end}
        bounds = {i: gain(i) for i in entered}
        while bounds and sum(sizes[i] for i in taken) < end:
            threshold = 0.9 * max(bounds.values())
            for i in sorted(bounds, key=lambda i: (-bounds[i], i)):
                if bounds[i] < threshold or sum(sizes[i] for i in taken) >= end:
                    break
                bounds[i] = gain(i)
                if bounds[i] >= threshold:
                    if sum(sizes[j] for j in [*taken, i]) > budget_bytes:
                        return taken
                    taken.append(i)
                    left.remove(i)
                    held.update(grams[i])
                    del bounds[i]
        n_stages += 1
        end = round(first_stage * 2 ** (n_stages / 2))
    return taken


@dataclass
class Made:
    """A made-up ranking: texts, best alignment first, with the target that ranked them."""

    texts: list[str]
    alignment: np.ndarray
    ngrams: TargetNgrams

    def candidates(self):
        n = len(self.texts)
        rows = np.arange(n)
        sizes = np.array([len(text.encode()) for text in self.texts])
        codes = np.full(n, -1, np.int32)
        shard = np.zeros(n, np.int32)
        return Candidates(shard, rows, rows, self.alignment, sizes, codes, codes)

    def choose(self, folder, budget, *, n_blocks=1, n_files=1, fetch_bytes=0, seed=0):
        """Positions chosen, with candidates that arrive in so many blocks, fetches and files."""
        generator = random.Random(seed)
        n = len(self.texts)
        borders = sorted(generator.randrange(n + 1) for _ in range(n_blocks - 1))
        blocks = [
            self.candidates().take(np.arange(a, b))
            for a, b in zip([0, *borders], [*borders, n], strict=True)
        ]

        def fetch(block, first):
            rows = np.zeros(len(block), ROW)
            rows["file"] = [generator.randrange(n_files) for _ in range(len(block))]
            rows["n_tokens"] = Inspection().look("").n_tokens
            for number in range(n_files):
                places = np.flatnonzero(rows["file"] == number)
                texts = [self.texts[i] for i in block.row[places].tolist()]
                numbers, lengths = self.ngrams.in_texts(TextBatch.from_texts(texts))
                with open(ngrams_path(folder / f"{first}-{number}"), "wb") as file:
                    file.write(numbers.tobytes())
                rows["n_ngrams"][places] = lengths
                rows["ngrams"][places] = np.cumsum(lengths) - lengths
                digests = b"".join(Inspection().look(text).digest for text in texts)
                if digests:
                    rows["digest"][places] = np.frombuffer(digests, "V16")
            files = [(str(folder / f"{first}-{number}"), False) for number in range(n_files)]
            return Fetched(first, SpooledRows(files, first, rows), {})

        quotas = Quotas(budget, n, {})
        one_part = BudgetParts({}, lambda b: b.group, lambda: [""])
        chooser = Chooser(quotas, Duplicates("exact", 0.7), one_part, lambda: [""])
        stream = OfferStream(iter(blocks), np.ones(1), lambda b: np.zeros(len(b), np.int32))
        choice = cover_run(GreedyCover(self.ngrams), stream, chooser, fetch).take(fetch_bytes)
        return choice.candidates.row[choice.positions].tolist(), choice


def make(n_texts, n_words, n_alike=1, n_target=12):
    """Texts of four topics, ranked by how much of the first two they hold."""
    made = {
        make_topic(TOPICS[i % 4], n_words + i % 7, f"text {i // n_alike}") for i in range(n_texts)
    }
    texts = sorted(made, key=lambda text: (-text.count("coo") - text.count("sai"), text))
    target = [make_topic(TOPICS[i % 2], 60, f"target {i}") for i in range(n_target)]
    sample = texts[::3]
    ngrams = TargetNgrams.fit(TextBatch.from_texts(target), TextBatch.from_texts(sample))
    alignment = 1 - np.arange(len(texts)) / len(texts)
    return Made(texts, alignment, ngrams), target, sample


@pytest.fixture(scope="module")
def made():
    return make(900, 100)


def ends_from(first_stage):
    return np.rint(first_stage * 2 ** (np.arange(80) / 2)).astype(np.int64)


@pytest.fixture
def small_stages(monkeypatch):
    """Stages that begin at 4 kB, so that small pools have several."""
    ends = ends_from(4096)
    monkeypatch.setattr("zipsel.selection.offers.STAGE_ENDS", ends)
    monkeypatch.setattr("zipsel.selection.covering.STAGE_ENDS", ends)


def test_of_equal_gains_the_higher_alignment_comes_first(made, tmp_path):
    _, target, _ = made
    texts = [target[0][:100] + end * 30 for end in "#%&"]  # ends that no target has
    alignment = np.array([0.3, 0.1, 0.2])
    chosen, _ = Made(texts, alignment, made[0].ngrams).choose(tmp_path, Budget("top_k", 3))
    assert chosen == [0, 2, 1]
    chosen, _ = Made(texts, -alignment, made[0].ngrams).choose(tmp_path, Budget("top_k", 3))
    assert chosen == [1, 2, 0]


@pytest.mark.usefixtures("small_stages")
@pytest.mark.parametrize("budget", [("max_bytes", 30_000), ("max_tokens", 7_500), ("top_k", 80)])
def test_all_candidates_that_a_budget_needs_are_fetched_at_once(choose, budget):
    """Each fetch may read every shard again."""
    chosen = choose(budget, dedup="none", keep_leaks=True)
    assert chosen.n_bytes > 4096 * 4  # several stages
    assert chosen.ran.count("fetch_rows") == 1


@pytest.mark.usefixtures("small_stages")
@pytest.mark.parametrize("n_target", [12, 60])  # n-grams of five bytes, and of six
def test_cover_is_what_its_formula_says(n_target, tmp_path):
    pool, target, sample = make(900, 100, n_target=n_target)
    chosen, _ = pool.choose(tmp_path, Budget("max_bytes", 60_000))
    assert chosen == cover_oracle(pool.texts, target, sample, 60_000, 4096)
    assert len(chosen) > 50
    assert chosen != sorted(chosen)


def test_the_first_stage_is_what_its_formula_says(made, tmp_path):
    pool, target, sample = made
    chosen, _ = pool.choose(tmp_path, Budget("max_bytes", 20_000))
    assert chosen == cover_oracle(pool.texts, target, sample, 20_000)


@pytest.mark.usefixtures("small_stages")
def test_every_prefix_is_the_choice_for_a_smaller_budget(made, tmp_path):
    pool, _, _ = made
    whole, _ = pool.choose(tmp_path, Budget("max_bytes", 200_000), fetch_bytes=200_000)
    for kind, value in (("top_k", 7), ("top_k", 100), ("max_bytes", 33_333), ("max_tokens", 9_000)):
        part, _ = pool.choose(tmp_path, Budget(kind, value), fetch_bytes=value)
        assert len(part) > 5
        assert part == whole[: len(part)]


@settings(max_examples=15, deadline=None)
@given(
    n_blocks=st.integers(1, 6),
    n_files=st.integers(1, 5),
    fetch_bytes=st.sampled_from([0, 5_000, 40_000, 10**9]),
    seed=st.integers(0, 100),
)
def test_how_candidates_arrive_changes_nothing(
    tmp_path_factory, n_blocks, n_files, fetch_bytes, seed
):
    pool, _, _ = make(300, 40, n_alike=3)
    arrive = {"n_blocks": n_blocks, "n_files": n_files, "fetch_bytes": fetch_bytes, "seed": seed}
    with pytest.MonkeyPatch.context() as patch:
        ends = ends_from(2048)
        patch.setattr("zipsel.selection.offers.STAGE_ENDS", ends)
        patch.setattr("zipsel.selection.covering.STAGE_ENDS", ends)
        budget = Budget("max_bytes", 20_000)
        expected, before = pool.choose(tmp_path_factory.mktemp("one"), budget)
        found, after = pool.choose(tmp_path_factory.mktemp("many"), budget, **arrive)
    assert found == expected
    assert after.gains.tolist() == before.gains.tolist()
    assert after.first_ranks.tolist() == before.first_ranks.tolist()


def test_gains_say_what_each_text_adds(made, tmp_path):
    pool, _, _ = made
    chosen, choice = pool.choose(tmp_path, Budget("top_k", 30))
    gains, first_ranks = choice.gains, choice.first_ranks
    assert len(gains) == 30
    assert (gains > 0).all()
    numbers, lengths = pool.ngrams.in_texts(TextBatch.from_texts([pool.texts[chosen[0]]]))
    assert lengths.tolist() == [len(numbers)]
    assert (first_ranks[numbers] == 1).all()
    assert (first_ranks == 1).sum() == len(numbers)
    assert set(first_ranks.tolist()) <= set(range(31))


def test_the_whole_run_keeps_the_prefix(choose):
    whole = choose(("fraction", 0.5)).ids
    for budget in (("top_k", 5), ("top_k", 40), ("max_bytes", 9000), ("max_tokens", 4000)):
        assert choose(budget).ids == whole[: len(choose(budget).ids)]
    assert len(whole) == 120


def test_no_kind_of_example_is_forgotten(choose, tmp_path):
    """Of two kinds in the target, one is hard to find in the pool."""
    records = make_topic_records(200, topics=["cooking"]) + make_topic_records(
        20, seed=7, topics=["sailing"]
    )
    pool = tmp_path / "uneven"
    write_jsonl(pool / "pool.jsonl", [{**row, "id": i} for i, row in enumerate(records)])
    topics = Counter(row["topic"] for row in choose(("top_k", 40), pool=pool).rows)
    assert min(topics["cooking"], topics["sailing"]) >= 10


def test_quotas_hold_in_every_prefix(choose):
    quota = (("cooking", 0.5), ("sailing", 0.25), ("*", 0.25))
    whole = choose(("top_k", 40), group="topic", quota=quota).rows
    assert Counter(row["topic"] for row in whole)["cooking"] == 20
    assert Counter(row["topic"] for row in whole)["sailing"] == 10


def test_a_lowest_alignment_keeps_top(choose):
    assert choose(("min_alignment", -100)).report.strategy == "top"
    assert choose(("top_k", 3)).report.strategy == "cover"


def test_gains_are_written_beside_the_alignments(choose, tmp_path):
    rows = choose(("top_k", 20), add_field="score", order="rank").rows
    table = read_chosen(tmp_path / "out" / "subset.jsonl.zipsel" / "chosen.feather")
    assert [row["score_gain"] for row in rows] == table["gain"].to_pylist()
    assert [row["score"] for row in rows] == table["alignment"].to_pylist()
    assert min(table["gain"].to_pylist()) > 0

    top = choose(("top_k", 20), add_field="score", strategy="top").rows
    assert all("score_gain" not in row for row in top)


def test_the_report_shows_what_was_new(choose):
    report = choose(("top_k", 40)).report
    (curve,) = report.curves
    points = curve.series["gain"]
    assert len(points) == 40
    assert [y for _, y in points] == sorted(y for _, y in points)
    assert points[0][0] < curve.mark < points[-1][0]
    first, last = report.best[0], [one for one in report.borderline if one.chosen][-1]
    assert first.gain > last.gain > 0
    assert first.new.count("1") > last.new.count("1")
    assert len(first.new) == len(first.text)
    after = [one for one in report.borderline if not one.chosen]
    assert [one.rank for one in after] == [41, 42, 43, 44, 45]
    assert {one.gain for one in after} == {None}


def test_a_character_is_new_where_an_ngram_is():
    ngrams = TargetNgrams.fit(TextBatch.from_texts(["abcdefg", "stuvw"]), TextBatch.from_texts([]))
    numbers, _ = ngrams.in_texts(TextBatch.from_texts(["abcdefg"]))
    first_ranks = np.zeros(len(ngrams), np.int64)
    first_ranks[numbers] = [1, 2, 2]
    order = ngrams.at_every_byte(TextBatch.from_texts(["abcdefg"]))[:3]
    when = first_ranks[order].tolist()
    marked = new_characters(ngrams, ["-abcdefg-"] * 2 + ["stuvw"], [1, 2, 0], first_ranks)
    for rank, marks in zip((1, 2), marked, strict=False):
        starts = [i for i, one in enumerate(when, 1) if one == rank]
        expected = {c for start in starts for c in range(start, start + 5)}
        assert marks == "".join("1" if c in expected else "0" for c in range(9))
    assert marked[2] == "11111"


def offered(alignment, n_bytes, shares, parts):
    n = len(alignment)
    zeros, codes = np.zeros(n, np.int64), np.full(n, -1, np.int32)
    values, sizes = np.array(alignment, float), np.array(n_bytes)
    block = Candidates(codes + 1, np.arange(n), zeros, values, sizes, codes, codes)
    stream = OfferStream(iter([block]), np.array(shares), lambda b: np.array(parts)[b.row])
    return STAGE_ENDS[stream.until(int(STAGE_ENDS[-1])).stage]


def test_candidates_enter_by_the_bytes_before_them():
    size = int(CANDIDATE_FACTOR * FIRST_STAGE_BYTES)
    enters = offered([5, 4, 3, 2], [size // 2, size // 2, size, 10], [1.0], [0] * 4)
    assert enters.tolist() == [STAGE_ENDS[i] for i in (0, 0, 1, 3)]


def test_likely_copies_enter_later_and_do_not_count():
    size = int(CANDIDATE_FACTOR * FIRST_STAGE_BYTES)
    enters = offered([5, 5, 5, 4], [size - 1, size - 1, 7, 10], [1.0], [0] * 4)
    assert enters.tolist() == [STAGE_ENDS[i] for i in (0, 6, 0, 1)]


def test_parts_have_candidates_of_their_own():
    size = int(CANDIDATE_FACTOR * FIRST_STAGE_BYTES)
    enters = offered([9, 8, 7, 6], [size // 2] * 3 + [10], [0.5, 0.5], [0, 0, 0, 1])
    assert enters.tolist() == [STAGE_ENDS[i] for i in (0, 1, 3, 0)]


def test_a_rare_part_waits_for_the_ranking_to_be_read():
    size = int(CANDIDATE_FACTOR * FIRST_STAGE_BYTES)
    enters = offered([9, 8], [64 * size, 10], [0.5, 0.5], [0, 1])
    assert enters.tolist() == [STAGE_ENDS[0], STAGE_ENDS[5]]


def test_a_group_that_may_give_one_record_offers_four():
    size = int(CANDIDATE_FACTOR * FIRST_STAGE_BYTES)
    n_bytes = np.array([size // 8 + i for i in range(9)])
    group = np.array([0] * 8 + [1], np.int32)
    zeros, codes = np.zeros(9, np.int64), np.full(9, -1, np.int32)
    alignment = np.arange(9, 0, -1.0)
    block = Candidates(codes + 1, np.arange(9), zeros, alignment, n_bytes, group, codes)
    stream = OfferStream(iter([block]), np.ones(1), lambda b: codes + 1, max_per_group=1)
    first = stream.until(FIRST_STAGE_BYTES)
    assert first.candidates.row.tolist() == [0, 1, 2, 3, 8]
    rest = stream.until(int(STAGE_ENDS[-1]))
    assert rest.candidates.row.tolist() == [4, 5, 6, 7]
    assert STAGE_ENDS[rest.stage].tolist() == [STAGE_ENDS[6]] * 4
