"""DSIR weights against a plain oracle, against the package, and under every cut and cache."""

from __future__ import annotations

import argparse
import collections
import hashlib
import inspect
import itertools
import json
import math
import pickle
import pydoc_data.topics
import re
import subprocess
import tempfile
import threading
import unittest.mock
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import fit

from zipsel.errors import UsageError
from zipsel.scorers import word_ngrams
from zipsel.scorers.dsir import DsirScorer
from zipsel.texts import TextBatch

MODULES = (argparse, collections, inspect, pickle, subprocess, tempfile, threading, unittest.mock)
TOPICS = [text for _, text in sorted(pydoc_data.topics.topics.items())]
DOCSTRINGS = [
    text
    for module in MODULES
    for _, member in inspect.getmembers(module, callable)
    if (text := inspect.getdoc(member))
]
REAL_TEXTS = [*DOCSTRINGS, *TOPICS]

ODD_TEXTS = [
    "",
    " \n\t",
    "one",
    "A b\n\nA  b",
    "snake_case(x)!=3.14;  # ok",
    "seven77 eight888 fifteen15151515 sixteen161616161",
    "x" * 49 + " " + "y" * 50 + " " + "y" * 50 + " " + "z" * 1000,
    "\0\0 \0 .\0",
    "\x1ca\x1fb\x85c\u2028d\u3000e",
    "İSTANBUL KELVIN: \u212a, ẞ, ΟΔΟΣ ΟΔΟΣ.",
    "e\u0301 x² ½ हिन्दी 漢字仮名 \U0001f600\U0001f600 \U0001d400",
]
TARGET, POOL = DOCSTRINGS[:40], [*REAL_TEXTS[40:], *ODD_TEXTS]

#: The reference selects no text with fewer tokens.
REFERENCE_MIN_TOKENS = 100


def oracle_counts(text: str) -> Counter[int]:
    """N-grams of a text by bucket."""
    tokens = re.findall(r"\w+|[^\w\s]+", text.lower())
    ngrams = tokens + [f"{a} {b}" for a, b in itertools.pairwise(tokens)]
    digests = (hashlib.sha256(ngram.encode()).hexdigest() for ngram in ngrams)
    return Counter(int(digest, 16) % 10_000 for digest in digests)


def oracle_weights(target: list[str], pool: list[str], texts: list[str]) -> list[float]:
    """Log importance weights, exactly rounded sums."""
    counts = [sum(map(oracle_counts, side), Counter()) for side in (target, pool)]
    totals = [side.total() for side in counts]

    def log_ratio(bucket: int) -> float:
        p_target, p_pool = (side[bucket] / n for side, n in zip(counts, totals, strict=True))
        return math.log(p_target + 1e-8) - math.log(p_pool + 1e-8)

    return [
        math.fsum(n * log_ratio(bucket) for bucket, n in oracle_counts(text).items())
        for text in texts
    ]


@pytest.fixture(scope="module")
def scorer() -> DsirScorer:
    """A scorer of docstrings against docstrings, language topics and odd texts."""
    return fit("dsir", TARGET, POOL)


