"""Facets of a target: its examples grouped by compression distance.

The distance of two examples is the mean of C(x | y) / C(x) and C(y | x) / C(y), with zstd and y as
the dictionary. Groups are k-medoids (Kaufman & Rousseeuw 1987). The first medoid is the most
central example, each further one the example farthest from all medoids, so nothing is random.
``auto`` takes the number of groups with the best mean silhouette, or one group if every silhouette
is too low.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zipsel.scorers.conditional import ConditionalScorer
from zipsel.texts import TextBatch

#: Examples that are compared with each other; further ones join the closest medoid.
_MAX_COMPARED = 256
_MAX_AUTO_FACETS = 8
#: A target whose groups have a lower mean silhouette is one group: eight single benchmarks measure
#: at most 0.035, five unions of two or three of them 0.031 to 0.093.
_LEAST_SILHOUETTE = 0.036
_MAX_ROUNDS = 50


def split_target(target: TextBatch, n_facets: int | None) -> list[NDArray[np.int64]]:
    """Group examples.

    Args:
        target: The examples.
        n_facets: How many groups; None to find out.

    Returns:
        Positions of each group's examples, the largest group first; none is empty.
    """
    spread = np.unique(np.linspace(0, len(target) - 1, min(len(target), _MAX_COMPARED), dtype=int))
    distances = _distances(target, spread)
    if n_facets is None:
        tries = [_k_medoids(distances, k) for k in range(2, min(_MAX_AUTO_FACETS, len(spread)) + 1)]
        scored = [(_silhouette(distances, labels), -len(medoids), medoids)
                  for medoids, labels in tries]  # fmt: skip
        best = max(scored, key=lambda one: one[:2], default=(0.0, 0, np.zeros(1, np.int64)))
        medoids = best[2] if best[0] >= _LEAST_SILHOUETTE else np.zeros(1, np.int64)
    else:
        medoids, _ = _k_medoids(distances, min(n_facets, len(spread)))
    labels = _nearest(target, spread[medoids])
    groups = [np.flatnonzero(labels == i) for i in range(len(medoids))]
    return sorted((group for group in groups if len(group)), key=lambda group: -len(group))


def _distances(target: TextBatch, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    some = target.take(rows)
    ratios = np.array([_ratios(some, text) for text in some.iter_encoded()])
    distances: NDArray[np.float64] = (ratios + ratios.T) / 2
    np.fill_diagonal(distances, 0)
    return distances


def _ratios(texts: TextBatch, given: bytes) -> NDArray[np.float64]:
    """C(x | given) / C(x) of each text."""
    alignment: NDArray[np.float64] = ConditionalScorer(given).score(texts)["alignment"]
    return 1 - alignment


def _nearest(target: TextBatch, medoids: NDArray[np.int64]) -> NDArray[np.int64]:
    texts = [next(target.take(medoids[i : i + 1]).iter_encoded()) for i in range(len(medoids))]
    labels: NDArray[np.int64] = np.argmin([_ratios(target, text) for text in texts], axis=0)
    return labels


def _k_medoids(
    distances: NDArray[np.float64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Medoids, and the group of each row."""
    medoids = [int(np.argmin(distances.sum(axis=0)))]
    while len(medoids) < k:
        medoids.append(int(np.argmax(distances[:, medoids].min(axis=1))))
    current = np.array(medoids)
    for _ in range(_MAX_ROUNDS):
        labels = np.argmin(distances[:, current], axis=1)
        labels[current] = np.arange(k)
        moved = current.copy()
        for i in range(k):
            members = np.flatnonzero(labels == i)
            within = distances[np.ix_(members, members)].sum(axis=0)
            moved[i] = members[int(np.argmin(within))]
        if np.array_equal(moved, current):
            break
        current = moved
    return current, labels


def _silhouette(distances: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean silhouette width (Rousseeuw 1987)."""
    k = int(labels.max()) + 1
    sums = np.stack([distances[:, labels == i].sum(axis=1) for i in range(k)], axis=1)
    sizes = np.bincount(labels, minlength=k)
    own = sizes[labels]
    inside = sums[np.arange(len(labels)), labels] / np.maximum(own - 1, 1)
    means = sums / sizes
    means[np.arange(len(labels)), labels] = np.inf
    outside = means.min(axis=1)
    width = np.where(own > 1, (outside - inside) / np.maximum(outside, inside), 0)
    return float(width.mean())
