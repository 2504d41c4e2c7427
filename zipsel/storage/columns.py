"""Columns of numbers that need not fit into memory: arrays over files without names.

A choice among 1e9 candidates has tens of bytes of places, scores and digests for each. In files
the operating system keeps as much of them in memory as it has room for, and frees the rest. The
files have no names, so that nothing is left behind when a process ends, however it ends.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from zipsel.errors import OutputError

#: Arrays up to this size stay in memory: a file would cost more than it saves.
_SMALL_BYTES = 1 << 20


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

    def take(
        self, array: NDArray[Any], which: NDArray[np.int64] | NDArray[np.bool_]
    ) -> NDArray[Any]:
        """Elements of an array at some positions, or under a mask."""
        at = np.flatnonzero(which) if which.dtype == bool else which
        taken = self.zeros(len(at), array.dtype)
        if len(at):
            np.take(array, at, out=taken, mode="clip")  # which writes into ``taken`` at once
        return taken

    def concatenate(self, arrays: Sequence[NDArray[Any]], dtype: DTypeLike) -> NDArray[Any]:
        """Arrays one after the other; a single one is not copied."""
        if len(arrays) == 1:
            return arrays[0]
        joined = self.zeros(sum(map(len, arrays)), dtype)
        first = 0
        for array in arrays:
            joined[first : first + len(array)] = array
            first += len(array)
        return joined


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
