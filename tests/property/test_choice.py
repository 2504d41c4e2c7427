"""The choice is that of a plain sort: total order, exact budgets, any block size."""

import random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zipsel.pool.shards import Shard
from zipsel.readers.rows import Reason, RowBatch
from zipsel.scoring.histogram import Histogram, bin_floor, bins_of
from zipsel.scoring.sidecar import part_path, place_parts
from zipsel.scoring.sidecar_writer import PartBuilder
from zipsel.selection.budgets import Budget, Meter
from zipsel.selection.candidates import Candidates
from zipsel.selection.ranking import Ranking, RecordReader
from zipsel.texts import TextBatch

alignments = st.one_of(
    st.floats(-10, 10),
    st.sampled_from([0.0, -0.0, 1.0, 1.0, 0.5, np.nextafter(0.5, 1), -1e-300, 1e-300, 3e38]),
)


@given(st.lists(alignments, min_size=1, max_size=40))
def test_bins_never_contradict_the_order(values):
    ordered = np.sort(np.array(values))
    bins = bins_of(ordered).astype(int)

    assert (np.diff(bins) >= 0).all()
    assert len(set(bins_of(np.array([0.0, -0.0])).tolist())) == 1
    inside = np.abs(ordered) > 1e-30
    floors = bin_floor(bins)[inside]
    np.testing.assert_allclose(floors, ordered[inside], rtol=0.01)


def write_parts(folder, shards):
    """Sidecar parts of shards, each a list of parts, each a list of alignments (None: refused)."""
    parts = []
    for index, chunks in enumerate(shards):
        shard = Shard(index, f"shard-{index}", "jsonl", "", 0, f"{index:032x}")
        summaries = []
        for i, values in enumerate(chunks):
            accepted = [k for k, value in enumerate(values) if value is not None]
            rows = RowBatch(
                offsets=np.arange(len(values)) * 10,
                texts=TextBatch.from_encoded([b"x" * (1 + k % 7) for k in accepted]),
                accepted=np.array(accepted, np.int64),
                rejects={
                    k: (Reason.NULL, b"{}") for k, value in enumerate(values) if value is None
                },
                groups=[f"group {k % 3}" if k % 4 else None for k in accepted],
            )
            builder = PartBuilder({"alignment": "float64"})
            scores = np.array([values[k] for k in accepted], np.float64)
            builder.add(rows, {"alignment": scores})
            path = part_path(str(folder), shard, i)
            summaries.append(builder.write(path, i, final=i == len(chunks) - 1))
        parts += place_parts(shard, str(folder), summaries)
    return parts


shard_values = st.lists(
    st.lists(st.lists(st.none() | alignments, max_size=8), max_size=3), max_size=3
)


@given(shards=shard_values, first=st.integers(1, 20))
@example(shards=[[[None, -0.0], [0.0]], [[0.0, 1.0]]], first=1)
@example(shards=[[[], [1.0]], [[]]], first=1)
def test_ranking_is_a_plain_sort(tmp_path_factory, shards, first):
    parts = write_parts(tmp_path_factory.mktemp("parts"), shards)
    ranking = Ranking(parts, RecordReader(grouped=True))
    counted = Histogram()
    for part in parts:
        counted.add_packed(part.summary.histogram)
    unread = Ranking(parts, RecordReader(), counted=counted)
    np.testing.assert_array_equal(unread.n_records, ranking.n_records)
    np.testing.assert_array_equal(unread.n_bytes, ranking.n_bytes)
    blocks = list(ranking.iter_blocks(first))

    found = Candidates.concatenate(blocks)
    rows = [
        (-value, index, row)
        for index, chunks in enumerate(shards)
        for row, value in enumerate(v for chunk in chunks for v in chunk)
        if value is not None
    ]
    expected = sorted(rows)
    assert [(s, r) for s, r in zip(found.shard, found.row, strict=True)] == [
        (s, r) for _, s, r in expected
    ]
    assert [-a for a in found.alignment.tolist()] == [a for a, _, _ in expected]
    assert ranking.total_records == len(expected)
    assert not blocks or len(blocks[0]) >= min(first, len(expected))
    names = [ranking.group_names[code] if code >= 0 else None for code in found.group.tolist()]
    in_chunk = {
        (index, sum(map(len, chunks[:c])) + k): f"group {k % 3}" if k % 4 else None
        for index, chunks in enumerate(shards)
        for c, chunk in enumerate(chunks)
        for k in range(len(chunk))
    }
    assert names == [in_chunk[s, r] for _, s, r in expected]


