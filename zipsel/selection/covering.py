"""Runs ``cover`` over a pool: fetches each stage's candidates and takes what may be taken.

All candidates that the budget is expected to need are fetched at once, since each fetch may read
every shard; should leaks, copies or quotas leave the budget unfilled, each further stage fetches
its own. When candidates are fetched does not change which are taken.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from zipsel.console.messages import Log
from zipsel.selection.blocks import Blocks
from zipsel.selection.candidates import Candidates
from zipsel.selection.chooser import N_FOLLOWING, Chooser, Taken
from zipsel.selection.cover import GreedyCover
from zipsel.selection.gather import Fetched
from zipsel.selection.inspection import Features
from zipsel.selection.leak_search import LeakSearch
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
        log: Shows how the choice goes on.
    """

    def __init__(
        self,
        cover: GreedyCover,
        stream: OfferStream,
        shares: NDArray[np.float64],
        chooser: Chooser,
        fetch: Fetch,
        leaks: LeakSearch,
        log: Log,
    ) -> None:
        self._cover = cover
        self._stream = stream
        self._shares = shares
        self._chooser = chooser
        self._fetch = fetch
        self._leaks = leaks
        self._log = log
        self._fetched: Blocks[Fetched] = Blocks()

    def take(self, expected_bytes: float) -> Taken:
        """Take candidates until the budget is full or none is left.

        Args:
            expected_bytes: Text that the budget is expected to hold.
        """
        expected = end_of_stage(expected_bytes)
        self._offer(self._stream.until(expected))
        n_bytes = min(int(expected_bytes), int(self._cover.candidates.n_bytes.sum()))
        with self._log.progress("choosing", n_bytes) as progress:
            progress.under_way = self._cover.count_taken
            self._take(expected)
        return Taken(
            self._cover.candidates,
            self._cover.taken.values(),
            self._cover.next_in_line(N_FOLLOWING),
            list(self._fetched),
            self._cover.gains.values(),
            self._cover.first_ranks(),
        )

    def _take(self, expected: int) -> None:
        """Go through the stages; those up to the expected one have their candidates."""
        room = np.zeros(len(self._shares))
        before = 0
        for end in STAGE_ENDS.tolist():
            self._offer(self._stream.until(max(end, expected)))
            room += self._shares * (end - before)
            before = end
            self._cover.run_stage(end, room, self._considering, lambda: self._chooser.done)
            if self._chooser.done or (self._stream.ended and not self._cover.has_candidates):
                break

    def _offer(self, offers: Offers) -> None:
        """Fetch candidates and pass them on."""
        may = self._chooser.may_take(offers.candidates)
        offers = offers.take(may, self._stream.columns)
        block, first = offers.candidates, len(self._fetched)
        if len(block) == 0:
            return
        fetched = self._fetch(block, first)
        self._leaks.add(fetched.spooled)
        self._cover.offer(offers, fetched.spooled)
        self._fetched.append(fetched, len(block))

    def _considering(self, positions: NDArray[np.int64]) -> Callable[[int], bool]:
        """A function that takes the i-th of some candidates if it may be taken."""
        self._leaks.look_ahead(positions)
        features = [Features()] * len(positions)
        for fetched, which, places in self._fetched.split(positions):
            for i, found in zip(which.tolist(), fetched.look(places), strict=True):
                features[i] = found
        candidates = self._cover.candidates.take(positions)
        return self._chooser.considering(positions, candidates, features, self._leaks.find)
