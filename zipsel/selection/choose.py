"""The composition: refuse leaks → deduplicate → quotas → budget, in the strategy's order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zipsel.ranking import Candidates
from zipsel.selection.duplicates import Duplicates
from zipsel.selection.inspect import Features
from zipsel.selection.leaks import Leak
from zipsel.selection.quotas import Quotas

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
