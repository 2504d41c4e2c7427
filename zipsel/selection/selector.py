"""Choosing among scored records, in the strategy's order, until the budget is full."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zipsel.console.messages import Log
from zipsel.engines import Engine
from zipsel.pool.shards import Shard
from zipsel.scorers import as_cascade, facets_of
from zipsel.scorers.profile import Profile
from zipsel.scoring.histogram import bins_of
from zipsel.scoring.plan import PoolScores
from zipsel.scoring.settings import RunSettings
from zipsel.selection.budgets import (
    BYTES_PER_TOKEN,
    apportion,
    counts_records,
    whole_limit,
)
from zipsel.selection.candidates import Candidates
from zipsel.selection.chooser import N_FOLLOWING, Chooser, Taken
from zipsel.selection.cover import GreedyCover
from zipsel.selection.covering import CoverRun
from zipsel.selection.duplicates import Duplicates
from zipsel.selection.gather import Fetched, Source, gather
from zipsel.selection.inspection import Inspection
from zipsel.selection.leak_search import LeakSearch
from zipsel.selection.offers import OfferStream, end_of_stage
from zipsel.selection.quotas import OTHERS, Quotas
from zipsel.selection.ranking import Ranking, RecordReader
from zipsel.selection.selection import Selection
from zipsel.selection.settings import SelectSettings
from zipsel.selection.spool import Spool
from zipsel.selection.strategies import (
    CANDIDATE_FACTOR,
    BudgetParts,
    Plan,
    RankedPool,
    facet_shares,
    find_strategy,
)
from zipsel.storage.columns import Columns

#: Candidates fetched beyond the budget, for those that turn out to be duplicates or leaks.
_SPARE_FRACTION = 0.1

_SPARE_RECORDS = 64
_SPARE_BYTES = 1 << 16


class Ranked(NamedTuple):
    """A pool in order, and the plan by which it is chosen from."""

    ranking: Ranking
    offered: Ranking
    plan: Plan
    parts: BudgetParts


@dataclass(frozen=True)
class Selector:
    """Ranks a scored pool and chooses from it."""

    engine: Engine
    shards: Sequence[Shard]
    scores: PoolScores
    profile: Profile
    settings: RunSettings
    select: SelectSettings
    inspection: Inspection
    spool_folder: str
    threshold: float | None
    log: Log

    def rank(self) -> Ranked:
        """Count the pool's alignments, and order the pool as the strategy plans."""
        select, scorer = self.select, self.profile.scorer
        cascade = as_cascade(scorer)
        reader = RecordReader(
            self.threshold,
            "" if cascade is None else cascade.threshold_column,
            grouped=self.settings.reading.group_field is not None,
            faceted=bool(facets_of(scorer)),
        )
        ranking = Ranking(
            self.scores.parts, reader, counted=self.scores.histogram, columns=self._columns
        )
        limit = whole_limit(select.budget, self._n_accepted)
        pool = RankedPool(
            ranking, self._n_accepted, self.scores.n_bytes, limit, self.profile, select
        )
        plan = find_strategy(select.strategy).plan(pool)
        offered = ranking if plan.priority is None else ranking.reordered(plan.priority)
        return Ranked(ranking, offered, plan, plan.parts or self._parts_of_budget(ranking))

    @property
    def _columns(self) -> Columns:
        """What holds the candidates: files beside the fetched rows."""
        return Columns(self.spool_folder)

    @property
    def _n_accepted(self) -> int:
        return self.scores.n_rows - self.scores.n_rejected

    def _shares(self) -> dict[str, float]:
        """Shares of the budget of a mixture, facets or quotas; empty where there are none."""
        shares = facet_shares(self.select, list(facets_of(self.profile.scorer)))
        return shares or dict(self.select.quota)

    def _parts_of_budget(self, ranking: Ranking) -> BudgetParts:
        """The parts that a mixture, the strategy or quotas cut the budget into."""
        select, names = self.select, list(facets_of(self.profile.scorer))
        limits = apportion(select.budget, self._n_accepted, self._shares())
        if facet_shares(select, names):
            return BudgetParts(limits, attrgetter("facet"), lambda: names)
        return BudgetParts(limits, attrgetter("group"), ranking.names_of_groups)

    def choose(self, ranked: Ranked) -> Selection:
        """Fetch candidates in the strategy's order and take what may be taken.

        Raises:
            BadShards: If a shard cannot be read any more.
        """
        select, parts = self.select, ranked.parts
        quotas = Quotas(
            select.budget,
            self._n_accepted,
            parts.limits,
            select.max_per_group,
            rounded=parts.rounded,
        )
        duplicates = Duplicates(select.dedup, select.near_threshold, self._columns)
        chooser = Chooser(quotas, duplicates, parts, ranked.ranking.names_of_groups, self._columns)
        by_gain = find_strategy(select.strategy).by_gain
        taken = (self._cover if by_gain else self._take_in_order)(ranked, chooser)
        return Selection(
            taken.candidates,
            taken.positions,
            Spool([one.spooled for one in taken.fetched]),
            chooser.leaks,
            _in_order(chooser.copies.values()),
            quotas.shortfalls(),
            chooser.done,
            taken.following,
            taken.gains,
            taken.first_ranks,
            self._columns,
        )

    def _take_in_order(self, ranked: Ranked, chooser: Chooser) -> Taken:
        """Take candidates as the ranking has them."""
        blocks: list[Candidates] = []
        taken: list[NDArray[np.int64]] = []
        fetched: list[Fetched] = []
        n_before = 0
        first_block = self._first_block(ranked, chooser.quotas.whole.limit)
        for offered in ranked.offered.iter_blocks(*first_block):
            block = offered.take(chooser.may_take(offered), self._columns)
            if len(block) == 0:
                continue
            found = self._fetch(block, n_before, self.inspection)
            taken.append(chooser.take_in_order(block, found))
            blocks.append(block)
            fetched.append(found)
            n_before += len(block)
            if chooser.done:
                break
        candidates = Candidates.concatenate(blocks, self._columns)
        positions = self._columns.concatenate(taken, np.int64)
        after = int(positions[-1]) + 1 if len(positions) else 0
        following = chooser.not_refused(range(after, n_before), N_FOLLOWING)
        if ranked.plan.priority is not None:
            positions = _best_first(candidates, positions, self._columns)
        return Taken(candidates, positions, following, fetched)

    def _cover(self, ranked: Ranked, chooser: Chooser) -> Taken:
        """Take candidates by what each adds to those taken before."""
        shares = self._shares()
        names = [name for name, share in shares.items() if share > 0] if shares else [""]
        numbers = {name: number for number, name in enumerate(names)}
        others = numbers.get(OTHERS, -1 if shares else 0)

        def number_of(block: Candidates) -> NDArray[np.int32]:
            known = [numbers.get(name, others) for name in ranked.parts.names()]
            found: NDArray[np.int32] = np.array(known, np.int32)[ranked.parts.numbers(block)]
            return found

        of_parts = np.array([shares.get(name, 1.0) for name in names])
        expected = self._expected_bytes(ranked.ranking, chooser.quotas.whole.limit)
        # Whether the ranking is read in one piece or in many does not change the order.
        blocks = ranked.offered.iter_blocks(
            ranked.ranking.total_records + 1, int(CANDIDATE_FACTOR * end_of_stage(expected))
        )
        inspection = replace(self.inspection, leaks=None)
        run = CoverRun(
            GreedyCover(self.profile.ngrams, self._columns),
            OfferStream(blocks, of_parts, number_of, self.select.max_per_group, self._columns),
            of_parts,
            chooser,
            lambda block, first: self._fetch(block, first, inspection),
            LeakSearch(self.inspection.leaks, self.settings.reading.text, self.engine),
            self.log,
        )
        return run.take(expected)

    def _expected_bytes(self, ranking: Ranking, limit: float) -> float:
        """Bytes of text that a budget of records, bytes or tokens holds, about."""
        kind = self.select.budget.kind
        if kind == "max_bytes":
            return limit
        if kind == "max_tokens":
            return limit * BYTES_PER_TOKEN
        n_records = np.cumsum(ranking.n_records[::-1])
        n_bytes = np.cumsum(ranking.n_bytes[::-1])
        at = min(int(np.searchsorted(n_records, limit)), len(n_records) - 1)
        return float(limit * n_bytes[at] / max(1, n_records[at]))

    def _first_block(self, ranked: Ranked, limit: float) -> tuple[int, int | None]:
        """Records, or bytes if that is less, that should suffice."""
        budget = self.select.budget
        if budget.kind == "min_alignment":
            lowest = int(bins_of(np.array([limit]))[0])
            return max(1, int(ranked.ranking.n_records[lowest:].sum())), None
        overselection = find_strategy(self.select.strategy).overselection
        wanted = int(limit * (overselection if overselection > 1 else 1 + _SPARE_FRACTION))
        if counts_records(budget):
            return wanted + _SPARE_RECORDS, None
        per_unit = BYTES_PER_TOKEN if budget.kind == "max_tokens" else 1
        return ranked.ranking.total_records + 1, wanted * per_unit + _SPARE_BYTES

    def _fetch(self, block: Candidates, first: int, inspection: Inspection) -> Fetched:
        source = Source(self.shards, self.scores.parts, self.settings.reading, inspection)
        prefix = os.path.join(self.spool_folder, f"from-{first:012d}")
        n_bytes = int(block.n_bytes.sum())
        with self.log.progress("fetching candidates", n_bytes) as progress:
            return gather(
                self.engine, source, block, first, prefix, self._columns, progress.advance
            )


def _best_first(
    candidates: Candidates, positions: NDArray[np.int64], columns: Columns
) -> NDArray[np.int64]:
    """Positions by alignment, shard and row."""
    by_place = columns.argsort(candidates.take(positions, columns).places(columns))
    positions = columns.take(positions, by_place)
    alignment = columns.take(candidates.alignment, positions)
    negated = columns.compute(len(positions), np.float64, lambda some: -alignment[some])
    return columns.take(positions, columns.argsort(negated))


def _in_order(copies: NDArray[np.int64]) -> NDArray[np.int64]:
    """``Chooser.copies`` as pairs, the positions of the copies ascending."""
    pairs = copies.reshape(-1, 2)
    return pairs[np.argsort(pairs[:, 0])]
