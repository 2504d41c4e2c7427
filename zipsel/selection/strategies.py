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

from zipsel.bins import bin_floor
from zipsel.selection.budgets import BYTES_PER_TOKEN, Budget

if TYPE_CHECKING:
    from zipsel.ranking import Ranking

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
        cutoff: Lowest alignment offered.
    """

    seed: int
    cutoff: float

    def __call__(
        self, alignment: NDArray[np.float64], shard: int, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Priorities of some rows of a shard."""
        return np.where(alignment >= self.cutoff, uniform_noise(self.seed, shard, rows), np.nan)


@dataclass(frozen=True)
class Strata:
    """Ranges of alignment and the part of the budget that each has.

    Attributes:
        edges: Lower edges, ascending, float64 ``(n_strata,)``.
        shares: Share of the budget, float64 ``(n_strata,)``.
    """

    edges: NDArray[np.float64]
    shares: NDArray[np.float64]

    def names(self, alignment: NDArray[np.float64]) -> list[str]:
        """The stratum of each alignment, as quotas name it."""
        which = np.clip(np.searchsorted(self.edges, alignment, side="right") - 1, 0, None)
        return [str(i) for i in which.tolist()]


def cut_strata(ranking: Ranking, budget: Budget, hard_cutoff: float) -> Strata:
    """Strata of a pool ranked by alignment, and how they share a budget.

    Args:
        ranking: By alignment; its bins give sizes, to the 1 % that a bin is wide.
        budget: What is shared.
        hard_cutoff: Share of records, the lowest, that is dropped.
    """
    counts = ranking.n_records
    used = np.flatnonzero(counts)
    if len(used) == 0:
        return Strata(np.zeros(1), np.ones(1))
    below = np.searchsorted(np.cumsum(counts), hard_cutoff * counts.sum(), side="right")
    kept = used[used >= below] if below < len(counts) else used[-1:]
    floors = bin_floor(kept)
    edges = np.linspace(floors[0], floors[-1], N_STRATA + 1)[:-1]
    which = np.clip(np.searchsorted(edges, floors, side="right") - 1, 0, None)
    sizes = _in_budget_units(ranking, budget)[kept]
    totals: NDArray[np.float64] = np.bincount(which, sizes, minlength=N_STRATA).astype(np.float64)
    limit = budget.value * (counts.sum() if budget.kind == "fraction" else 1)
    return Strata(edges, share_evenly(totals, limit) / max(limit, 1e-9))


def _in_budget_units(ranking: Ranking, budget: Budget) -> NDArray[np.float64]:
    if budget.kind == "max_bytes":
        return ranking.n_bytes.astype(np.float64)
    if budget.kind == "max_tokens":
        return ranking.n_bytes / BYTES_PER_TOKEN
    return ranking.n_records.astype(np.float64)


def share_evenly(totals: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Even parts of a limit, from the smallest total up; what one leaves goes to the larger."""
    parts = np.zeros(len(totals))
    left = limit
    order: Sequence[int] = np.argsort(totals, kind="stable").tolist()
    for i, stratum in enumerate(order):
        parts[stratum] = min(totals[stratum], left / (len(order) - i))
        left -= parts[stratum]
    return parts
