"""Strategies: in what order records are offered, and how the budget is shared out among them.

- ``cover``: by what each record adds to those taken before; see ``cover.py``.
- ``top``: by alignment.
- ``sample``: at random, in proportion to exp(alignment / temperature); see ``sample.py``.
- ``stratified``: equal ranges of alignment share the budget; see ``stratified.py``.
- ``coverage``: every facet of the target gets the same part of the budget (SimCore and TAROT let
  targets take turns; equal parts are where turns lead).

A strategy is one file with a ``Strategy``, and one line in ``STRATEGIES``. Everything random is a
hash of seed, shard and row, so that it depends on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from zipsel.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zipsel.scorers.profile import Profile
    from zipsel.selection.candidates import Candidates
    from zipsel.selection.ranking import Ranking
    from zipsel.selection.settings import SelectSettings

#: Name of each strategy → where it is.
STRATEGIES = {
    "cover": "zipsel.selection.strategies:COVER",
    "top": "zipsel.selection.strategies:TOP",
    "sample": "zipsel.selection.sample:SAMPLE",
    "stratified": "zipsel.selection.stratified:STRATIFIED",
    "coverage": "zipsel.selection.strategies:COVERAGE",
}

#: Bytes of candidates of ``cover`` for each byte of a stage.
CANDIDATE_FACTOR = 4.0

#: Turns alignments, shards and rows into what the records are ordered by; NaN leaves one out.
Priority: TypeAlias = (
    "Callable[[NDArray[np.float64], NDArray[np.int32], NDArray[np.int64]], NDArray[np.float64]]"
)


class RankedPool(NamedTuple):
    """What a strategy plans with.

    Attributes:
        ranking: The scored records, by alignment.
        n_records: Accepted records of the pool.
        n_bytes: Text of the accepted records.
        limit: The budget in its own unit.
        profile: The profile that scored the pool.
        select: What is asked for.
    """

    ranking: Ranking
    n_records: int
    n_bytes: int
    limit: float
    profile: Profile
    select: SelectSettings


class BudgetParts(NamedTuple):
    """Parts that a budget is cut into.

    Attributes:
        limits: Name → part of the budget, in its unit.
        numbers: Index into ``names()`` of the part that each candidate of a block counts against,
            an array of whole numbers; -1 for the last.
        names: Names of parts; those of groups grow in number as groups are met.
        rounded: Fill each part to the nearest record instead of the last that fits.
    """

    limits: Mapping[str, float]
    numbers: Callable[[Candidates], NDArray[Any]]
    names: Callable[[], Sequence[str]]
    rounded: bool = False


class Plan(NamedTuple):
    """How one run offers its candidates and cuts its budget.

    Attributes:
        priority: What candidates are ordered by; None for the alignment.
        parts: Parts of the budget; None to leave them to quotas and mixtures.
    """

    priority: Priority | None = None
    parts: BudgetParts | None = None


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A way to fill a budget.

    Attributes:
        plan: Makes the plan of a run, once the pool is ranked.
        takes: Fields of ``SelectSettings`` that it uses and that not every strategy does.
        by_alignment_alone: Whether a record is chosen by its alignment alone, so that
            ``--min-alignment`` needs no size and a stream can be chosen from as it comes.
        needs_whole_pool: Whether records of any alignment may be chosen, so that a cascade has to
            finish all of them.
        overselection: Candidates that are looked at, as a multiple of the budget.
        by_gain: Whether records are taken by what each adds to those taken before, so that the
            target's n-grams are looked up in every candidate.
        shares_budget: Whether it cuts the budget into parts, so that quotas cannot.
        even_facets: Whether every facet of the target gets the same part of the budget.
    """

    plan: Callable[[RankedPool], Plan] = lambda _: Plan()
    takes: frozenset[str] = frozenset()
    by_alignment_alone: bool = False
    needs_whole_pool: bool = False
    overselection: float = 1.0
    by_gain: bool = False
    shares_budget: bool = False
    even_facets: bool = False


TOP = Strategy(by_alignment_alone=True)

#: A stage of ``cover`` may end at 1.5 times the budget.
COVER = Strategy(by_gain=True, overselection=1.5 * CANDIDATE_FACTOR)

COVERAGE = Strategy(shares_budget=True, even_facets=True)


def default_strategy(*, by_alignment: bool) -> str:
    """Name of the strategy where none is asked for."""
    return "top" if by_alignment else "cover"


def find_strategy(name: str) -> Strategy:
    """Look a strategy up, importing only its module; a ``UsageError`` if there is none."""
    if name not in STRATEGIES:
        near = get_close_matches(name, STRATEGIES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"--strategy {name!r} is not one of {', '.join(STRATEGIES)}{hint}")
    strategy: Strategy = resolve_name(STRATEGIES[name])
    return strategy


def facet_shares(select: SelectSettings, names: Sequence[str]) -> dict[str, float]:
    """Share of the budget of each facet; empty where facets have no parts.

    Args:
        select: Its ``mix`` or its strategy may share the budget out among facets.
        names: The facets of the target; none where there is one target.
    """
    if select.mix:
        return dict(select.mix)
    return {name: 1 / len(names) for name in names if find_strategy(select.strategy).even_facets}
