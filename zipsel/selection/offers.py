"""The candidates of ``cover``, in the stages in which they enter.

A stage is a range of bytes taken: the first ends at ``FIRST_STAGE_BYTES``, every second one at
twice the bytes. In a stage that ends at s bytes the candidates are the best by alignment, s times
``CANDIDATE_FACTOR`` bytes of them. Where the budget has parts (quotas, a mixture), every part has
its share of these bytes, found among ``_READ_AHEAD`` times as many bytes of the ranking: a part
that is rarer than that gets its candidates in later stages. Nothing of this depends on the budget.

A record with the alignment and the length of a better-placed one is most likely its copy. It does
not count, so that a pool full of copies offers as much choice as another, and enters
``_DELAY`` stages later, so that few copies are fetched. Where only so many records of a group may
be taken, ``CANDIDATE_FACTOR`` times as many of it are choice enough; those beyond are treated as
copies are, so that no group fills the stages with records that can never be taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zipsel.selection.candidates import Candidates
from zipsel.selection.strategies import CANDIDATE_FACTOR
from zipsel.storage.columns import IN_MEMORY, Columns

#: Bytes at the end of the first stage.
FIRST_STAGE_BYTES = 1 << 17

#: Ends of all stages, in bytes taken; the last is beyond any pool.
STAGE_ENDS = np.rint(FIRST_STAGE_BYTES * 2 ** (np.arange(80) / 2)).astype(np.int64)

#: Bytes of the ranking that are read for each byte of candidates.
_READ_AHEAD = 16

#: Stages, of which two double the bytes, that a likely copy waits.
_DELAY = 6


def stage_of(n_bytes: float) -> int:
    """Number of the stage in which so many bytes are reached."""
    return int(np.searchsorted(STAGE_ENDS, n_bytes))


def end_of_stage(n_bytes: float) -> int:
    """End of the stage in which so many bytes are reached."""
    return int(STAGE_ENDS[stage_of(n_bytes)])


@dataclass(frozen=True)
class Offers:
    """Candidates with the stage in which they enter; every array has one element a candidate.

    Attributes:
        candidates: The records.
        stage: Index into ``STAGE_ENDS`` of the stage in which each enters, int8.
        part: Number of the part of the budget that each counts against, int32.
    """

    candidates: Candidates
    stage: NDArray[np.int8]
    part: NDArray[np.int32]

    @classmethod
    def join(cls, offers: Sequence[Offers], columns: Columns) -> Offers:
        """One after the other."""
        return cls(
            Candidates.concatenate([one.candidates for one in offers], columns),
            columns.concatenate([one.stage for one in offers], np.int8),
            columns.concatenate([one.part for one in offers], np.int32),
        )

    def take(self, which: NDArray[np.bool_], columns: Columns) -> Offers:
        """The candidates under a mask; themselves if these are all."""
        if which.all():
            return self
        at = columns.flatnonzero(which)
        candidates = self.candidates.take(at, columns)
        return Offers(candidates, columns.take(self.stage, at), columns.take(self.part, at))


class OfferStream:
    """Reads a ranking as far as the stages need it.

    Args:
        blocks: The ranking, best first.
        shares: Share of the budget that each part has, float64 ``(n_parts,)``.
        part_of: Part of each candidate, int32; -1 for those that no part takes.
        max_per_group: Records of one group that may be taken; None for any number.
        columns: Holds the candidates.
    """

    def __init__(
        self,
        blocks: Iterator[Candidates],
        shares: NDArray[np.float64],
        part_of: Callable[[Candidates], NDArray[np.int32]],
        max_per_group: int | None = None,
        columns: Columns = IN_MEMORY,
    ) -> None:
        self.columns = columns
        self._per_group = None if max_per_group is None else CANDIDATE_FACTOR * max_per_group
        #: Candidates of each group that counted so far, by its code + 1.
        self._of_group = np.zeros(0, np.int64)
        self._blocks = blocks
        self._shares = shares
        self._part_of = part_of
        #: Bytes of text read of each part and of all, copies once.
        self._read = np.zeros(len(shares), np.int64)
        self._read_in_all = 0
        self._waiting: list[Offers] = []
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether everything was offered."""
        return self._ended and not self._waiting

    def until(self, end_bytes: int) -> Offers:
        """What enters up to the stage that ends at ``end_bytes`` and was not offered yet."""
        wanted = CANDIDATE_FACTOR * end_bytes * self._shares
        limit = _READ_AHEAD * CANDIDATE_FACTOR * end_bytes
        while not self._ended and (self._read < wanted).any() and self._read_in_all < limit:
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
            else:
                self._waiting.append(self._enter(block))
        last = stage_of(end_bytes)
        entering = [one.take(one.stage <= last, self.columns) for one in self._waiting]
        waiting = [one.take(one.stage > last, self.columns) for one in self._waiting]
        self._waiting = [one for one in waiting if len(one.stage)]
        return Offers.join(entering, self.columns)

    def _enter(self, block: Candidates) -> Offers:
        """The candidates of a block with their stages."""
        columns = self.columns
        part = columns.compute(len(block), np.int32, lambda some: self._part_of(block.cut(some)))
        if len(part) and part.min() < 0:
            at = columns.flatnonzero(part >= 0)
            block, part = block.take(at, columns), columns.take(part, at)
        is_first = FirstOfCopies()

        def stages_of(some: slice) -> NDArray[np.int64]:
            counts = is_first.among(block.alignment[some], block.n_bytes[some])
            counts = self._leave_out_crowded(counts, block.group[some])
            return self._stages_of(counts, block.n_bytes[some], part[some])

        return Offers(block, columns.compute(len(block), np.int8, stages_of), part)

    def _leave_out_crowded(
        self, is_first: NDArray[np.bool_], group: NDArray[np.int32]
    ) -> NDArray[np.bool_]:
        """The next candidates that count: those of groups that have not offered enough yet."""
        if self._per_group is None:
            return is_first
        n_new = max(0, int(group.max()) + 2 - len(self._of_group))
        self._of_group = np.append(self._of_group, np.zeros(n_new, np.int64))
        before = _sums_before(is_first.astype(np.int64), group + 1, self._of_group)
        return is_first & (before < self._per_group)

    def _stages_of(
        self, counts: NDArray[np.bool_], n_bytes: NDArray[np.int64], part: NDArray[np.int32]
    ) -> NDArray[np.int64]:
        """Stages of the next candidates, of which some count; notes what is read of them."""
        n_bytes = np.where(counts, n_bytes, 0)
        in_all = self._read_in_all + np.cumsum(n_bytes)
        before = (in_all - n_bytes) / _READ_AHEAD
        self._read_in_all += int(n_bytes.sum())
        of_part = _sums_before(n_bytes, part, self._read)
        before = np.maximum(before, of_part / self._shares[part])
        stage = np.searchsorted(STAGE_ENDS * CANDIDATE_FACTOR, before, side="right")
        stage += np.where(counts, 0, _DELAY)
        return np.minimum(stage, len(STAGE_ENDS) - 1)


