"""Strategies as their sources define them, on pools small enough to know the answer."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipsel.scoring.histogram import N_BINS, bins_of
from zipsel.selection.budgets import Budget
from zipsel.selection.sample import gumbel_priority, uniform_noise
from zipsel.selection.stratified import N_STRATA, cut_strata, share_evenly, strata_priority


def ccs_budgets(sizes, budget):
    """Zheng et al. 2023, algorithm 1: strata from the smallest, each with an even part of the rest.

    Returns:
        Stratum → records.
    """
    parts, left = {}, sorted(range(len(sizes)), key=lambda i: sizes[i])
    while left:
        smallest = left[0]
        parts[smallest] = min(sizes[smallest], budget // len(left))
        budget -= parts[smallest]
        left.pop(0)
    return parts


@given(sizes=st.lists(st.integers(0, 50), min_size=1, max_size=60), budget=st.integers(0, 900))
def test_budgets_of_strata_are_those_of_ccs(sizes, budget):
    parts = share_evenly(np.array(sizes, float), budget)
    assert dict(enumerate(parts.tolist())) == ccs_budgets(sizes, budget)
    assert parts.sum() == min(budget, sum(sizes))


class FakeRanking:
    """The counts of a ranking."""

    def __init__(self, alignments, n_bytes):
        bins = bins_of(np.array(alignments, float))
        self.n_records = np.bincount(bins, minlength=N_BINS)
        self.n_bytes = np.bincount(bins, n_bytes, minlength=N_BINS).astype(np.int64)


alignments = st.lists(st.floats(-4, 9, allow_subnormal=False), min_size=1, max_size=150)


@given(values=alignments, budget=st.integers(1, 200), cutoff=st.sampled_from([0, 0.1, 0.5, 0.9]))
def test_strata_hold_what_they_are_thought_to_hold(values, budget, cutoff):
    ranking = FakeRanking(values, [10] * len(values))
    strata = cut_strata(ranking, Budget("top_k", budget), budget, cutoff)
    which = strata.which(np.array(values))
    sizes = np.bincount(which[which >= 0], minlength=len(strata.first_bins))
    n_kept = int(sizes.sum())

    assert len(strata.first_bins) <= N_STRATA
    assert n_kept >= (1 - cutoff) * len(values)
    assert (strata.limits <= sizes).all()
    assert strata.limits.sum() == min(budget, n_kept)
    if budget >= N_STRATA:
        assert (strata.limits[sizes > 0] > 0).all()
    dropped, kept = np.array(values)[which < 0], np.array(values)[which >= 0]
    assert len(dropped) == 0 or dropped.max() < kept.min()


def test_the_cutoff_drops_its_share_and_no_record_more():
    values = [1.0, 2.0, 4.0, 8.0]
    for cutoff, n_dropped in ((0, 0), (0.25, 1), (0.5, 2), (0.6, 2), (0.75, 3)):
        strata = cut_strata(FakeRanking(values, [9] * 4), Budget("top_k", 4), 4, cutoff)
        assert (strata.which(np.array(values)) < 0).sum() == n_dropped


@pytest.mark.parametrize(
    ("kind", "limit", "expected"),
    [("top_k", 10, 4), ("max_bytes", 1000, 160), ("max_tokens", 1000, 40), ("max_tokens", 20, 20)],
)
def test_strata_are_as_large_as_their_records_in_the_budgets_unit(kind, limit, expected):
    ranking = FakeRanking([1.0, 2.0, 4.0, 8.0], [40] * 4)
    assert cut_strata(ranking, Budget(kind, limit), limit, 0).limits.sum() == expected


def test_strata_order_offers_nothing_below_the_cutoff():
    values = np.array([0.1, 0.5, 0.9])
    offered = strata_priority(0, int(bins_of(values)[1]))(values, 0, np.arange(3))
    assert np.isnan(offered).tolist() == [True, False, False]


def probability_of(chosen, weights):
    """Of drawing these in this order without replacement, in proportion to the weights."""
    probability, left = 1.0, sum(weights)
    for i in chosen:
        probability *= weights[i] / left
        left -= weights[i]
    return probability


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_sample_draws_without_replacement_in_proportion(temperature):
    """Two of five, 8,000 seeds, against the probability of each pair; chi-squared, 9 degrees."""
    values, rows, n_seeds = np.array([0.0, 0.5, 1.0, 1.0, 2.0]), np.arange(5), 8000
    weights = np.exp(values / temperature).tolist()
    drawn = Counter()
    for seed in range(n_seeds):
        priority = gumbel_priority(seed, temperature)(values, 0, rows)
        drawn[frozenset(np.argsort(-priority)[:2].tolist())] += 1
    expected = {
        frozenset(pair): n_seeds
        * sum(probability_of(order, weights) for order in itertools.permutations(pair))
        for pair in itertools.combinations(range(5), 2)
    }
    assert math.isclose(sum(expected.values()), n_seeds)
    distance = sum((drawn[pair] - n) ** 2 / n for pair, n in expected.items())
    assert distance < 27.9  # the 99.9 % quantile


def test_noise_depends_on_seed_shard_and_row_alone():
    rows = np.arange(5000)
    noise = uniform_noise(7, 3, rows)

    assert (noise > 0).all()
    assert (noise < 1).all()
    assert abs(noise.mean() - 0.5) < 0.02
    assert (uniform_noise(7, 3, rows[100:200]) == noise[100:200]).all()
    for other in (uniform_noise(8, 3, rows), uniform_noise(7, 4, rows)):
        assert abs(np.corrcoef(noise, other)[0, 1]) < 0.05
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.05
