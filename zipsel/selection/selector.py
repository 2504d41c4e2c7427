"""Choosing among scored records, in the strategy's order, until the budget is full."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zipsel.engines import Engine
from zipsel.pool.shards import Shard
from zipsel.readers.rows import TextSpec
from zipsel.scorers.faceted import FacetedScorer
from zipsel.scorers.profile import Profile
from zipsel.scoring.histogram import bins_of
from zipsel.scoring.plan import PoolScores
from zipsel.scoring.settings import ScoreSettings
from zipsel.selection import diverse
from zipsel.selection.budgets import BYTES_PER_TOKEN, apportion, whole_limit
from zipsel.selection.diverse import open_cover
from zipsel.selection.duplicates import Duplicates
from zipsel.selection.gather import Source, gather
from zipsel.selection.inspection import Features, Inspection
from zipsel.selection.leaks import Leak
from zipsel.selection.quotas import Quotas, Shortfall
from zipsel.selection.ranking import Candidates, Priority, Ranking
from zipsel.selection.settings import SelectSettings
from zipsel.selection.spool import Chosen, Spool, SpoolFile
from zipsel.selection.strategies import GumbelPriority, Strata, StrataPriority, cut_strata

#: Candidates fetched beyond the budget, for those that turn out to be duplicates or leaks.
_SPARE_SHARE = 0.1

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


@dataclass
class Selector:
    """What choosing needs; see ``choose``.

    Attributes:
        engine: Where rows are fetched.
        shards: The pool.
        scores: Its sidecar.
        profile: Names the facets and gives ``diverse`` its weights.
        settings: How rows are read.
        select: What is asked for.
        inspection: What to find out about each text.
        spool_folder: Where fetched rows go.
        screen: The cascade's threshold, or None.
    """

    engine: Engine
    shards: Sequence[Shard]
    scores: PoolScores
    profile: Profile
    settings: ScoreSettings
    select: SelectSettings
    inspection: Inspection
    spool_folder: str
    screen: float | None
    ranking: Ranking = field(init=False)

    def rank(self) -> None:
        """Count the pool's alignments, and order it as the strategy wants."""
        select = self.select
        by_alignment = self._rank(None)
        self.ranking = by_alignment
        self._order = by_alignment
        self._strata: Strata | None = None
        priority: GumbelPriority | StrataPriority
        if select.strategy == "sample":
            priority = GumbelPriority(select.seed, select.temperature)
        elif select.strategy == "stratified":
            limit = whole_limit(select.budget, self._n_accepted)
            self._strata = cut_strata(by_alignment, select.budget, limit, select.hard_cutoff)
            priority = StrataPriority(select.seed, int(self._strata.first_bins[0]))
        else:
            return
        self._order = self._rank(priority)

    def _rank(self, priority: Priority | None) -> Ranking:
        return Ranking(
            self.scores.parts,
            screen=self.screen,
            grouped=self.settings.reading.group_field is not None,
            faceted=isinstance(self.profile.scorer, FacetedScorer),
            priority=priority,
            counted=self.scores.histogram,
        )

    def choose(self) -> Selection:
        """Fetch candidates in the strategy's order and take what may be taken.

        Raises:
            BadShards: If a shard cannot be read any more.
        """
        chooser = self._chooser()
        blocks: list[Candidates] = []
        taken: list[NDArray[np.int64]] = []
        files: list[SpoolFile] = []
        n_before = 0
        cover = self._cover(chooser.quotas.whole.limit) if self._is_diverse else None
        for offered, until in self._iter_offers(chooser):
            block = offered.take(chooser.may_take(offered))
            if len(block) == 0:
                continue
            prefix = os.path.join(self.spool_folder, f"block-{len(blocks):03d}")
            found = self._fetch(block, n_before, prefix)
            features = _in_order(found, n_before, len(block))
            consider = chooser.considering(block, features, n_before)
            if cover is None:
                positions = chooser.take_in_order(consider, len(block))
            else:
                ranks = np.arange(n_before, n_before + len(block))
                texts = Spool(found).read_texts(ranks, self.settings.reading.text)
                enough = chooser.enough_at(until)
                positions = cover.take_from(texts, consider, block.alignment, enough)
            taken.append(positions + n_before)
            blocks.append(block)
            files.extend(found)
            n_before += len(block)
            if chooser.done:
                break
        candidates = Candidates.concatenate(blocks)
        positions = np.concatenate([np.zeros(0, np.int64), *taken])
        chosen = candidates.take(positions)
        best_first = np.lexsort((chosen.row, chosen.shard, -chosen.alignment))
        return Selection(
            candidates,
            positions[best_first],
            Spool(files),
            chooser.leaks,
            chooser.copies,
            chooser.quotas.shortfalls(),
            chooser.done,
        )

    def _cover(self, limit: float) -> diverse.GreedyCover:
        mean_bytes = self.scores.n_bytes / max(1, self._n_accepted)
        return open_cover(self.profile, self.select.budget.kind, limit, mean_bytes)

    def _iter_offers(self, chooser: Chooser) -> Iterator[tuple[Candidates, float]]:
        """Candidates block by block, and how much of the budget may be used once each is done.

        ``diverse`` gets windows that fit in memory, each with its part of what is left.
        """
        whole = chooser.quotas.whole
        for block in self._order.iter_blocks(*self._first_block(chooser)):
            if not self._is_diverse:
                yield block, whole.limit
                continue
            used, n_bytes = whole.used, np.cumsum(block.n_bytes)
            for window in diverse.cut_windows(block.n_bytes):
                share = float(n_bytes[window[-1]] / n_bytes[-1])
                yield block.take(window), used + (whole.limit - used) * share

    def _fetch(self, block: Candidates, first: int, prefix: str) -> list[SpoolFile]:
        source = Source(
            self.shards,
            self.scores.parts,
            self.settings.reading,
            self.inspection,
        )
        return gather(self.engine, source, block, first, prefix)

    def _chooser(self) -> Chooser:
        select = self.select
        n_pool, groups = self._n_accepted, self._order.group_names
        parts, part_of = self._parts_of_budget()
        quotas = Quotas(
            select.budget, n_pool, parts, select.max_per_group, rounded=self._strata is not None
        )
        duplicates = Duplicates(select.dedup, select.near_threshold)
        return Chooser(quotas, duplicates, part_of, lambda block: _group_names(block, groups))

    @property
    def _n_accepted(self) -> int:
        return self.scores.n_rows - self.scores.n_rejected

    def _parts_of_budget(self) -> tuple[dict[str, float], Namer]:
        """Parts of the budget, and which part each candidate counts against."""
        scorer, strata, select = self.profile.scorer, self._strata, self.select
        if strata is not None:
            return strata.parts, lambda block: strata.names(block.alignment)
        if isinstance(scorer, FacetedScorer) and (select.mix or self._turns):
            names = scorer.names
            shares = dict(select.mix) or {name: 1 / len(names) for name in names}
            return apportion(select.budget, self._n_accepted, shares), lambda block: [
                names[i] for i in block.facet.tolist()
            ]
        groups = self._order.group_names
        parts = apportion(select.budget, self._n_accepted, dict(select.quota))
        return parts, lambda block: _group_names(block, groups)

    @property
    def _turns(self) -> bool:
        return self.select.strategy == "coverage"

    @property
    def _is_diverse(self) -> bool:
        return self.select.strategy == "diverse"

    def _first_block(self, chooser: Chooser) -> tuple[int, int | None]:
        """Records, or bytes if that is less, that should suffice."""
        budget, limit = self.select.budget, chooser.quotas.whole.limit
        if budget.kind == "min_alignment":
            lowest = int(bins_of(np.array([limit]))[0])
            return max(1, int(self.ranking.n_records[lowest:].sum())), None
        factor = diverse.OVERSELECTION if self._is_diverse else 1 + _SPARE_SHARE
        wanted = int(limit * factor)
        if budget.kind in ("top_k", "fraction"):
            return wanted + _SPARE_RECORDS, None
        per_unit = BYTES_PER_TOKEN if budget.kind == "max_tokens" else 1
        return self.ranking.total_records + 1, wanted * per_unit + _SPARE_BYTES


def _group_names(block: Candidates, groups: Sequence[str]) -> list[str]:
    """The group of each candidate; an empty name for none."""
    return [groups[code] if code >= 0 else "" for code in block.group.tolist()]


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
