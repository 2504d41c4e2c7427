"""DSIR's importance weights, with the features of the package `data-selection`.

DSIR (arXiv 2302.03169) hashes 1- and 2-grams of lower-cased words to 10,000 buckets and weighs a
text by Σ counts · (log p_target - log p_pool). The features of the pool do not depend on the
target, so they are counted once, by the package's own `get_ngram_counts`, and kept; weights then
are a product of sparse matrices. `compare_with_package` checks them against a run of the package.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

N_BUCKETS = 10_000
# The package's own: smoothing of both distributions, and the shortest text it selects, in tokens.
SMOOTHING = 1e-8
MIN_TOKENS = 100


def count_features(texts: Sequence[bytes]) -> scipy.sparse.csr_array:
    """Hashed n-gram counts, shape `(n_texts, N_BUCKETS)`."""
    from data_selection.hashed_ngram_dsir import get_ngram_counts

    rows = [
        scipy.sparse.csr_array(get_ngram_counts(text.decode(), num_buckets=N_BUCKETS)[None, :])
        for text in texts
    ]
    return scipy.sparse.csr_array(scipy.sparse.vstack(rows))


def load_features(texts: Sequence[bytes], path: Path) -> scipy.sparse.csr_array:
    """`count_features` of the pool, from `path` if it is there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        scipy.sparse.save_npz(path.with_suffix(".partial.npz"), count_features(texts))
        path.with_suffix(".partial.npz").rename(path)
    return scipy.sparse.csr_array(scipy.sparse.load_npz(path))


def compute_weights(
    pool: scipy.sparse.csr_array, target: scipy.sparse.csr_array
) -> NDArray[np.float64]:
    """Log importance weights, shape `(n_texts,)`, before DSIR's noise and length filter."""
    p_pool = pool.sum(axis=0) / pool.sum()
    p_target = target.sum(axis=0) / target.sum()
    weights = pool @ (np.log(p_target + SMOOTHING) - np.log(p_pool + SMOOTHING))
    return np.asarray(weights, dtype=np.float64)


def count_tokens(features: scipy.sparse.csr_array) -> NDArray[np.int64]:
    """Tokens of each text as the package counts them, from its 1- and 2-grams."""
    return np.asarray((features.sum(axis=1) + 1) // 2, dtype=np.int64)


def resample_scores(
    weights: NDArray[np.float64], n_tokens: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """Scores whose top k is what the package's `resample` draws: Gumbel noise, long texts only."""
    noise = np.random.default_rng(seed).gumbel(size=len(weights))
    return np.where(n_tokens >= MIN_TOKENS, weights + noise, -np.inf)


def compare_with_package(texts: Sequence[bytes], examples: Sequence[bytes]) -> dict[str, float]:
    """Largest difference between our weights and those of a run of `data-selection`."""
    from data_selection import HashedNgramDSIR

    with tempfile.TemporaryDirectory() as folder:
        paths = {"pool": texts, "target": examples}
        for name, lines in paths.items():
            encoded = (json.dumps({"text": text.decode()}) + "\n" for text in lines)
            Path(folder, f"{name}.jsonl").write_text("".join(encoded))
        package = HashedNgramDSIR(
            [f"{folder}/pool.jsonl"], [f"{folder}/target.jsonl"], f"{folder}/cache", num_proc=1
        )
        package.fit_importance_estimator()
        package.compute_importance_weights()
        theirs = np.load(f"{folder}/cache/log_importance_weights/0.npy")
        their_tokens = np.load(f"{folder}/cache/perexample_metadata/0.npy")
    features = count_features(texts)
    ours = compute_weights(features, count_features(examples))
    return {
        "n_texts": len(texts),
        "n_examples": len(examples),
        "largest_difference": float(np.abs(theirs - ours).max()),
        "largest_token_difference": float(np.abs(their_tokens - count_tokens(features)).max()),
    }
