"""One shard → bounded batches of rows, each row a text or a reject with its reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zipsel.records import TextBatch
from zipsel.rows import Reason

#: First bytes of a refused row that its reject shows.
SNIPPET_BYTES = 120

DEFAULT_MAX_ROW_BYTES = 64 << 20


@dataclass(frozen=True)
class Lines:
    """The lines that a batch's rows were read from.

    Attributes:
        data: What they stand in.
        starts: Where each begins in it.
        ends: Where each ends, its newline left out.
    """

    data: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __getitem__(self, row: int) -> bytes:
        """The line of a row."""
        return self.data[self.starts[row] : self.ends[row]]


@dataclass(frozen=True)
class RowBatch:
    """Consecutive rows of one shard.

    Attributes:
        offsets: Where each row begins in the decompressed stream, int64 ``(n_rows,)``; -1 for
            tables.
        texts: The texts of the accepted rows.
        accepted: Positions of those rows in the batch, int64 ``(len(texts),)``, ascending.
        rejects: Position → reason and first ``SNIPPET_BYTES`` bytes, for all other rows.
        groups: Group of each accepted row; empty where none was asked for.
        lines: The rows as they stand in the shard; None where they are no lines.
    """

    offsets: NDArray[np.int64]
    texts: TextBatch
    accepted: NDArray[np.int64]
    rejects: dict[int, tuple[Reason, bytes]]
    groups: list[str | None]
    lines: Lines | None = None

    @property
    def n_rows(self) -> int:
        """Rows, accepted and refused."""
        return len(self.offsets)


@dataclass(frozen=True)
class ReadOptions:
    """What decides which text is read from a row.

    Attributes:
        max_row_bytes: Longer rows are refused.
        group_field: Dotted path of the group, or None.
        long_windows: Accept zstd windows up to 2 GiB, which cost as much memory.
    """

    max_row_bytes: int = DEFAULT_MAX_ROW_BYTES
    group_field: str | None = None
    long_windows: bool = False