budgets = st.one_of(
    st.builds(Budget, st.just("top_k"), st.integers(1, 30)),
    st.builds(Budget, st.just("fraction"), st.floats(0.01, 1)),
    st.builds(Budget, st.just("max_bytes"), st.integers(1, 500)),
    st.builds(Budget, st.just("max_tokens"), st.integers(1, 200)),
    st.builds(Budget, st.just("min_alignment"), st.floats(-1, 21)),
)


def used(budget, records, taken, tokens):
    return {
        "top_k": len(taken),
        "fraction": len(taken) / max(1, len(records)),
        "max_bytes": sum(records[i] for i in taken),
        "max_tokens": sum(records[i] / 4 if tokens[i] < 0 else tokens[i] for i in taken),
    }[budget.kind]


def take(budget, n_bytes, tokens, alignments):
    meter = Meter(budget, len(n_bytes))
    return [
        i
        for i, record in enumerate(zip(alignments, n_bytes, tokens, strict=True))
        if meter.admit(*record)
    ]


@given(budget=budgets, records=st.lists(st.tuples(st.integers(1, 90), st.integers(-1, 40))))
def test_budgets_are_never_exceeded(budget, records):
    n_bytes, tokens = [size for size, _ in records], [n for _, n in records]
    order = [20 - 0.5 * i for i in range(len(records))]
    taken = take(budget, n_bytes, tokens, order)

    if budget.kind == "min_alignment":
        assert taken == [i for i, value in enumerate(order) if value >= budget.value]
    else:
        assert used(budget, n_bytes, taken, tokens) <= budget.value


@given(
    kind=st.sampled_from(["top_k", "max_bytes", "max_tokens"]),
    values=st.tuples(st.integers(90, 400), st.integers(90, 400)),
    n_bytes=st.lists(st.integers(1, 90), max_size=40),
)
def test_a_larger_budget_contains_a_smaller_ones_choice(kind, values, n_bytes):
    rest = [-1] * len(n_bytes), [1.0] * len(n_bytes)
    small, large = (take(Budget(kind, value), n_bytes, *rest) for value in sorted(values))
    assert large[: len(small)] == small


def test_a_record_over_the_whole_budget_does_not_empty_the_subset():
    sizes = [1000, 30, 30, 30]
    assert take(Budget("max_bytes", 70), sizes, [-1] * 4, [4, 3, 2, 1]) == [1, 2]


def test_a_text_of_no_tokens_costs_none():
    assert take(Budget("max_tokens", 1), [8, 8, 8], [0, 1, 1], [3, 2, 1]) == [0, 1]


@pytest.mark.parametrize(
    ("share", "n_pool", "expected"), [(0.29, 100, 29), (0.1, 30, 3), (1, 7, 7), (0.5, 3, 1)]
)
def test_a_fraction_means_the_decimal_that_was_written(share, n_pool, expected):
    assert Meter(Budget("fraction", share), n_pool).limit == expected


def test_a_priority_reorders_but_keeps_the_alignment(tmp_path):
    values = [random.Random(0).random() for _ in range(20)]
    parts = write_parts(tmp_path, [[values]])
    ranking = Ranking(parts, RecordReader(), priority=lambda alignment, shard, row: -alignment)

    assert next(iter(ranking.iter_blocks(100))).alignment.tolist() == sorted(values)
