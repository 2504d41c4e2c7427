"""What may be taken: no leaks, no copies, within quotas and budget, in the strategy's order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zipsel.selection.duplicates import Duplicates
from zipsel.selection.inspection import Features
from zipsel.selection.leaks import Leak
from zipsel.selection.quotas import Quotas
from zipsel.selection.ranking import Candidates
from zipsel.selection.spool import SpoolFile

#: Names the part of the budget that each candidate counts against, or its group.
Namer = Callable[[Candidates], list[str]]

#: Candidates past the budget that a choice names, for the report.
N_FOLLOWING = 5


class Taken(NamedTuple):
    """What a strategy took.

    Attributes:
        candidates: Everything fetched, in the order in which it was offered.
        positions: Positions of the chosen among them, best first, int64.
        following: Positions of the first candidates past the budget, best first, int64.
        files: Hold the candidates' rows.
        gains: What each of the chosen added to the subset, in bits per n-gram of the target,
            float64; None where the strategy looks at each record alone.
        first_ranks: Rank of the first record taken that holds each n-gram of the target, 0 where
            none does, int64 ``(n_ngrams,)``; None likewise.
    """

    candidates: Candidates
    positions: NDArray[np.int64]
    following: NDArray[np.int64]
    files: list[SpoolFile]
    gains: NDArray[np.float64] | None = None
    first_ranks: NDArray[np.int64] | None = None


def features_in_order(files: Sequence[SpoolFile], first: int, n_candidates: int) -> list[Features]:
    """Features of consecutive candidates, from the spool files that hold them."""
    features = [Features()] * n_candidates
    for file in files:
        for rank, feature in zip(file.ranks.tolist(), file.features, strict=True):
            features[rank - first] = feature
    return features


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
        self,
        block: Candidates,
        features: Sequence[Features],
        first: int,
        find_leak: Callable[[int], Leak | None] | None = None,
    ) -> Callable[[int], bool]:
        """A function that takes the i-th candidate of a block if it may be taken.

        Args:
            block: The candidates.
            features: What was found out about each.
            first: Position of the first of them among all.
            find_leak: Looks for a leak in the candidate at a position; None if ``features`` say.
        """
        parts, groups = self.part_of(block), self.group_of(block)
        alignments, lengths = block.alignment.tolist(), block.n_bytes.tolist()

        def consider(i: int) -> bool:
            found = features[i]
            if self.done or not self.quotas.is_open(parts[i], groups[i]):
                return False
            original = self.duplicates.find(found.digest, found.minhash)
            leak = found.leak
            if find_leak is not None and original is None:
                leak = find_leak(first + i)
            if leak is not None:
                self.leaks[first + i] = leak
                return False
            if original is not None:
                self.copies[first + i] = original
                return False
            record = (alignments[i], lengths[i], found.n_tokens)
            if not self.quotas.admit(parts[i], groups[i], *record):
                return False
            self.duplicates.add(first + i, found.digest, found.minhash)
            return True

        return consider
