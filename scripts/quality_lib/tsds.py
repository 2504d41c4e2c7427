"""TSDS (arXiv 2410.11303), its KNN-KDE variant: optimal transport that avoids near-duplicates.

Every example spreads its share of probability over its nearest records. A record may take at most
1 / (s density), where its density is the kernel estimate of how many records say the same, and s
is as large as the balance of alignment and diversity allows: it grows until what the examples pay
for going further than their nearest records reaches (1 - ``ALPHA``) / ``ALPHA`` times ``SCALE``
an example. The constants are those that the authors publish.

They estimate densities among the records that any example retrieved, by an approximate index; here
it is among the whole pool, exactly. They draw records with replacement; here without, because a
budget of bytes read twice is no budget.
"""

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.5
SCALE = 5.0
BANDWIDTH = 0.75
N_NEIGHBOURS = 5000
BLOCK_ROWS = 1000

Floats = NDArray[np.float64]


def compute_densities(vectors: NDArray[np.float32]) -> Floats:
    """Sum over all records of 1 - distance² / bandwidth² where positive, shape `(n_records,)`."""
    densities = np.empty(len(vectors))
    for first in range(0, len(vectors), BLOCK_ROWS):
        squared = 2 - 2 * (vectors[first : first + BLOCK_ROWS] @ vectors.T)
        kernel = np.maximum(1 - squared / np.float32(BANDWIDTH**2), 0)
        densities[first : first + BLOCK_ROWS] = kernel.sum(axis=1, dtype=np.float64)
    return densities


def spread_mass(distances: Floats, densities: Floats) -> Floats:
    """Share of each example's mass that each of its neighbours takes.

    Args:
        distances: Of each example to its neighbours, nearest first, `(n_examples, n_neighbours)`.
        densities: Of these neighbours.

    Returns:
        Shares of the same shape; each row sums to 1.
    """
    # Up to s = reached[j, k] the neighbours 0 to k of example j can take all of its mass.
    reached = np.cumsum(1 / densities, axis=1)
    paid = np.cumsum(distances / densities, axis=1)
    # What going one further costs when s is there; it never falls along a row.
    costs = distances[:, 1:] * reached[:, :-1] - paid[:, :-1]
    limit = (1 - ALPHA) / ALPHA * SCALE * len(distances)
    levels = np.unique(reached[:, :-1])
    low, high = 0, len(levels) - 1
    while low < high:
        middle = (low + high) // 2
        if _total_cost(costs, reached[:, :-1], levels[middle]) >= limit:
            high = middle
        else:
            low = middle + 1
    taken = np.minimum(reached / levels[low], 1)
    taken[:, -1] = 1
    return np.diff(taken, axis=1, prepend=0)


def _total_cost(costs: Floats, reached: Floats, level: float) -> float:
    n_passed = (reached <= level).sum(axis=1)
    rows = np.flatnonzero(n_passed)
    return float(costs[rows, n_passed[rows] - 1].sum())


def compute_probabilities(
    vectors: NDArray[np.float32], examples: NDArray[np.float32], densities: Floats
) -> Floats:
    """Probability of each record, shape `(n_records,)`, from unit vectors."""
    n_neighbours = min(N_NEIGHBOURS, len(vectors) // 10)
    probabilities = np.zeros(len(vectors))
    squared = np.maximum(2 - 2 * (examples @ vectors.T), 0)
    nearest = np.argsort(squared, axis=1, kind="stable")[:, :n_neighbours]
    distances = np.sqrt(np.take_along_axis(squared, nearest, axis=1)).astype(np.float64)
    shares = spread_mass(distances, densities[nearest])
    np.add.at(probabilities, nearest, shares / len(examples))
    return probabilities


def draw_scores(probabilities: Floats, seed: int = 0) -> Floats:
    """Scores whose order is a draw without replacement; -inf where there is no probability."""
    noise = np.random.default_rng(seed).gumbel(size=len(probabilities))
    logs = np.full(len(probabilities), -np.inf)
    np.log(probabilities, out=logs, where=probabilities > 0)
    return logs + noise
