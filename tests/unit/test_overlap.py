"""Agreement of rankings: known values and limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipsel.report.overlap import common_at_depth, jaccard_at_depth, rank_biased_overlap, spearman

rankings = st.integers(1, 30).flatmap(lambda n: st.permutations(range(n)))


def pairs_of(a, b):
    places = {key: i for i, key in enumerate(b)}
    return np.array([(i, places[key]) for i, key in enumerate(a) if key in places], int).reshape(
        -1, 2
    )


def rbo(a, b, p):
    common = common_at_depth(pairs_of(a, b), max(len(a), len(b)))
    return rank_biased_overlap(common, len(a), len(b), p)


@given(rankings, rankings)
def test_counts_and_jaccard_are_those_of_sets(a, b):
    common = common_at_depth(pairs_of(a, b), max(len(a), len(b)))
    jaccard = jaccard_at_depth(common, len(a), len(b))
    for k in range(1, len(common) + 1):
        first, second = set(a[:k]), set(b[:k])
        assert common[k - 1] == len(first & second)
        assert jaccard[k - 1] == pytest.approx(len(first & second) / len(first | second))


@given(rankings, rankings)
def test_rbo_is_symmetric_and_between_0_and_1(a, b):
    assert rbo(a, b, 0.9) == pytest.approx(rbo(b, a, 0.9))
    assert -1e-9 <= rbo(a, b, 0.9) <= 1 + 1e-9


@given(rankings)
def test_equal_rankings_agree_wholly(a):
    assert rbo(a, a, 0.98) == pytest.approx(1)


def test_disjoint_rankings_do_not_agree():
    assert rbo([1, 2, 3], [4, 5], 0.98) == 0
    assert spearman(pairs_of([1, 2], [3, 4])) is None


def test_rbo_follows_the_formula_for_rankings_of_equal_length():
    # Webber et al. 2010, equation 30: RBO_ext = A_n p^n + (1 - p)/p * sum of A_k p^k.
    a, b, p = "abcde", "bacfg", 0.8
    agreement = [len(set(a[:k]) & set(b[:k])) / k for k in range(1, 6)]
    expected = agreement[-1] * p**5 + (1 - p) / p * sum(
        share * p**k for k, share in enumerate(agreement, 1)
    )
    assert rbo(a, b, p) == pytest.approx(expected)


def test_agreement_at_the_top_counts_most():
    a = list(range(100))
    top_differs = [100, 101, *a[2:]]
    end_differs = [*a[:98], 100, 101]
    assert rbo(a, end_differs, 0.9) > rbo(a, top_differs, 0.9)


def test_spearman_of_reversed_rankings_is_minus_one():
    assert spearman(pairs_of("abcd", "dcba")) == -1
    assert spearman(pairs_of("abcd", "abxcd")) == 1
