"""What was considered and what was chosen, for writers and report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zipsel.console.safe_text import printable
from zipsel.pool.shards import Shard
from zipsel.readers.reading import TextSpec
from zipsel.selection.candidates import Candidates
from zipsel.selection.chosen_rows import Chosen
from zipsel.selection.leaks import Leak
from zipsel.selection.quotas import Shortfall
from zipsel.selection.spool import Spool
from zipsel.storage.columns import IN_MEMORY, Columns


@dataclass
class Selection:
    """What was considered and what was chosen.

    Attributes:
        candidates: Everything fetched, in the order in which it was offered.
        taken: Positions of the chosen among them, best first: by alignment, or in the order in
            which ``cover`` took them.
        spool: Holds their rows.
        leaks: Position of a candidate → what leaked.
        copies: Position of each candidate that is a copy, ascending, and the position of the taken
            record that it is a copy of, int64 ``(n_copies, 2)``.
        shortfalls: Parts of the budget that were not filled.
        full: Whether the budget was reached before the ranking ended.
        following: Positions of the first candidates past the budget, best first.
        gains: As ``Taken.gains``.
        first_ranks: As ``Taken.first_ranks``.
        columns: Holds the candidates.
    """

    candidates: Candidates
    taken: NDArray[np.int64]
    spool: Spool
    leaks: dict[int, Leak]
    copies: NDArray[np.int64]
    shortfalls: list[Shortfall]
    full: bool
    following: NDArray[np.int64]
    gains: NDArray[np.float64] | None = None
    first_ranks: NDArray[np.int64] | None = None
    columns: Columns = IN_MEMORY

    @property
    def n_duplicates(self) -> int:
        """Candidates left out as copies."""
        return len(self.copies)

    @cached_property
    def chosen(self) -> Candidates:
        """The chosen records, best first."""
        return self.candidates.take(self.taken, self.columns)

    @property
    def text_hashes(self) -> NDArray[np.uint64]:
        """Of the text of each chosen record, best first; equal for equal texts."""
        return self.columns.compute(
            len(self.taken), np.uint64, lambda some: self.spool.text_hashes(self.taken[some])
        )

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
        chosen, positions, gains = self.chosen, self.taken, self.gains
        if order == "input":
            by_place = self.columns.argsort(chosen.places(self.columns))
            chosen, positions = chosen.take(by_place, self.columns), positions[by_place]
            gains = None if gains is None else gains[by_place]
        return Chosen(positions, chosen.alignment, chosen.n_bytes, self.spool, gains)
