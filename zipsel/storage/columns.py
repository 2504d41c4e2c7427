"""Columns of numbers that need not fit into memory: arrays over files without names.

A choice among 1e9 candidates has tens of bytes of places, scores and digests for each. In files
the operating system keeps as much of them in memory as it has room for, and frees the rest. The
files have no names, so that nothing is left behind when a process ends, however it ends.

What is computed of columns is computed stretch by stretch (``stretches``), and sorted part by part.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from zipsel.errors import OutputError

#: Arrays up to this size stay in memory: a file would cost more than it saves.
_SMALL_BYTES = 1 << 20

#: Elements that are computed at once, and those that are sorted at once.
_STRETCH, _SORTED = 1 << 16, 1 << 18

#: Elements of a column that grows which are still in memory.
_UNWRITTEN = 1 << 18

#: Keys of a sample, by which the parts are cut that are sorted one by one.
_SAMPLE = 1 << 16


def stretches(n: int) -> Iterator[slice]:
    """Cut ``n`` elements into stretches that fit into memory."""
    for start in range(0, n, _STRETCH):
        yield slice(start, min(n, start + _STRETCH))


@dataclass(frozen=True)
class Columns:
    """Makes arrays.

    Attributes:
        folder: Where large arrays have their files; None to keep all in memory.
    """

    folder: str | None = None

    def zeros(self, n: int, dtype: DTypeLike) -> NDArray[Any]:
        """An array of zeros.

        Raises:
            OutputError: If the folder has no room for it.
        """
        n_bytes = n * np.dtype(dtype).itemsize
        if self.folder is None or n_bytes <= _SMALL_BYTES:
            return np.zeros(n, dtype)
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                _reserve(file.fileno(), n_bytes)
                return np.frombuffer(mmap.mmap(file.fileno(), n_bytes), dtype)
        except OSError as error:
            raise OutputError(
                f"cannot write {n_bytes / 1e6:,.0f} MB under {self.folder}: "
                f"{error.strerror or error}; the work directory can be elsewhere: --work-dir"
            ) from None

    def compute(
        self, n: int, dtype: DTypeLike, values: Callable[[slice], NDArray[Any] | float]
    ) -> NDArray[Any]:
        """An array whose values a function gives for each stretch."""
        computed = self.zeros(n, dtype)
        for stretch in stretches(n):
            computed[stretch] = values(stretch)
        return computed

    def take(self, array: NDArray[Any], at: NDArray[np.int64]) -> NDArray[Any]:
        """Elements of an array at some positions."""
        taken = self.zeros(len(at), array.dtype)
        if len(at):
            np.take(array, at, out=taken, mode="clip")  # which writes into ``taken`` at once
        return taken

    def flatnonzero(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Positions under a mask, ascending."""
        found, n_before = self.zeros(int(np.count_nonzero(mask)), np.int64), 0
        for stretch in stretches(len(mask)):
            some = np.flatnonzero(mask[stretch])
            found[n_before : n_before + len(some)] = some + stretch.start
            n_before += len(some)
        return found

    def argsort(self, keys: NDArray[Any]) -> NDArray[np.int64]:
        """Positions in ascending order of their keys, equal ones in the order in which they are."""
        if len(keys) <= _SORTED:
            return np.argsort(keys, kind="stable")
        sample = np.sort(keys[:: -(-len(keys) // _SAMPLE)])
        cuts = np.unique(sample[:: max(1, len(sample) * _SORTED // (2 * len(keys)))])

        def parts_of(stretch: slice) -> NDArray[np.int64]:
            """Parts by number: those of odd numbers hold keys that are equal to a cut."""
            of_stretch = keys[stretch]
            number = np.searchsorted(cuts, of_stretch)
            parts: NDArray[np.int64] = 2 * number
            parts += cuts.take(number, mode="clip") == of_stretch
            return parts

        part_of = self.compute(len(keys), np.int32, parts_of)
        sizes = np.zeros(2 * len(cuts) + 1, np.int64)
        for stretch in stretches(len(keys)):
            sizes += np.bincount(part_of[stretch], minlength=len(sizes))
        ends = np.cumsum(sizes)
        order, free = self.zeros(len(keys), np.int64), ends - sizes
        for stretch in stretches(len(keys)):
            part = part_of[stretch]
            by_part = np.argsort(part, kind="stable")
            counts = np.bincount(part, minlength=len(sizes))
            shift = free - (np.cumsum(counts) - counts)
            order[shift[part[by_part]] + np.arange(len(part))] = by_part + stretch.start
            free += counts
        for start, end in zip((ends - sizes)[::2].tolist(), ends[::2].tolist(), strict=True):
            of_part = order[start:end]
            of_part[:] = of_part[np.argsort(keys[of_part], kind="stable")]
        return order

    def copy(self, array: NDArray[Any]) -> NDArray[Any]:
        """The same numbers again."""
        return self.compute(len(array), array.dtype, lambda stretch: array[stretch])

    def concatenate(self, arrays: Sequence[NDArray[Any]], dtype: DTypeLike) -> NDArray[Any]:
        """Arrays one after the other; a single one is not copied."""
        if len(arrays) == 1:
            return arrays[0]
        joined = self.zeros(sum(map(len, arrays)), dtype)
        first = 0
        for one in arrays:
            joined[first : first + len(one)] = one
            first += len(one)
        return joined


class Growing:
    """A column that grows by one number at a time.

    Args:
        columns: Hold it.
        typecode: As of ``array.array``.
    """

    def __init__(self, columns: Columns, typecode: str) -> None:
        self._columns = columns
        self._last: array[Any] = array(typecode)
        self._full: list[NDArray[Any]] = []

    def append(self, value: float) -> None:
        """Add a number."""
        self._last.append(value)
        if len(self._last) == _UNWRITTEN:
            self._full.append(self._columns.copy(np.array(self._last)))
            del self._last[:]

    def values(self) -> NDArray[Any]:
        """All numbers so far."""
        last = np.array(self._last, self._last.typecode)
        return self._columns.concatenate([*self._full, last], last.dtype)


#: Keeps every array in memory.
IN_MEMORY = Columns()


def _reserve(descriptor: int, n_bytes: int) -> None:
    """Give a file its blocks: a disk that is full later would end the process by a signal."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, n_bytes)
    else:
        zeros = bytes(_SMALL_BYTES)
        for _ in range(-(-n_bytes // _SMALL_BYTES)):
            os.write(descriptor, zeros)
