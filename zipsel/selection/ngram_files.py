"""The n-grams of candidates, in the files that stand beside their spool files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zipsel.selection.spool import SpooledRows, ngrams_path
from zipsel.storage.columns import Columns, stretches

#: Bits of the place of an n-gram in its file.
_FILE_SHIFT = 40

#: Mapped files of n-grams; a process may map some 65,000.
_OPEN_FILES = 1024

#: n-grams that are added up at once.
_BLOCK_NGRAMS = 1 << 20


class NgramFiles:
    """The n-grams of a block of candidates, in the files beside their spool files."""

    def __init__(self, first: int, spooled: SpooledRows, columns: Columns) -> None:
        rows = spooled.rows
        self._first = first
        self._spooled = spooled
        self._paths = [ngrams_path(path) for path, _ in spooled.files]

        def places(some: slice) -> NDArray[np.int64]:
            place: NDArray[np.int64] = rows["file"][some].astype(np.int64) << _FILE_SHIFT
            place += rows["ngrams"][some]
            return place

        place = columns.compute(len(rows), np.int64, places)
        self._in_files = columns.argsort(place)
        firsts = np.arange(1, len(self._paths) + 1) << _FILE_SHIFT
        self._ends = np.searchsorted(place, firsts, sorter=self._in_files)
        self._map = lru_cache(maxsize=_OPEN_FILES)(_map_numbers)

    def of(self, places: NDArray[np.int64]) -> Iterator[NDArray[np.uint32]]:
        """Yield the n-grams of the candidates at some places of the block."""
        rows = self._spooled.rows[places]
        ends = rows["ngrams"] + rows["n_ngrams"]
        columns = (rows["file"].tolist(), rows["ngrams"].tolist(), ends.tolist())
        for file, start, end in zip(*columns, strict=True):
            yield self._map(self._paths[file])[start:end]

    def iter_sums(
        self, gains: NDArray[np.float64], entered: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Yield candidates and the sums of the gains of their n-grams, some at a time.

        Args:
            gains: Gain of each n-gram.
            entered: Which candidates of all are wanted; others may come with them.
        """
        rows, start = self._spooled.rows, 0
        for path, end in zip(self._paths, self._ends.tolist(), strict=True):
            of_file, start = self._in_files[start:end], end
            for some in stretches(len(of_file)):
                wanted = np.flatnonzero(entered[of_file[some] + self._first])
                if len(wanted):
                    places = of_file[some][int(wanted[0]) : int(wanted[-1]) + 1]
                    lengths = rows["n_ngrams"][places].astype(np.int64)
                    numbers = self._map(path)[int(rows["ngrams"][places[0]]) :]
                    yield from _iter_sums(gains, numbers, places + self._first, lengths)


def _map_numbers(path: str) -> NDArray[np.uint32]:
    """All n-grams of a file; the system reads them as they are used."""
    if os.path.getsize(path) == 0:  # which cannot be mapped
        return np.zeros(0, np.uint32)
    return np.memmap(path, np.uint32, "r").view(np.ndarray)


def _iter_sums(
    gains: NDArray[np.float64],
    numbers: NDArray[np.uint32],
    positions: NDArray[np.int64],
    lengths: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield candidates whose n-grams stand end to end, block by block, with their sums."""
    ends = np.cumsum(lengths)
    starts = ends - lengths
    for some in stretches_of(lengths):
        of_block = numbers[int(starts[some][0]) : int(ends[some][-1])]
        yield positions[some], sums_of_each(gains, of_block, lengths[some])


def stretches_of(lengths: NDArray[np.int64]) -> Iterator[slice]:
    """Cut texts of so many n-grams into stretches of which all n-grams may be in memory."""
    ends = np.cumsum(lengths)
    first = 0
    while first < len(lengths):
        limit = int(ends[first] - lengths[first]) + _BLOCK_NGRAMS
        end = max(first + 1, int(np.searchsorted(ends, limit, "right")))
        yield slice(first, end)
        first = end


def sums_of_each(
    gains: NDArray[np.float64], numbers: NDArray[np.uint32], lengths: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The sum of the gains of each text's n-grams, which stand end to end."""
    sums = np.zeros(len(lengths))
    filled = np.flatnonzero(lengths)
    if len(filled):
        starts = np.cumsum(lengths) - lengths
        sums[filled] = np.add.reduceat(gains[numbers], starts[filled])
    return sums
