"""The candidates of ``cover``, in the stages in which they enter.

A stage is a range of bytes taken: the first ends at ``FIRST_STAGE_BYTES``, every second one at
twice the bytes. In a stage that ends at s bytes the candidates are the best by alignment, s times
``CANDIDATE_FACTOR`` bytes of them. Where the budget has parts (quotas, a mixture), every part has
its share of these bytes, found among ``_READ_AHEAD`` times as many bytes of the ranking: a part
that is rarer than that gets its candidates in later stages. Nothing of this depends on the budget.

A record with the alignment and the length of a better-placed one is most likely its copy. It does
not count, so that a pool full of copies offers as much choice as another, and enters
``_TWIN_DELAY`` stages later, so that few copies are fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zipsel.selection.ranking import Candidates
from zipsel.selection.strategies import CANDIDATE_FACTOR

#: Bytes at the end of the first stage.
FIRST_STAGE_BYTES = 1 << 17

#: Ends of all stages, in bytes taken; the last is beyond any pool.
STAGE_ENDS = np.rint(FIRST_STAGE_BYTES * 2 ** (np.arange(80) / 2)).astype(np.int64)

#: Bytes of the ranking that are read for each byte of candidates.
_READ_AHEAD = 16

#: Stages, of which two double the bytes, that a likely copy waits for.
_TWIN_DELAY = 6


def end_of_stage(n_bytes: float) -> int:
    """End of the stage in which so many bytes are reached."""
    return int(STAGE_ENDS[np.searchsorted(STAGE_ENDS, n_bytes)])


@dataclass(frozen=True)
class Offers:
    """Candidates with the stage in which they enter; every array has one element a candidate.

    Attributes:
        candidates: The records.
        enters: End of the stage in which each enters, int64.
        part: Number of the part of the budget that each counts against, int64.
    """

    candidates: Candidates
    enters: NDArray[np.int64]
    part: NDArray[np.int64]

    @classmethod
    def none(cls) -> Offers:
        """No candidates."""
        return cls(Candidates.concatenate([]), np.zeros(0, np.int64), np.zeros(0, np.int64))

    @classmethod
    def join(cls, offers: Sequence[Offers]) -> Offers:
        """One after the other."""
        return cls(
            Candidates.concatenate([one.candidates for one in offers]),
            np.concatenate([one.enters for one in offers]),
            np.concatenate([one.part for one in offers]),
        )

    def take(self, which: NDArray[np.bool_]) -> Offers:
        """The candidates under a mask."""
        return Offers(self.candidates.take(which), self.enters[which], self.part[which])


class OfferStream:
    """Reads a ranking as far as the stages need it.

    Args:
        blocks: The ranking, best first.
        shares: Share of the budget that each part has, float64 ``(n_parts,)``.
        part_of: Part of each candidate, int64; -1 for those that no part takes.
    """

    def __init__(
        self,
        blocks: Iterator[Candidates],
        shares: NDArray[np.float64],
        part_of: Callable[[Candidates], NDArray[np.int64]],
    ) -> None:
        self._blocks = blocks
        self._shares = shares
        self._part_of = part_of
        #: Bytes of text read of each part and of all, copies once.
        self._read = np.zeros(len(shares), np.int64)
        self._read_in_all = 0
        self._waiting = Offers.none()
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether everything was offered."""
        return self._ended and len(self._waiting.enters) == 0

    def until(self, end_bytes: int) -> Offers:
        """What enters up to the stage that ends at ``end_bytes`` and was not offered yet."""
        wanted = CANDIDATE_FACTOR * end_bytes * self._shares
        limit = _READ_AHEAD * CANDIDATE_FACTOR * end_bytes
        while not self._ended and (self._read < wanted).any() and self._read_in_all < limit:
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
            else:
                self._waiting = Offers.join([self._waiting, self._enter(block)])
        enters = self._waiting.enters <= end_bytes
        offered, self._waiting = self._waiting.take(enters), self._waiting.take(~enters)
        return offered

    def _enter(self, block: Candidates) -> Offers:
        """The candidates of a block with their stages."""
        part = self._part_of(block)
        block, part = block.take(part >= 0), part[part >= 0]
        is_first = _is_first(block)
        n_bytes = np.where(is_first, block.n_bytes, 0)
        in_all = self._read_in_all + np.cumsum(n_bytes)
        before = (in_all - n_bytes) / _READ_AHEAD
        self._read_in_all += int(n_bytes.sum())
        for number, share in enumerate(self._shares.tolist()):
            mine = np.flatnonzero(part == number)
            ends = self._read[number] + np.cumsum(n_bytes[mine])
            before[mine] = np.maximum(before[mine], (ends - n_bytes[mine]) / share)
            self._read[number] += int(n_bytes[mine].sum())
        stage = np.searchsorted(STAGE_ENDS * CANDIDATE_FACTOR, before, side="right")
        stage += np.where(is_first, 0, _TWIN_DELAY)
        return Offers(block, STAGE_ENDS[np.minimum(stage, len(STAGE_ENDS) - 1)], part)


def _is_first(block: Candidates) -> NDArray[np.bool_]:
    """Which candidates are the first of their alignment and length."""
    order = np.lexsort((block.n_bytes, block.alignment))  # stable: the first stays first
    alignment, n_bytes = block.alignment[order], block.n_bytes[order]
    is_first = np.ones(len(block), bool)
    is_first[order[1:]] = (alignment[1:] != alignment[:-1]) | (n_bytes[1:] != n_bytes[:-1])
    return is_first
