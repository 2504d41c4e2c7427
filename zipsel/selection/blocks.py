"""Blocks of candidates, one after the other: which of them holds a candidate, and where."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Blocks(Generic[T]):
    """What is known of each block; candidates are counted through all blocks."""

    def __init__(self) -> None:
        self._blocks: list[T] = []
        self._firsts: list[int] = []
        self._n_candidates = 0

    def __len__(self) -> int:
        """Candidates of all blocks."""
        return self._n_candidates

    def __iter__(self) -> Iterator[T]:
        """Each block."""
        return iter(self._blocks)

    def append(self, block: T, n_candidates: int) -> None:
        """Add a block of so many candidates."""
        self._blocks.append(block)
        self._firsts.append(self._n_candidates)
        self._n_candidates += n_candidates

    def find(self, position: int) -> tuple[T, int]:
        """The block that holds a candidate, and its place there."""
        number = bisect_right(self._firsts, position) - 1
        return self._blocks[number], position - self._firsts[number]

    def split(
        self, positions: NDArray[np.int64]
    ) -> Iterator[tuple[T, NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the blocks that hold some candidates, which of these each holds, and where."""
        numbers = np.searchsorted(self._firsts, positions, side="right") - 1
        for number in np.unique(numbers).tolist():
            which = np.flatnonzero(numbers == number)
            yield self._blocks[number], which, positions[which] - self._firsts[number]
