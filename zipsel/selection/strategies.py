"""In what order candidates are offered, and which part of the budget each counts against.

A strategy is a priority (what the ranking sorts by), a restriction of who is offered, and quotas.
Everything random is a hash of seed, shard and row, so that it depends on nothing else.

- ``top``: by alignment.
- ``sample``: by alignment / temperature + Gumbel noise, which is sampling without replacement in
  proportion to exp(alignment / temperature) (Gumbel top-k; Kool et al. 2019; DSIR does the same).
- ``stratified``: coverage-centric coreset selection (Zheng et al. 2023): the ``hard_cutoff`` share
  of lowest alignments is dropped, the rest cut into 50 equal ranges, the budget shared evenly from
  the smallest range up, and drawn at random inside each.
- ``coverage``: every facet of the target gets the same part of the budget (SimCore and TAROT let
  targets take turns; equal parts are where turns lead).
- ``diverse``: see ``diverse.py``; the order of offering is ``top``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from zipsel.scoring.histogram import bin_floor, bins_of
from zipsel.selection.budgets import BYTES_PER_TOKEN, Budget, counts_records

if TYPE_CHECKING:
    from zipsel.selection.ranking import Ranking

StrategyName = Literal["top", "sample", "stratified", "coverage", "diverse"]
STRATEGIES: tuple[StrategyName, ...] = ("top", "sample", "stratified", "coverage", "diverse")

N_STRATA = 50


def uniform_noise(
    seed: int, shard: int, rows: NDArray[np.int64], stream: int = 0
) -> NDArray[np.float64]:
    """Numbers in (0, 1), a pure function of seed, shard and row; float64 ``(len(rows),)``.

    The finalizer of splitmix64 (Steele, Lea & Flood 2014) over a mixed key.
    """
    key = np.uint64((seed * 0x9E3779B97F4A7C15 + shard * 0xD1B54A32D192ED03 + stream) % 2**64)
    z = rows.astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9) + _mix(np.array([key], np.uint64))
    return (_mix(z) >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-54


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass(frozen=True)
class GumbelPriority:
    """Alignment over temperature, plus Gumbel noise.

    Attributes:
        seed: Of the noise.
        temperature: 0 would be ``top``; large is random.
    """

    seed: int
    temperature: float

    def __call__(
        self, alignment: NDArray[np.float64], shard: int, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Priorities of some rows of a shard."""
        noise: NDArray[np.float64] = -np.log(-np.log(uniform_noise(self.seed, shard, rows)))
        return alignment / self.temperature + noise


@dataclass(frozen=True)
class StrataPriority:
    """A random order of those at or above a cutoff; NaN, which is never offered, below.

    Attributes:
        seed: Of the order.
        lowest: Bin of the lowest alignments offered.
    """

    seed: int
    lowest: int

    def __call__(
        self, alignment: NDArray[np.float64], shard: int, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Priorities of some rows of a shard."""
        noise = uniform_noise(self.seed, shard, rows)
        return np.where(bins_of(alignment) >= self.lowest, noise, np.nan)


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

    def names(self, alignment: NDArray[np.float64]) -> list[str]:
        """The stratum of each alignment, as quotas name it."""
        return [str(i) for i in self.which(alignment).tolist()]

    @property
    def parts(self) -> dict[str, float]:
        """Part of the budget of each stratum that has one, by name."""
        return {str(i): limit for i, limit in enumerate(self.limits.tolist()) if limit > 0}


def cut_strata(ranking: Ranking, budget: Budget, limit: float, hard_cutoff: float) -> Strata:
    """Strata of a pool ranked by alignment, and how they share a budget.

    Args:
        ranking: By alignment; strata end where its bins do, so that their sizes are exact.
        budget: Says in which unit sizes count.
        limit: What is shared, in that unit.
        hard_cutoff: Share of records, the lowest, that is dropped.
    """
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