@pytest.fixture
def tiny_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches that evict, number tables that run out, steps and blocks of a few tokens."""
    monkeypatch.setattr(word_ngrams, "_TOKEN_SETS_LOG2", 4)
    monkeypatch.setattr(word_ngrams, "_BIGRAM_SETS_LOG2", 4)
    monkeypatch.setattr(word_ngrams, "_ISSUE_LIMIT", 200)
    monkeypatch.setattr(word_ngrams, "_STEP_TOKENS", 7)
    monkeypatch.setattr(word_ngrams, "_BLOCK_BYTES", 300)
    monkeypatch.setattr(word_ngrams, "_HASHER", word_ngrams._Hasher())


def assert_same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    """Equal to the last bit."""
    assert left.keys() == right.keys()
    for key in left:
        assert left[key].dtype == right[key].dtype
        assert np.array_equal(left[key], right[key]), key


def test_weights_equal_the_oracle(scorer: DsirScorer) -> None:
    """To rounding, on real and on odd texts."""
    texts = [*ODD_TEXTS, *REAL_TEXTS[::5]]
    scores = scorer.score(TextBatch.from_texts(texts))
    expected = oracle_weights(TARGET, POOL, texts)
    np.testing.assert_allclose(scores["log_weight"], expected, rtol=1e-12, atol=1e-10)
    assert np.array_equal(scores["alignment"], scores["log_weight"])


def test_types_and_token_counts(scorer: DsirScorer) -> None:
    """Short texts stay, one without tokens weighs nothing."""
    scores = scorer.score(TextBatch.from_texts(ODD_TEXTS))
    assert {key: str(values.dtype) for key, values in scores.items()} == {
        "alignment": "float64",
        "log_weight": "float64",
        "n_tokens": "int32",
    }
    n_tokens = [len(re.findall(r"\w+|[^\w\s]+", text.lower())) for text in ODD_TEXTS]
    assert scores["n_tokens"].tolist() == n_tokens
    assert scores["log_weight"][:2].tolist() == [0.0, 0.0]
    assert REFERENCE_MIN_TOKENS > scores["n_tokens"].min()


def test_per_token_divides_by_unigrams() -> None:
    """Bigrams are in the weight, not in the divisor."""
    target, pool = TextBatch.from_texts(TARGET), TextBatch.from_texts(POOL)
    scores = fit("dsir", target, pool, per_token=True).score(pool)
    whole = fit("dsir", target, pool).score(pool)
    assert np.array_equal(scores["log_weight"], whole["log_weight"])
    assert np.array_equal(
        scores["alignment"], whole["log_weight"] / np.maximum(whole["n_tokens"], 1)
    )


def test_empty_batch(scorer: DsirScorer) -> None:
    """No texts, no scores."""
    scores = scorer.score(TextBatch.from_texts([]))
    assert [len(values) for values in scores.values()] == [0, 0, 0]


@pytest.mark.parametrize(("target", "pool"), [([" "], ["x"]), (["x"], []), (["x"], ["", "\n"])])
def test_fit_refuses_texts_without_tokens(target: list[str], pool: list[str]) -> None:
    """The message names the side."""
    role = "pool sample" if target == ["x"] else "target"
    with pytest.raises(UsageError, match=f"the {role} has no token"):
        fit("dsir", target, pool)


def test_state_and_pickle_restore_the_scorer(scorer: DsirScorer) -> None:
    """A worker's scorer gives the same bits."""
    batch = TextBatch.from_texts(POOL)
    for per_token in (False, True):
        original = DsirScorer(scorer.log_ratio, per_token)
        for copy in (
            DsirScorer.from_state(original.state()),
            pickle.loads(pickle.dumps(original)),
        ):
            assert_same(copy.score(batch), original.score(batch))


def test_numbers_of_tokens_begin_again_before_they_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number has 25 bits; no text's weight depends on how many were issued before it."""
    hasher = word_ngrams._Hasher()
    hasher._n_issued = (1 << 25) - 3
    monkeypatch.setattr(word_ngrams, "_HASHER", hasher)
    scorer = fit("dsir", REAL_TEXTS[:40], REAL_TEXTS[:80])
    weights = scorer.score(TextBatch.from_texts(REAL_TEXTS[:20]))["log_weight"]
    expected = oracle_weights(REAL_TEXTS[:40], REAL_TEXTS[:80], REAL_TEXTS[:20])
    np.testing.assert_allclose(weights, expected, rtol=1e-12, atol=1e-10)


@pytest.mark.usefixtures("tiny_caches")
def test_evictions_change_nothing() -> None:
    """Caches of 32 entries, emptied again and again, against the oracle."""
    texts = [*REAL_TEXTS[::25], *ODD_TEXTS]
    scorer = fit("dsir", texts[::2], texts)
    weights = scorer.score(TextBatch.from_texts(texts))["log_weight"]
    expected = oracle_weights(texts[::2], texts, texts)
    np.testing.assert_allclose(weights, expected, rtol=1e-12, atol=1e-10)


