"""The composition: refuse duplicates → count against the budget, in rank order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from zipsel.ranking import Candidates
from zipsel.selection.budgets import Budget, Meter
from zipsel.selection.inspect import Features


@dataclass
class Chooser:
    """Takes candidates block by block, best first, until the budget is full.

    Attributes:
        meter: The budget and what of it is used.
        dedup: Whether to leave out texts that equal an earlier one.
    """

    meter: Meter
    dedup: bool
    n_duplicates: int = 0
    _seen: set[bytes] = field(default_factory=set)

    @classmethod
    def for_budget(cls, budget: Budget, n_pool: int, *, dedup: bool) -> Chooser:
        """Begin with nothing chosen."""
        return cls(Meter(budget, n_pool), dedup)

    @property
    def done(self) -> bool:
        """Whether no further candidate could be taken."""
        return self.meter.full

    def choose(self, block: Candidates, features: Sequence[Features]) -> np.ndarray:
        """Positions in the block of the records taken, ascending, int64."""
        taken: list[int] = []
        alignments, lengths = block.alignment.tolist(), block.n_bytes.tolist()
        for i, (alignment, n_bytes, feature) in enumerate(
            zip(alignments, lengths, features, strict=True)
        ):
            if self.meter.full:
                break
            if self.dedup and feature.digest in self._seen:
                self.n_duplicates += 1
                continue
            if self.meter.admit(alignment, n_bytes, feature.n_tokens):
                taken.append(i)
                if self.dedup:
                    self._seen.add(feature.digest)
        return np.array(taken, np.int64)
