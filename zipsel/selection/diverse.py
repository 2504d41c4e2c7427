"""``diverse``: a candidate is worth what the target explains of it and the subset does not yet.

The aim is D4's (arXiv 2308.12284), by codes instead of embeddings. With w(g) the bits that the
target's n-gram code saves over the pool's (``ngram``), and k(g) how often bucket g has been covered
by the subset so far, a text is worth

    sum over its n-grams g of max(0, w(g)) / (1 + k(g) / saturation), per n-gram,

so that what the subset holds already stops counting. Worth only falls as the subset grows, so the
greedy choice is lazy (Minoux 1978): a stale worth is an upper bound, and only the candidate on top
is looked at again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zipsel.scorers import ngram_codes_of
from zipsel.scorers.ngram import NgramScorer
from zipsel.scorers.profile import Profile
from zipsel.selection.budgets import BYTES_PER_TOKEN, BudgetKind
from zipsel.selection.strategies import Plan, RankedPool, Strategy
from zipsel.texts import TextBatch

#: Times that an n-gram is covered until it is worth half, in a budget of a megabyte of text, and
#: at least; a larger subset repeats what the target repeats. Of 1 to 256 (three targets, PPM
#: judge), 4 did best for 0.4 and 1 MB and 64 for 4 MB, by little more than noise.
SATURATION_PER_MEGABYTE = 12.0

_LEAST_SATURATION = 1.0

#: Candidates that are looked at, as a multiple of the budget.
OVERSELECTION = 4

#: What an alignment counts beside a worth in bits.
_TIE_BREAK = 1e-9

#: Text that is looked at together; what it costs in memory is about twice that.
WINDOW_BYTES = 64 << 20


class GreedyCover:
    """Orders texts by what they add, and remembers what the taken ones cover.

    Args:
        codes: The n-gram codes of the target's facets; an n-gram has the highest of their weights.
        budget_bytes: Text that will be taken, about.
    """

    def __init__(self, codes: Sequence[NgramScorer], budget_bytes: float) -> None:
        self._saturation = max(_LEAST_SATURATION, SATURATION_PER_MEGABYTE * budget_bytes / 1e6)
        self._code = codes[0]
        self._weights = np.maximum(np.max([code.weights for code in codes], axis=0), 0)
        self._worth = self._weights.astype(np.float64)
        self._covered = np.zeros(len(self._weights))

    def _find(self, text: str) -> tuple[NDArray[np.uint32], int]:
        """Buckets of a text's n-grams that are worth something, and how many n-grams it has."""
        buckets = self._code.buckets(TextBatch.from_texts([text]))
        return buckets[self._weights[buckets] > 0].astype(np.uint32), len(buckets)

    def take_from(
        self,
        texts: Sequence[str],
        take: Callable[[int], bool],
        alignment: NDArray[np.float64],
        enough: Callable[[], bool],
    ) -> NDArray[np.int64]:
        """Take texts one by one, always the one that is worth most.

        Args:
            texts: The candidates.
            take: Called with a candidate's position; False if it may not be taken.
            alignment: Decides between equal worths, float64 ``(len(texts),)``.
            enough: Called after each that was taken; True ends it.

        Returns:
            Positions taken, in order, int64.
        """
        found = [self._find(text) for text in texts]

        def worth(i: int) -> float:
            buckets, n_ngrams = found[i]
            return float(self._worth[buckets].sum()) / max(1, n_ngrams) + _TIE_BREAK * float(
                alignment[i]
            )

        heap = [(-worth(i), i) for i in range(len(texts))]
        heapq.heapify(heap)
        taken: list[int] = []
        while heap and not enough():
            _, i = heapq.heappop(heap)
            current = -worth(i)
            if heap and current > heap[0][0]:
                heapq.heappush(heap, (current, i))
            elif take(i):
                taken.append(i)
                self._cover(found[i][0])
        return np.array(taken, np.int64)

    def _cover(self, buckets: NDArray[np.uint32]) -> None:
        which, counts = np.unique(buckets, return_counts=True)
        self._covered[which] += counts
        self._worth[which] = self._weights[which] / (1 + self._covered[which] / self._saturation)


def open_cover(profile: Profile, kind: BudgetKind, limit: float, mean_bytes: float) -> GreedyCover:
    """A cover of a profile's target that nothing is taken for yet.

    Args:
        profile: Gives the codes.
        kind: Unit of the budget.
        limit: The budget.
        mean_bytes: Text of a record of the pool, for budgets in records.
    """
    per_unit = {"max_bytes": 1.0, "max_tokens": float(BYTES_PER_TOKEN)}.get(kind, mean_bytes)
    return GreedyCover(_ngram_codes(profile), limit * per_unit)


def _ngram_codes(profile: Profile) -> Sequence[NgramScorer]:
    """One a facet; of the target alone where the scorer has none."""
    none = profile.target.take(np.zeros(0, np.int64))
    return ngram_codes_of(profile.scorer) or [NgramScorer.compare(profile.target, none)]


def _plan(pool: RankedPool) -> Plan:
    mean_bytes = pool.n_bytes / max(1, pool.n_records)
    cover = open_cover(pool.profile, pool.select.budget.kind, pool.limit, mean_bytes)
    return Plan(taker=cover, window_bytes=WINDOW_BYTES)


DIVERSE = Strategy(plan=_plan, overselection=OVERSELECTION)
