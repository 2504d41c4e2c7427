"""Stretches of a file of columns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GroupChunk:
    """Consecutive row groups of a file; in an Arrow file, its record batches.

    Attributes:
        index: Which chunk of the shard, from 0.
        first_group: First row group.
        end_group: One past the last.
        first_row: Row of the shard that it begins with.
    """

    index: int
    first_group: int
    end_group: int
    first_row: int
