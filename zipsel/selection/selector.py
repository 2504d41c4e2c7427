"""Choosing among scored records, in the strategy's order, until the budget is full."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zipsel.console.safe_text import printable
from zipsel.engines import Engine
from zipsel.pool.shards import Shard
from zipsel.readers.rows import TextSpec
from zipsel.scorers import as_cascade, facets_of
from zipsel.scorers.profile import Profile
from zipsel.scoring.histogram import bins_of
from zipsel.scoring.plan import PoolScores
from zipsel.scoring.settings import RunSettings
from zipsel.selection.budgets import (
    BYTES_PER_TOKEN,
    Meter,
    apportion,
    counts_records,
    whole_limit,
)
from zipsel.selection.duplicates import Duplicates
from zipsel.selection.gather import Source, gather
from zipsel.selection.inspection import Features, Inspection
from zipsel.selection.leaks import Leak
from zipsel.selection.quotas import Quotas, Shortfall
from zipsel.selection.ranking import Candidates, Ranking, RecordReader
from zipsel.selection.settings import SelectSettings
from zipsel.selection.spool import Chosen, Spool, SpoolFile
from zipsel.selection.strategies import (
    BudgetParts,
    Plan,
    RankedPool,
    facet_shares,
    find_strategy,
)

#: Candidates fetched beyond the budget, for those that turn out to be duplicates or leaks.
_SPARE_FRACTION = 0.1

_SPARE_RECORDS = 64

_SPARE_BYTES = 1 << 16


@dataclass
class Selection:
    """What was considered and what was chosen.

    Attributes:
        candidates: Everything fetched, in the order in which it was offered.
        taken: Positions of the chosen among them, by alignment, best first.
        spool: Holds their rows.
        leaks: Position of a candidate → what leaked.
        copies: Position of a candidate → position of the taken record that it is a copy of.
        shortfalls: Parts of the budget that were not filled.
        full: Whether the budget was reached before the ranking ended.
    """

    candidates: Candidates
    taken: NDArray[np.int64]
    spool: Spool
    leaks: dict[int, Leak]
    copies: dict[int, int]
    shortfalls: list[Shortfall]
    full: bool

    @property
    def n_duplicates(self) -> int:
        """Candidates left out as copies."""
        return len(self.copies)

    @property
    def chosen(self) -> Candidates:
        """The chosen records, best first."""
        return self.candidates.take(self.taken)

    def name_of(self, position: int, shards: Sequence[Shard]) -> str:
        """Shard and row of a candidate, for messages."""
        shard = shards[int(self.candidates.shard[position])].path
        return f"{printable(shard)} row {int(self.candidates.row[position])}"

    def texts_of(self, positions: NDArray[np.int64], spec: TextSpec) -> list[str]:
        """Texts of candidates, which may be named twice, from the spool."""
        distinct, slots = np.unique(positions, return_inverse=True)
        texts = self.spool.read_texts(distinct, spec)
        return [texts[slot] for slot in slots.tolist()]

    def in_order(self, order: str) -> Chosen:
        """The choice as the writers take it, in ``rank`` or ``input`` order."""
        chosen, positions = self.chosen, self.taken
        if order == "input":
            by_place = np.lexsort((chosen.row, chosen.shard))
            chosen, positions = chosen.take(by_place), positions[by_place]
        return Chosen(positions, chosen.alignment, chosen.n_bytes, self.spool)


class Ranked(NamedTuple):
    """A pool in order, and the plan by which it is chosen from.

    Attributes:
        ranking: By alignment.
        offered: In the order in which candidates are offered.
        plan: The strategy's plan.
        parts: Parts of the budget.
    """

    ranking: Ranking
    offered: Ranking
    plan: Plan
    parts: BudgetParts


@dataclass(frozen=True)
class Selector:
    """Ranks a scored pool and chooses from it.

    Attributes:
        engine: Where rows are fetched.
        shards: The pool.
        scores: Its sidecar.
        profile: The profile that it was scored with.
        settings: How rows are read.
        select: What is asked for.
        inspection: What to find out about each text.
        spool_folder: Where fetched rows go.
        threshold: The cascade's threshold, or None.
    """

    engine: Engine
    shards: Sequence[Shard]
    scores: PoolScores
    profile: Profile
    settings: RunSettings
    select: SelectSettings
    inspection: Inspection
    spool_folder: str
    threshold: float | None

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
        ranking = Ranking(self.scores.parts, reader, counted=self.scores.histogram)
        limit = whole_limit(select.budget, self._n_accepted)
        pool = RankedPool(
            ranking, self._n_accepted, self.scores.n_bytes, limit, self.profile, select
        )
        plan = find_strategy(select.strategy).plan(pool)
        offered = ranking if plan.priority is None else ranking.reordered(plan.priority)
        return Ranked(ranking, offered, plan, plan.parts or self._parts_of_budget(ranking))

    @property
    def _n_accepted(self) -> int:
        return self.scores.n_rows - self.scores.n_rejected

    def _parts_of_budget(self, ranking: Ranking) -> BudgetParts:
        """The parts that a mixture, the strategy or quotas cut the budget into."""
        select, names = self.select, list(facets_of(self.profile.scorer))
        shares = facet_shares(select, names)
        if shares:
            return BudgetParts(
                apportion(select.budget, self._n_accepted, shares),
                lambda block: [names[i] for i in block.facet.tolist()],
            )
        limits = apportion(select.budget, self._n_accepted, dict(select.quota))
        return BudgetParts(limits, ranking.groups_of)

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
        duplicates = Duplicates(select.dedup, select.near_threshold)
        chooser = Chooser(quotas, duplicates, parts.name_of, ranked.ranking.groups_of)
        blocks: list[Candidates] = []
        taken: list[NDArray[np.int64]] = []
        files: list[SpoolFile] = []
        n_before = 0
        for offered, until in self._iter_offers(ranked, quotas.whole):
            block = offered.take(chooser.may_take(offered))
            if len(block) == 0:
                continue
            found = self._fetch(block, n_before, f"block-{len(blocks):03d}")
            consider = chooser.considering(block, _in_order(found, n_before, len(block)), n_before)
            if ranked.plan.taker is None:
                positions = chooser.take_in_order(consider, len(block))
            else:
                ranks = np.arange(n_before, n_before + len(block))
                texts = Spool(found).read_texts(ranks, self.settings.reading.text)
                enough = chooser.enough_at(until)
                positions = ranked.plan.taker.take_from(texts, consider, block.alignment, enough)
            taken.append(positions + n_before)
            blocks.append(block)
            files.extend(found)
            n_before += len(block)
            if chooser.done:
                break
        candidates = Candidates.concatenate(blocks)
        return Selection(
            candidates,
            _best_first(candidates, np.concatenate([np.zeros(0, np.int64), *taken])),
            Spool(files),
            chooser.leaks,
            chooser.copies,
            quotas.shortfalls(),
            chooser.done,
        )

    def _iter_offers(self, ranked: Ranked, whole: Meter) -> Iterator[tuple[Candidates, float]]:
        """Candidates block by block, and how much of the budget may be used once each is done.

        A taker gets windows that fit in memory, each with its part of what is left.
        """
        for block in ranked.offered.iter_blocks(*self._first_block(ranked, whole.limit)):
            if ranked.plan.taker is None:
                yield block, whole.limit
                continue
            used, n_bytes = whole.used, np.cumsum(block.n_bytes)
            for window in cut_windows(block.n_bytes, ranked.plan.window_bytes):
                fraction = float(n_bytes[window[-1]] / n_bytes[-1])
                yield block.take(window), used + (whole.limit - used) * fraction

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

    def _fetch(self, block: Candidates, first: int, name: str) -> list[SpoolFile]:
        source = Source(
            self.shards,
            self.scores.parts,
            self.settings.reading,
            self.inspection,
        )
        return gather(self.engine, source, block, first, os.path.join(self.spool_folder, name))


def cut_windows(n_bytes: NDArray[np.int64], window_bytes: int) -> list[NDArray[np.int64]]:
    """Cut candidates of these lengths into runs of about ``window_bytes``; positions of each."""
    numbers = np.cumsum(n_bytes) // window_bytes
    return np.split(np.arange(len(n_bytes)), np.flatnonzero(np.diff(numbers)) + 1)


def _best_first(candidates: Candidates, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    chosen = candidates.take(positions)
    return positions[np.lexsort((chosen.row, chosen.shard, -chosen.alignment))]


def _in_order(files: Sequence[SpoolFile], first: int, n_candidates: int) -> list[Features]:
    features = [Features()] * n_candidates
    for file in files:
        for rank, feature in zip(file.ranks.tolist(), file.features, strict=True):
            features[rank - first] = feature
    return features


#: Names the part of the budget that each candidate counts against, or its group.
Namer = Callable[[Candidates], list[str]]


@dataclass
class Chooser:
    """Takes candidates block by block until the budget is full.

    Attributes:
        quotas: The budget and its parts.
        duplicates: What was taken, to recognize copies.
        part_of: Part of the budget that each candidate counts against.
        group_of: Group of each candidate, of which only so many may be taken.
        leaks: Position → what leaked, of candidates refused for it.
        copies: Position → position of the taken record that it is a copy of.
    """

    quotas: Quotas
    duplicates: Duplicates
    part_of: Namer
    group_of: Namer
    leaks: dict[int, Leak] = field(default_factory=dict)
    copies: dict[int, int] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether no further candidate could be taken."""
        return self.quotas.full

    def may_take(self, block: Candidates) -> NDArray[np.bool_]:
        """Which candidates need a look: those whose part of the budget has room."""
        places = list(zip(self.part_of(block), self.group_of(block), strict=True))
        is_open = {place: self.quotas.is_open(*place) for place in set(places)}
        return np.array([is_open[place] for place in places], bool)

    def enough_at(self, until: float) -> Callable[[], bool]:
        """A function that says whether so much of the budget is used, or nothing more fits."""
        return lambda: self.done or self.quotas.whole.used >= until

    def take_in_order(
        self, consider: Callable[[int], bool], n_candidates: int
    ) -> NDArray[np.int64]:
        """Consider candidates as they come; positions of those taken, ascending, int64."""
        taken: list[int] = []
        for i in range(n_candidates):
            if self.done:
                break
            if consider(i):
                taken.append(i)
        return np.array(taken, np.int64)

    def considering(
        self, block: Candidates, features: Sequence[Features], first: int
    ) -> Callable[[int], bool]:
        """A function that takes the i-th candidate of a block if it may be taken."""
        parts, groups = self.part_of(block), self.group_of(block)
        alignments, lengths = block.alignment.tolist(), block.n_bytes.tolist()

        def consider(i: int) -> bool:
            found = features[i]
            if self.done or not self.quotas.is_open(parts[i], groups[i]):
                return False
            if found.leak is not None:
                self.leaks[first + i] = found.leak
                return False
            original = self.duplicates.find(found.digest, found.minhash)
            if original is not None:
                self.copies[first + i] = original
                return False
            record = (alignments[i], lengths[i], found.n_tokens)
            if not self.quotas.admit(parts[i], groups[i], *record):
                return False
            self.duplicates.add(first + i, found.digest, found.minhash)
            return True

        return consider
