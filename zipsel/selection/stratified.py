"""``stratified``: coverage-centric coreset selection (Zheng et al. 2023).

The ``hard_cutoff`` share of lowest alignments is dropped and the rest cut into 50 equal ranges, the
strata. Each stratum gets an equal part of the budget, or all of its records if they are fewer; the
parts are settled from the smallest stratum up. Records are drawn at random inside each stratum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zipsel.scoring.histogram import bin_floor, bins_of
from zipsel.selection.budgets import BYTES_PER_TOKEN, Budget, counts_records
from zipsel.selection.sample import uniform_noise
from zipsel.selection.strategies import BudgetParts, Plan, Priority, RankedPool, Strategy

if TYPE_CHECKING:  # the help of select lists the strategies, and does without pyarrow
    from zipsel.selection.candidates import Candidates
    from zipsel.selection.ranking import Ranking

N_STRATA = 50


def strata_priority(seed: int, lowest: int) -> Priority:
    """A random order of records in bins from ``lowest`` on; NaN, which is never offered, below."""

    def priority(
        alignment: NDArray[np.float64], shards: NDArray[np.int32], rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        noise = uniform_noise(seed, shards, rows)
        return np.where(bins_of(alignment) >= lowest, noise, np.nan)

    return priority


@dataclass(frozen=True)
class Strata:
    """Ranges of alignment and the part of the budget that each has.

    Attributes:
        first_bins: The lowest bin of the ranking in each stratum, ascending, int64
            ``(n_strata,)``; at most 50, fewer where 50 would be narrower than the bins.
        limits: Part of the budget, in its unit, float64 ``(n_strata,)``.
    """

    first_bins: NDArray[np.int64]
    limits: NDArray[np.float64]

    def which(self, alignment: NDArray[np.float64]) -> NDArray[np.int64]:
        """The stratum of each alignment; -1 below all."""
        bins = bins_of(alignment).astype(np.int64)
        found: NDArray[np.int64] = np.searchsorted(self.first_bins, bins, side="right") - 1
        return found


def cut_strata(ranking: Ranking, budget: Budget, limit: float, hard_cutoff: float) -> Strata:
    """Strata of a pool ranked by alignment, cut where its bins end, and how they share a budget."""
    counts = ranking.n_records
    used = np.flatnonzero(counts)
    if len(used) == 0:
        return Strata(np.zeros(1, np.int64), np.full(1, limit))
    below = np.searchsorted(np.cumsum(counts), hard_cutoff * counts.sum(), side="right")
    kept = used[used >= below] if below <= used[-1] else used[-1:]
    floors = bin_floor(kept)
    edges = np.linspace(floors[0], floors[-1], N_STRATA + 1)[:-1]
    first_bins = np.unique(np.append(bins_of(edges[1:]).astype(np.int64), kept[0]))
    which = np.searchsorted(first_bins, kept, side="right") - 1
    sizes = _in_budget_units(ranking, budget)[kept]
    totals = np.bincount(which, sizes, minlength=len(first_bins)).astype(np.float64)
    return Strata(first_bins, share_evenly(totals, limit))


def _in_budget_units(ranking: Ranking, budget: Budget) -> NDArray[np.float64]:
    if counts_records(budget):
        return ranking.n_records.astype(np.float64)
    per_unit = BYTES_PER_TOKEN if budget.kind == "max_tokens" else 1
    return ranking.n_bytes / per_unit


def share_evenly(totals: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Even whole parts of a limit, from the smallest total up; the larger get what one leaves."""
    parts = np.zeros(len(totals))
    left = limit
    order: Sequence[int] = np.argsort(totals, kind="stable").tolist()
    for i, stratum in enumerate(order):
        parts[stratum] = min(totals[stratum], left // (len(order) - i))
        left -= parts[stratum]
    return parts


def _plan(pool: RankedPool) -> Plan:
    select = pool.select
    strata = cut_strata(pool.ranking, select.budget, pool.limit, select.hard_cutoff)
    lows = [f"{low:.4g}" for low in bin_floor(strata.first_bins).tolist()]
    names = [f"alignments {low} to {high}" for low, high in pairwise(lows)]
    names.append(f"alignments from {lows[-1]}")
    limits = zip(names, strata.limits.tolist(), strict=True)

    def numbers(block: Candidates) -> NDArray[np.int64]:
        return strata.which(block.alignment)

    priority = strata_priority(select.seed, int(strata.first_bins[0]))
    filled = {name: limit for name, limit in limits if limit > 0}
    return Plan(priority, BudgetParts(filled, numbers, lambda: names, rounded=True))


STRATIFIED = Strategy(
    plan=_plan, takes=frozenset({"hard_cutoff", "seed"}), needs_whole_pool=True, shares_budget=True
)