def _sums_before(
    values: NDArray[np.int64], kinds: NDArray[np.int32], totals: NDArray[np.int64]
) -> NDArray[np.int64]:
    """What each kind adds up to before each value, int64; a sum goes on from the kind's total.

    Args:
        values: Numbers to add up.
        kinds: Kind of each, an index into ``totals``.
        totals: Sum of each kind before these values; changed to that after them.
    """
    in_kinds = np.argsort(kinds, kind="stable")
    ordered, kind = values[in_kinds], kinds[in_kinds]
    starts = np.flatnonzero(np.diff(kind, prepend=-1))
    sums = np.cumsum(ordered) - ordered
    sums += np.repeat(totals[kind[starts]] - sums[starts], np.diff(starts, append=len(kind)))
    totals[kind[starts]] += np.add.reduceat(ordered, starts)
    before = np.empty_like(sums)
    before[in_kinds] = sums
    return before


class FirstOfCopies:
    """Tells which candidates, best first, are the first of their alignment and length."""

    def __init__(self) -> None:
        #: Alignment of the last candidate, and the lengths that were met with it.
        self._alignment = np.nan
        self._lengths = np.zeros(0, np.int64)

    def among(
        self, alignment: NDArray[np.float64], n_bytes: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which of the next candidates are the first."""
        is_first = np.ones(len(alignment), bool)
        again = alignment == self._alignment
        is_first[again] = ~np.isin(n_bytes[again], self._lengths)
        equal = alignment[1:] == alignment[:-1]
        places = np.flatnonzero(np.append(equal, False) | np.append(False, equal))
        order = places[np.lexsort((n_bytes[places], alignment[places]))]  # the first stays first
        is_copy = alignment[order[1:]] == alignment[order[:-1]]
        is_copy &= n_bytes[order[1:]] == n_bytes[order[:-1]]
        is_first[order[1:][is_copy]] = False
        of_last = alignment == alignment[-1]
        known = self._lengths if again[-1] else np.zeros(0, np.int64)
        self._alignment = alignment[-1]
        self._lengths = np.union1d(known, n_bytes[of_last])
        return is_first
