"""The drift of a pool is measured by the target's n-grams, in standard deviations of the scores."""

import math

import numpy as np
import pytest
from made_up import make_records, to_batch

from zipsel.commands.kept_profile import DRIFT_LIMIT, measure_drift
from zipsel.scorers.target_ngrams import TargetNgrams


def texts(kind=None, **options):
    records = make_records(600, **options)
    return to_batch([one["text"] for one in records if kind in (None, one["kind"])])


@pytest.fixture(scope="module")
def fitted():
    return TargetNgrams.fit(texts("code", seed=1), texts(seed=0))


def test_the_sample_of_the_profile_has_not_drifted(fitted):
    assert measure_drift(fitted, texts(seed=0)) == 0


def test_other_records_of_the_same_kinds_stay_under_the_limit(fitted):
    assert 0 < measure_drift(fitted, texts(seed=5)) < DRIFT_LIMIT


def test_a_pool_of_the_targets_kind_alone_is_over_the_limit(fitted):
    assert measure_drift(fitted, texts("code", seed=5)) > DRIFT_LIMIT


def test_a_pool_without_texts_has_not_drifted(fitted):
    assert measure_drift(fitted, to_batch([])) == 0


def test_a_score_is_the_log_ratio_of_each_ngram_summed_up_a_byte():
    """Two examples of 6 bytes hold two n-grams each, of which they share none but the first."""
    fitted = TargetNgrams.fit(to_batch(["abcdef", "abcdeg"]), to_batch(["abcde", "zzzzzzz"]))
    n_buckets, mu = 2**fitted.parameters.table_bits, fitted.parameters.mu
    n_smoothed = 4 + n_buckets / 2
    common = math.log2(1 + 2 / (mu * 4 * 1.5 / n_smoothed))
    rare = math.log2(1 + 1 / (mu * 4 * 0.5 / n_smoothed))
    found = fitted.score(to_batch(["abcdef", "xxabcde", "unknown", ""]))
    np.testing.assert_allclose(found, [(common + rare) / 6, common / 7, 0, 0])
