"""What may be taken: no leaks, no copies, within quotas and budget, in the strategy's order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zipsel.selection.candidates import Candidates
from zipsel.selection.duplicates import Duplicates
from zipsel.selection.gather import Fetched
from zipsel.selection.inspection import Features
from zipsel.selection.leaks import Leak
from zipsel.selection.quotas import Quotas
from zipsel.selection.strategies import BudgetParts
from zipsel.storage.columns import IN_MEMORY, Columns, Growing

#: Candidates past the budget that a choice names, for the report.
N_FOLLOWING = 5

#: Candidates of which there are Python objects at once, where they are considered as they come.
_SLICE = 1 << 10


class Taken(NamedTuple):
    """What a strategy took.

    Attributes:
        candidates: Everything fetched, in the order in which it was offered.
        positions: Positions of the chosen among them, best first, int64.
        following: Positions of the first candidates past the budget, best first, int64.
        fetched: The candidates' rows, in the order in which they were offered.
        gains: What each of the chosen added to the subset, in bits per n-gram of the target,
            float64; None where the strategy looks at each record alone.
        first_ranks: Rank of the first record taken that holds each n-gram of the target, 0 where
            none does, int64 ``(n_ngrams,)``; None likewise.
    """

    candidates: Candidates
    positions: NDArray[np.int64]
    following: NDArray[np.int64]
    fetched: list[Fetched]
    gains: NDArray[np.float64] | None = None
    first_ranks: NDArray[np.int64] | None = None


@dataclass
class Chooser:
    """Takes candidates block by block until the budget is full.

    Attributes:
        quotas: The budget and its parts.
        duplicates: What was taken, to recognize copies.
        parts: Parts of the budget, and which each candidate counts against.
        group_names: Name of the group of each code, of which only so many may be taken; the last
            name is for candidates of none.
        columns: Holds what is known of many candidates.
        leaks: Position → what leaked, of candidates refused for it.
        copies: Positions of refused copies, each followed by the position of the taken record
            that it is a copy of.
    """

    quotas: Quotas
    duplicates: Duplicates
    parts: BudgetParts
    group_names: Callable[[], Sequence[str]]
    columns: Columns = IN_MEMORY
    leaks: dict[int, Leak] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin without copies."""
        self.copies = Growing(self.columns, "q")

    @property
    def done(self) -> bool:
        """Whether no further candidate could be taken."""
        return self.quotas.full

    def may_take(self, block: Candidates) -> NDArray[np.bool_]:
        """Which candidates need a look: those whose part of the budget and group have room."""
        part_is_open = np.array([self.quotas.has_part(name) for name in self.parts.names()], bool)
        group_is_open = np.array([self.quotas.has_group(name) for name in self.group_names()], bool)

        def are_open(some: slice) -> NDArray[np.bool_]:
            candidates = block.cut(some)
            may: NDArray[np.bool_] = part_is_open[self.parts.numbers(candidates)]
            may &= group_is_open[candidates.group]
            return may

        return IN_MEMORY.compute(len(block), bool, are_open)

    def not_refused(self, positions: range, n_most: int) -> NDArray[np.int64]:
        """The first of some positions whose candidates are no leaks and no copies."""
        copies = self.copies.values()[::2]
        refused = {*copies[copies >= positions.start].tolist(), *self.leaks}
        others = (position for position in positions if position not in refused)
        return np.array(list(islice(others, n_most)), np.int64)

    def take_in_order(self, block: Candidates, fetched: Fetched) -> NDArray[np.int64]:
        """Consider a block as it comes; positions of those taken, ascending, int64."""
        taken = Growing(self.columns, "q")
        for start in range(0, len(block), _SLICE):
            places = np.arange(start, min(len(block), start + _SLICE))
            positions = places + fetched.first
            consider = self.considering(positions, block.take(places), fetched.look(places))
            for i, position in enumerate(positions.tolist()):
                if self.done:
                    return taken.values()
                if consider(i):
                    taken.append(position)
        return taken.values()

    def considering(
        self,
        positions: NDArray[np.int64],
        candidates: Candidates,
        features: Sequence[Features],
        find_leak: Callable[[int], Leak | None] | None = None,
    ) -> Callable[[int], bool]:
        """A function that takes the i-th of some candidates if it may be taken.

        Args:
            positions: Position of each among all candidates.
            candidates: What their rows say.
            features: What their texts say.
            find_leak: Finds the leak in a candidate, by its position; None where ``features``
                name leaks.
        """
        part_names, group_names = self.parts.names(), self.group_names()
        known = list(
            zip(
                positions.tolist(),
                [part_names[number] for number in self.parts.numbers(candidates).tolist()],
                [group_names[code] for code in candidates.group.tolist()],
                candidates.alignment.tolist(),
                candidates.n_bytes.tolist(),
                features,
                strict=True,
            )
        )

        def consider(i: int) -> bool:
            position, part, group, alignment, n_bytes, found = known[i]
            if self.done or not self.quotas.is_open(part, group):
                return False
            if self.quotas.whole.end_below(alignment):  # also before a leak or a copy
                return False
            digest, n_tokens, leak, minhash = found
            original = self.duplicates.find(digest, minhash)
            if find_leak is not None and original is None:
                leak = find_leak(position)
            if leak is not None:
                self.leaks[position] = leak
                return False
            if original is not None:
                self.copies.append(position)
                self.copies.append(original)
                return False
            if not self.quotas.admit(part, group, alignment, n_bytes, n_tokens):
                return False
            self.duplicates.add(position, digest, minhash)
            return True

        return consider
