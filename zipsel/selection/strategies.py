"""Strategies: in what order records are offered, and how the budget is shared out among them.

- ``top``: by alignment.
- ``sample``: at random, in proportion to exp(alignment / temperature); see ``sample.py``.
- ``stratified``: equal ranges of alignment share the budget; see ``stratified.py``.
- ``coverage``: every facet of the target gets the same part of the budget (SimCore and TAROT let
  targets take turns; equal parts are where turns lead).
- ``diverse``: what the subset holds already stops counting; see ``diverse.py``.

A strategy is one file with a ``Strategy``, and one line in ``STRATEGIES``. Everything random is a
hash of seed, shard and row, so that it depends on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pkgutil import resolve_name
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from zipsel.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zipsel.scorers.profile import Profile
    from zipsel.selection.ranking import Candidates, Ranking
    from zipsel.selection.settings import SelectSettings

#: Name of each strategy → where it is.
STRATEGIES = {
    "top": "zipsel.selection.strategies:TOP",
    "sample": "zipsel.selection.sample:SAMPLE",
    "stratified": "zipsel.selection.stratified:STRATIFIED",
    "coverage": "zipsel.selection.strategies:COVERAGE",
    "diverse": "zipsel.selection.diverse:DIVERSE",
}

#: Turns alignments of rows of a shard into what the rows are ordered by; NaN leaves a row out.
Priority: TypeAlias = "Callable[[NDArray[np.float64], int, NDArray[np.int64]], NDArray[np.float64]]"


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
        name_of: The part that each candidate of a block counts against.
        rounded: Fill each part to the nearest record instead of the last that fits.
    """

    limits: Mapping[str, float]
    name_of: Callable[[Candidates], list[str]]
    rounded: bool = False


class Taker(Protocol):
    """Decides in what order the candidates of a window are taken, by their texts."""

    def take_from(
        self,
        texts: Sequence[str],
        take: Callable[[int], bool],
        alignment: NDArray[np.float64],
        enough: Callable[[], bool],
    ) -> NDArray[np.int64]:
        """Take texts one by one.

        Args:
            texts: The candidates.
            take: Takes the candidate at a position; False if it may not be taken.
            alignment: Alignment of each, float64 ``(len(texts),)``.
            enough: Whether the window's part of the budget is used.

        Returns:
            Positions taken, in order, int64.
        """


class Plan(NamedTuple):
    """How one run offers its candidates and cuts its budget.

    Attributes:
        priority: What candidates are ordered by; None for the alignment.
        parts: Parts of the budget; None to leave them to quotas and mixtures.
        taker: Takes candidates by their texts; None to take them in order.
        window_bytes: Text of the candidates that a taker sees at once.
    """

    priority: Priority | None = None
    parts: BudgetParts | None = None
    taker: Taker | None = None
    window_bytes: int = 64 << 20


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
        shares_budget: Whether it cuts the budget into parts, so that quotas cannot.
        even_facets: Whether every facet of the target gets the same part of the budget.
    """

    plan: Callable[[RankedPool], Plan] = lambda _: Plan()
    takes: frozenset[str] = frozenset()
    by_alignment_alone: bool = False
    needs_whole_pool: bool = False
    overselection: float = 1.0
    shares_budget: bool = False
    even_facets: bool = False


TOP = Strategy(by_alignment_alone=True)

COVERAGE = Strategy(shares_budget=True, even_facets=True)


def find_strategy(name: str) -> Strategy:
    """Look a strategy up by name, importing only its module.

    Raises:
        UsageError: If there is none of that name.
    """
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
