"""Runs ``cover`` over a pool: fetches each stage's candidates and takes what may be taken.

All candidates that the budget is expected to need are fetched at once, since each fetch may read
every shard; should leaks, copies or quotas leave the budget unfilled, each further stage fetches
its own. When candidates are fetched does not change which are taken.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from zipsel.selection.candidates import Candidates
from zipsel.selection.chooser import N_FOLLOWING, Chooser, Taken
from zipsel.selection.cover import GreedyCover
from zipsel.selection.gather import Fetched
from zipsel.selection.leak_search import LeakSearch
from zipsel.selection.leaks import Leak
from zipsel.selection.offers import STAGE_ENDS, Offers, OfferStream, end_of_stage

#: Fetches candidates, the first of which has this position among all.
Fetch = Callable[[Candidates, int], Fetched]


class CoverRun:
    """A choice under way.

    Args:
        cover: Orders the candidates; nothing was taken yet.
        stream: The candidates.
        shares: Share of the budget that each part has, float64 ``(n_parts,)``.
        chooser: Says what may be taken.
        fetch: Fetches candidates with their n-grams.
        leaks: Looks for leaks in candidates that would be taken, a small part of those fetched.
    """

    def __init__(
        self,
        cover: GreedyCover,
        stream: OfferStream,
        shares: NDArray[np.float64],
        chooser: Chooser,
        fetch: Fetch,
        leaks: LeakSearch,
    ) -> None:
        self._cover = cover
        self._stream = stream
        self._shares = shares
        self._chooser = chooser
        self._fetch = fetch
        self._leaks = leaks
        self._fetched: list[Fetched] = []
        #: Position of the first candidate of each block, and what takes its candidates.
        self._firsts: list[int] = []
        self._considers: list[Callable[[int], bool]] = []
        self._n_candidates = 0

    def take(self, expected_bytes: float) -> Taken:
        """Take candidates until the budget is full or none is left.

        Args:
            expected_bytes: Text that the budget is expected to hold.
        """
        expected = end_of_stage(expected_bytes)
        room = np.zeros(len(self._shares))
        before = 0
        for end in STAGE_ENDS.tolist():
            self._offer(self._stream.until(max(end, expected)))
            room += self._shares * (end - before)
            before = end
            look_ahead = self._leaks.look_ahead if self._leaks.looks_ahead else None
            self._cover.run_stage(end, room, self._consider, lambda: self._chooser.done, look_ahead)
            if self._chooser.done or (self._stream.ended and not self._cover.has_candidates):
                break
        return Taken(
            self._cover.candidates,
            self._cover.taken.values(),
            self._cover.next_in_line(N_FOLLOWING),
            self._fetched,
            self._cover.gains.values(),
            self._cover.code.first_rank,
        )

    def _offer(self, offers: Offers) -> None:
        """Fetch candidates and pass them on."""
        may = self._chooser.may_take(offers.candidates)
        offers = offers.take(may, self._stream.columns)
        block, first = offers.candidates, self._n_candidates
        if len(block) == 0:
            return
        fetched = self._fetch(block, first)
        self._leaks.add(fetched.spooled)

        def find_leak(i: int) -> Leak | None:
            return self._leaks.find(first + i)

        self._considers.append(self._chooser.considering(block, fetched.look, first, find_leak))
        self._firsts.append(first)
        self._cover.offer(offers, fetched.spooled)
        self._fetched.append(fetched)
        self._n_candidates += len(block)

    def _consider(self, position: int) -> bool:
        """Take a candidate if it may be taken."""
        block = bisect_right(self._firsts, position) - 1
        return self._considers[block](position - self._firsts[block])