def test_an_interrupted_batch_leaves_the_caches_right(
    scorer: DsirScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was half done when an error struck is not taken for done."""
    monkeypatch.setattr(word_ngrams, "_HASHER", word_ngrams._Hasher())
    batch = TextBatch.from_texts(REAL_TEXTS)
    expected = scorer.score(batch)
    monkeypatch.setattr(word_ngrams, "_HASHER", word_ngrams._Hasher())
    for n_digests in (0, 100, 1_000, 10_000):
        digests = [hashlib.sha256] * n_digests
        with (
            unittest.mock.patch.object(
                word_ngrams, "sha256", lambda ngram, left=digests: left.pop()(ngram)
            ),
            pytest.raises(IndexError),
        ):
            scorer.score(batch)
    assert_same(scorer.score(batch), expected)


def test_threads_do_not_share_caches(scorer: DsirScorer) -> None:
    """Scores of four threads are those of one."""
    batches = [TextBatch.from_texts(REAL_TEXTS[i::4]) for i in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for batch, scores in zip(batches, threads.map(scorer.score, batches), strict=True):
            assert_same(scores, scorer.score(batch))


WORDS = ["a", "the", "Ünï", "σΣ", "_x", "1½", "longerthanseven", "w" * 60, "()", "-", "e\u0301"]
TEXTS = st.lists(
    st.one_of(
        st.lists(st.sampled_from([*WORDS, " ", "\n"]), max_size=40).map("".join),
        st.text(max_size=30),
        st.sampled_from(REAL_TEXTS[:100]),
    ),
    max_size=12,
)


@pytest.mark.usefixtures("tiny_caches")
def test_any_split_of_a_batch_scores_the_same(scorer: DsirScorer) -> None:
    """Concatenated scores of the parts are the scores of the whole."""

    # The fixture holds for the whole test, so the property is a function inside of it.
    @settings(derandomize=True, deadline=None, max_examples=150)
    @given(TEXTS, st.lists(st.integers(0, 12), max_size=4))
    def check(texts: list[str], cuts: list[int]) -> None:
        bounds = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
        parts = [
            scorer.score(TextBatch.from_texts(texts[start:stop]))
            for start, stop in itertools.pairwise(bounds)
        ]
        whole = scorer.score(TextBatch.from_texts(texts))
        assert_same(whole, {key: np.concatenate([part[key] for part in parts]) for key in whole})

    check()


def test_equals_the_package(tmp_path: Path) -> None:
    """The package's own run: model to the bit, weights to rounding, lengths."""
    reference = pytest.importorskip(
        "data_selection", reason="PyPI data-selection, the reference DSIR, is not installed"
    )
    paths = {}
    for name, texts in (("target", TARGET), ("pool", REAL_TEXTS)):
        paths[name] = tmp_path / f"{name}.jsonl"
        lines = (json.dumps({"text": text}) + "\n" for text in texts)
        paths[name].write_text("".join(lines), encoding="utf-8")
    dsir = reference.HashedNgramDSIR(
        [str(paths["pool"])], [str(paths["target"])], str(tmp_path / "cache"), num_proc=1
    )
    dsir.fit_importance_estimator(num_tokens_to_fit="all")
    dsir.compute_importance_weights()

    pool = TextBatch.from_texts(REAL_TEXTS)
    ours = fit("dsir", TARGET, pool)
    scores = ours.score(pool)
    weights = np.load(dsir.log_importance_weights_dir / "0.npy")
    lengths = np.load(dsir.perexample_metadata_dir / "0.npy")
    assert np.array_equal(ours.log_ratio, dsir.log_diff)
    np.testing.assert_allclose(scores["log_weight"], weights, rtol=1e-12, atol=1e-10)
    assert np.array_equal(scores["n_tokens"], lengths)
    assert np.array_equal(
        scores["n_tokens"] >= REFERENCE_MIN_TOKENS, dsir.perexample_metadata_filter(lengths)
    )
