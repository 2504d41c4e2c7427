"""``diverse``: a candidate is worth what the target explains of it and the subset does not yet.

The aim is D4's (arXiv 2308.12284), by codes instead of embeddings. With w(g) the bits that the
target's n-gram code saves over the pool's (``ngram``), and k(g) how often bucket g has been covered
by the subset so far, a text is worth

    sum over its n-grams g of max(0, w(g)) / (1 + k(g) / SATURATION), per byte,

so that what the subset holds already stops counting. Worth only falls as the subset grows, so the
greedy choice is lazy (Minoux 1978): a stale worth is an upper bound, and only the candidate on top
is looked at again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zipsel.records import TextBatch
from zipsel.scorers.ngram import NgramScorer

#: Times that an n-gram is covered until it is worth half.
SATURATION = 4.0

#: Candidates that are looked at, as a multiple of the budget.
OVERSELECTION = 4


def order_greedily(
    texts: Sequence[str],
    ngram: NgramScorer,
    take: Callable[[int], bool],
    prior: NDArray[np.float64],
) -> list[int]:
    """Take texts one by one, always the one that is worth most.

    Args:
        texts: The candidates.
        ngram: Gives w(g).
        take: Called with a candidate's position; False if it may not be taken.
        prior: Added to each worth, float64 ``(len(texts),)``: breaks ties by alignment.

    Returns:
        Positions taken, in order.
    """
    weights = np.maximum(ngram.weights, 0).astype(np.float64)
    covered = np.zeros(len(weights))
    buckets = [ngram.buckets(TextBatch.from_texts([text])) for text in texts]

    def worth(i: int) -> float:
        own = buckets[i]
        gain = weights[own] / (1 + covered[own] / SATURATION)
        return float(gain.sum()) / max(1, len(own)) + float(prior[i])

    heap = [(-worth(i), i) for i in range(len(texts))]
    heapq.heapify(heap)
    taken: list[int] = []
    while heap:
        _, i = heapq.heappop(heap)
        current = -worth(i)
        if heap and current > heap[0][0]:
            heapq.heappush(heap, (current, i))
            continue
        if take(i):
            taken.append(i)
            np.add.at(covered, buckets[i], 1)
    return taken
