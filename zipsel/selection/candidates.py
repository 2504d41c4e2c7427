"""Candidates as columns: where each record is, what it scored, and what it counts against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zipsel.storage.columns import IN_MEMORY, Columns

#: Bits of a row's number in its place, which begins with the number of the shard.
SHARD_SHIFT = 40

#: Of each column of ``Candidates``.
DTYPES = (np.int32, np.int64, np.int64, np.float64, np.int64, np.int32, np.int32)


@dataclass(frozen=True)
class Candidates:
    """Records in some order; every array has one element a record.

    Attributes:
        shard: Index of the shard.
        row: Row in the shard.
        offset: Byte offset of a JSON line; -1 for Parquet.
        alignment: The score, float64.
        n_bytes: UTF-8 length of the text.
        group: Code of the group, an index into the ranking's ``group_names``; -1 for none.
        facet: Number of the facet that it is closest to; -1 for none.
    """

    shard: NDArray[np.int32]
    row: NDArray[np.int64]
    offset: NDArray[np.int64]
    alignment: NDArray[np.float64]
    n_bytes: NDArray[np.int64]
    group: NDArray[np.int32]
    facet: NDArray[np.int32]

    def __len__(self) -> int:
        """Number of records."""
        return len(self.row)

    def take(
        self, which: NDArray[np.int64] | NDArray[np.bool_], columns: Columns = IN_MEMORY
    ) -> Candidates:
        """The records at some positions, or under a mask; themselves if these are all."""
        at: Any = which
        if which.dtype == bool:
            if which.all():
                return self
            at = columns.flatnonzero(at)
        taken: Any = (columns.take(getattr(self, column.name), at) for column in fields(self))
        return Candidates(*taken)

    def places(self, columns: Columns) -> NDArray[np.int64]:
        """What orders the records by shard and row."""

        def values(some: slice) -> NDArray[np.int64]:
            shard: NDArray[np.int64] = self.shard[some].astype(np.int64) << SHARD_SHIFT
            return shard + self.row[some]

        return columns.compute(len(self), np.int64, values)

    def cut(self, part: slice) -> Candidates:
        """Consecutive records, not copied."""
        return Candidates(*(getattr(self, column.name)[part] for column in fields(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[Candidates], columns: Columns = IN_MEMORY) -> Candidates:
        """One after the other."""
        joined: Any = (
            columns.concatenate([getattr(part, column.name) for part in parts], dtype)
            for column, dtype in zip(fields(cls), DTYPES, strict=True)
        )
        return cls(*joined)
