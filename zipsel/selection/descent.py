"""In what order a stage of ``cover`` looks at its candidates: by bounds, as a threshold descends.

A round looks at all candidates whose bounds are at least ``DESCENT`` times the highest. The
candidates are put in order once; those that a round looked at and left wait beside the others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from zipsel.storage.columns import Columns, stretches

#: Gain, as a share of the best one, from which on a text is taken.
DESCENT = 0.9


class Descent:
    """The rounds of one stage.

    Args:
        positions: Positions of the stage's candidates, ascending.
        bounds: Bound of each candidate of all, which falls when a candidate is looked at.
        in_order: Puts positions, which ascend, in the order in which they are looked at; returns
            them and their bounds, negated.
        columns: Holds the positions.
    """

    def __init__(
        self,
        positions: NDArray[np.int64],
        bounds: NDArray[np.float64],
        in_order: Callable[[NDArray[np.int64]], tuple[NDArray[np.int64], NDArray[np.float64]]],
        columns: Columns,
    ) -> None:
        self._bounds = bounds
        self._in_order = in_order
        self._columns = columns
        #: Candidates that were not looked at in this stage, and their bounds, negated.
        self._fresh, self._keys = in_order(positions)
        self._n_used = 0
        #: Candidates that were, and whose bounds were too low then.
        self._again = np.zeros(0, np.int64)
        self._threshold = 0.0
        self._round = self._again

    def next_round(
        self, has_room: NDArray[np.bool_], part: NDArray[np.int32]
    ) -> tuple[float, NDArray[np.int64]]:
        """The least gain of the next round, and the positions to look at; none at the end.

        Args:
            has_room: Whether each part of the budget takes texts; none that does not will do so
                again in this stage.
            part: Part that each candidate of all counts against.
        """
        columns, bounds = self._columns, self._bounds
        self._skip_closed(has_room, part)
        again = self._take(self._again, lambda some: has_room[part[some]])
        highest = -float(self._keys[self._n_used]) if self._n_used < len(self._keys) else -np.inf
        for some in stretches(len(again)):
            highest = max(highest, float(bounds[again[some]].max()))
        self._threshold = DESCENT * highest
        end = max(self._n_used, int(np.searchsorted(self._keys, -self._threshold, side="right")))
        positions, self._n_used = self._fresh[self._n_used : end], end
        due = self._take(again, lambda some: bounds[some] >= self._threshold)
        if len(due):
            self._again = self._take(again, lambda some: bounds[some] < self._threshold)
            positions = columns.concatenate([positions, due], np.int64)
            positions.sort()
            positions, _ = self._in_order(positions)
        else:
            self._again = again
        self._round = positions
        return self._threshold, positions

    def _skip_closed(self, has_room: NDArray[np.bool_], part: NDArray[np.int32]) -> None:
        """Pass over the next candidates as long as their parts have no room."""
        while self._n_used < len(self._fresh):
            some = self._fresh[self._n_used :][next(stretches(len(self._fresh) - self._n_used))]
            is_open = has_room[part[some]]
            if is_open.any():
                self._n_used += int(is_open.argmax())
                return
            self._n_used += len(some)

    def end_round(self, left: NDArray[np.bool_]) -> None:
        """Keep those candidates of the round that are left, neither taken nor refused."""
        bounds = self._bounds

        def wait(some: NDArray[np.int64]) -> NDArray[np.bool_]:
            return left[some] & (bounds[some] < self._threshold)

        waiting = self._take(self._round, wait)
        self._again = self._columns.concatenate([self._again, waiting], np.int64)

    def _take(
        self,
        positions: NDArray[np.int64],
        are_taken: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
    ) -> NDArray[np.int64]:
        """Those of some positions of which a function says so."""
        if len(positions) == 0:
            return positions
        columns = self._columns
        mask = columns.compute(len(positions), bool, lambda some: are_taken(positions[some]))
        return positions if mask.all() else columns.take(positions, columns.flatnonzero(mask))
