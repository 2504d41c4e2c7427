"""How far two rankings agree, from the places of the records that both have.

Overlap at depth k compares the first k of each. Jaccard at k is common over either; RBO
(rank-biased overlap, Webber et al. 2010, the extrapolated form) averages the common share over
all depths with weights p^k, so that the top counts most: at p = 0.98, the first 50 have 86 % of
the weight.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RBO_P = 0.98


def common_at_depth(pairs: NDArray[np.int64], depth: int) -> NDArray[np.int64]:
    """How many records the first k of both have in common, for k = 1 to ``depth``.

    Args:
        pairs: Places from 0 of each common record in both rankings, ``(n_common, 2)``.
        depth: The last k.
    """
    counts = np.bincount(pairs.max(axis=1, initial=0), minlength=depth) if len(pairs) else None
    return np.zeros(depth, np.int64) if counts is None else np.cumsum(counts)[:depth]


def jaccard_at_depth(common: NDArray[np.int64], n_a: int, n_b: int) -> NDArray[np.float64]:
    """Jaccard's index of the first k of both, for every k."""
    k = np.arange(1, len(common) + 1)
    either = np.minimum(k, n_a) + np.minimum(k, n_b) - common
    return common / np.maximum(1, either)


def rank_biased_overlap(common: NDArray[np.int64], n_a: int, n_b: int, p: float = RBO_P) -> float:
    """RBO of two rankings of perhaps different length; Webber et al. 2010, equation 32.

    1 for equal rankings, 0 for disjoint ones.
    """
    short, long = sorted((n_a, n_b))
    if short == 0:
        return float(n_a == n_b)
    k = np.arange(1, long + 1, dtype=np.float64)
    weights = p**k
    agreed = float((common / k * weights).sum())
    x_short, x_long = float(common[short - 1]), float(common[long - 1])
    beyond = k > short
    agreed += float((x_short * (k - short) / (short * k) * weights)[beyond].sum())
    tail = ((x_long - x_short) / long + x_short / short) * p**long
    return (1 - p) / p * agreed + tail


def spearman(pairs: NDArray[np.int64]) -> float | None:
    """Rank correlation of the common records, each run's ranks counted among them alone."""
    if len(pairs) < 2:
        return None
    ranks = pairs.argsort(axis=0).argsort(axis=0).astype(np.float64)
    n = len(pairs)
    return float(1 - 6 * ((ranks[:, 0] - ranks[:, 1]) ** 2).sum() / (n * (n * n - 1.0)))
