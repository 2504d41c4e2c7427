"""Every scorer against its formula in plain Python, on real texts."""

import math

import numpy as np
import pytest
from golden.oracles import (
    conditional_sizes,
    gzip_size,
    ncd_alignment,
    ngram_alignments,
    standardize,
)
from made_up import fit

from zipsel.scorers import SCORERS
from zipsel.scorers.ngram import NgramParameters, NgramScorer
from zipsel.texts import TextBatch


@pytest.fixture(scope="module")
def pool_batch(real_pool):
    return TextBatch.from_encoded(real_pool)


@pytest.fixture(scope="module")
def target_batch(real_target):
    return TextBatch.from_encoded(real_target)


@pytest.mark.parametrize("level", [1, 6, 9])
def test_ncd_is_the_formula_to_the_last_bit(
    real_pool, real_target, pool_batch, target_batch, level
):
    found = fit("ncd", target_batch, level=level).score(pool_batch)
    size = gzip_size(level)

    assert found["c_x"].tolist() == [size(x) for x in real_pool]
    assert found["alignment"].tolist() == [ncd_alignment(x, real_target, size) for x in real_pool]


@pytest.mark.parametrize("level", [1, 3, 9])
def test_conditional_is_one_minus_the_ratio_of_sizes(
    real_pool, real_target, pool_batch, target_batch, level
):
    found = fit("conditional", target_batch, level=level).score(pool_batch)
    sizes = [conditional_sizes(x, b"\n".join(real_target), level) for x in real_pool]

    assert list(zip(found["c_x"].tolist(), found["c_x_given_t"].tolist(), strict=True)) == sizes
    assert found["alignment"].tolist() == [1 - given / alone for alone, given in sizes]


@pytest.mark.parametrize(
    "parameters", [NgramParameters(), NgramParameters(n=4, table_bits=12, mu=10.0)]
)
def test_ngram_is_the_sum_of_log_ratios(
    real_pool, real_target, pool_batch, target_batch, parameters
):
    found = NgramScorer.compare(target_batch, pool_batch, parameters).score(pool_batch)["alignment"]
    expected = ngram_alignments(
        real_pool, real_target, real_pool, parameters.n, parameters.table_bits, parameters.mu
    )

    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_fused_is_the_mean_of_both_standardized_on_the_sample(
    real_pool, real_target, pool_batch, target_batch
):
    found = fit("fused", target_batch, pool_batch).score(pool_batch)
    sizes = [conditional_sizes(x, b"\n".join(real_target), 3) for x in real_pool]
    conditional = [1 - given / alone for alone, given in sizes]
    ngram = ngram_alignments(real_pool, real_target, real_pool)

    assert found["conditional"].tolist() == conditional
    np.testing.assert_allclose(found["ngram"], ngram, rtol=0, atol=1e-9)
    expected = [
        0.5 * (a + b)
        for a, b in zip(
            standardize(conditional, conditional), standardize(ngram, ngram), strict=True
        )
    ]
    np.testing.assert_allclose(found["alignment"], expected, rtol=0, atol=1e-6)


def test_a_target_function_outranks_prose(real_pool, real_target, target_batch):
    """What the scores are for: the nearest text is the target's own."""
    batch = TextBatch.from_encoded([*real_pool, real_target[0]])
    for name in SCORERS:
        alignment = fit(name, target_batch, real_pool).score(batch)["alignment"]
        assert int(np.argmax(alignment)) == len(real_pool), name
        assert all(map(math.isfinite, alignment)), name
