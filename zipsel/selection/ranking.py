"""Scores in rank order, with memory for the candidates alone.

Alignments are counted in 65,536 bins whose edges are those of the number format (sign, exponent
and 7 bits of mantissa of a float32), so that no range has to be known and a bin is 1 % wide
anywhere. A cumulative count finds the bins that hold the best n records; only their rows are read
again and sorted. The order is total: alignment descending, then shard, then row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zipsel.scoring.histogram import N_BINS, Histogram, bins_of
from zipsel.scoring.sidecar import Part, column_values, read_columns

#: Records for each distinct one in a block from which on the block is widened.
_MANY_COPIES = 1.1

#: Turns the alignments of a part's rows into what they are ordered by.
Priority = Callable[[NDArray[np.float64], int, NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Candidates:
    """Records in some order; every array has one element a record.

    Attributes:
        shard: Index of the shard.
        row: Row in the shard.
        offset: Byte offset of a JSON line; -1 for Parquet.
        alignment: The score, float64.
        priority: What the records are ordered by; the alignment unless a strategy says otherwise.
        n_bytes: UTF-8 length of the text.
        group: Code of the group, an index into the ranking's ``group_names``; -1 for none.
        facet: Number of the facet that it is closest to; -1 for none.
    """

    shard: NDArray[np.int32]
    row: NDArray[np.int64]
    offset: NDArray[np.int64]
    alignment: NDArray[np.float64]
    priority: NDArray[np.float64]
    n_bytes: NDArray[np.int64]
    group: NDArray[np.int32]
    facet: NDArray[np.int32]

    def __len__(self) -> int:
        """Number of records."""
        return len(self.row)

    def take(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> Candidates:
        """The records at some positions, or under a mask."""
        columns: Any = (getattr(self, field.name)[which] for field in fields(self))
        return Candidates(*columns)

    @classmethod
    def concatenate(cls, parts: Sequence[Candidates]) -> Candidates:
        """One after the other."""
        columns: Any = (
            np.concatenate([np.zeros(0, dtype), *(getattr(part, field.name) for part in parts)])
            for field, dtype in zip(fields(cls), _DTYPES, strict=True)
        )
        return cls(*columns)


_DTYPES = (np.int32, np.int64, np.int64, np.float64, np.float64, np.int64, np.int32, np.int32)


class Ranking:
    """The scored records of a pool, best first.

    Args:
        parts: All sidecar parts, in order of shard and chunk.
        screen: Records whose ``ngram`` is lower count as passed over, whatever an earlier run
            with a lower screen found out about them; None where there is no cascade.
        grouped: Read the group of each record.
        faceted: Read the facet of each record.
        priority: Order by something else than the alignment; NaN leaves a record out.
        counted: Histogram of the alignments of all parts that were scored with ``screen``, which
            then need not be read to be counted.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        screen: float | None = None,
        grouped: bool = False,
        faceted: bool = False,
        priority: Priority | None = None,
        counted: Histogram | None = None,
    ) -> None:
        self.parts = parts
        self.screen = screen
        self.grouped = grouped
        self.faceted = faceted
        self.priority = priority
        self.group_names: list[str] = []
        self._group_codes: dict[str, int] = {}
        #: Records and text bytes in each bin of ``priority``.
        histogram = Histogram()
        if counted is not None and priority is None:
            histogram = Histogram(counted.n_records.copy(), counted.n_bytes.copy())
            parts = [part for part in parts if part.summary.screen != screen]
        for part in parts:
            records = self._read(part, 0, N_BINS)
            histogram.add(records.priority, records.n_bytes)
        self.n_records, self.n_bytes = histogram.n_records, histogram.n_bytes

    def _read(self, part: Part, low: int, high: int) -> Candidates:
        """Records of a part whose bin lies in ``[low, high)``, in row order."""
        # A part with the very same screen has finished nothing below it.
        rescreened = self.screen is not None and part.summary.screen != self.screen
        table = read_columns(part, [*self._columns, *(["ngram"] if rescreened else [])])
        alignment = column_values(table, "alignment", np.nan)
        if rescreened:
            of_ngram = column_values(table, "ngram", -np.inf)
            alignment = np.where(of_ngram < self.screen, np.nan, alignment)
        position = np.flatnonzero(~np.isnan(alignment))
        priority = alignment[position]
        if self.priority is not None:
            priority = self.priority(priority, part.shard.index, position + part.first_row)
            position, priority = position[~np.isnan(priority)], priority[~np.isnan(priority)]
        bins = bins_of(priority)
        inside = (bins >= low) & (bins < high)
        position, priority = position[inside], priority[inside]
        return Candidates(
            shard=np.full(len(position), part.shard.index, np.int32),
            row=position + part.first_row,
            offset=column_values(table, "offset", -1)[position],
            alignment=alignment[position],
            priority=priority,
            n_bytes=column_values(table, "n_bytes", 0)[position].astype(np.int64),
            group=self._groups(table, position),
            facet=self._facets(table, position),
        )

    @property
    def _columns(self) -> list[str]:
        optional = {"group": self.grouped, "facet": self.faceted}
        return ["alignment", "n_bytes", "offset", *(name for name, on in optional.items() if on)]

    def _groups(self, table: pa.Table, position: NDArray[np.int64]) -> NDArray[np.int32]:
        if not self.grouped:
            return np.full(len(position), -1, np.int32)
        values = table["group"].combine_chunks().take(pa.array(position)).to_pylist()
        return np.array([self._code(value) for value in values], np.int32)

    def _facets(self, table: pa.Table, position: NDArray[np.int64]) -> NDArray[np.int32]:
        if not self.faceted:
            return np.full(len(position), -1, np.int32)
        return column_values(table, "facet", -1)[position].astype(np.int32)

    def _code(self, group: str | None) -> int:
        if group is None:
            return -1
        if group not in self._group_codes:
            self._group_codes[group] = len(self.group_names)
            self.group_names.append(group)
        return self._group_codes[group]

    @property
    def total_records(self) -> int:
        """Ranked records."""
        return int(self.n_records.sum())

    def iter_blocks(self, n_records: int, n_bytes: int | None = None) -> Iterator[Candidates]:
        """Yield the records in order, in blocks that double in size.

        Records of the same alignment and length are most likely copies and count once here, so
        that a pool full of copies does not need more blocks than another.

        Args:
            n_records: The first block holds at least as many records, if there are so many.
            n_bytes: Or at least as many bytes of text, if that is less.
        """
        high = N_BINS
        while self.n_records[:high].any():
            low = self._low_bin(high, n_records, n_bytes)
            block = self._read_bins(low, high)
            distinct = np.unique(np.stack([block.alignment, block.n_bytes]), axis=1)
            shortage = len(block) / max(1, distinct.shape[1])
            if shortage > _MANY_COPIES:
                wider = None if n_bytes is None else int(n_bytes * shortage)
                low = self._low_bin(high, int(n_records * shortage), wider)
                block = self._read_bins(low, high)
            yield block
            high = low
            n_records *= 2
            n_bytes = None if n_bytes is None else n_bytes * 2

    def _low_bin(self, high: int, n_records: int, n_bytes: int | None) -> int:
        """The bin from which on, up to ``high``, there are so many records or bytes."""
        steps = int(np.searchsorted(np.cumsum(self.n_records[:high][::-1]), n_records))
        if n_bytes is not None:
            bytes_from_top = np.cumsum(self.n_bytes[:high][::-1])
            steps = min(steps, int(np.searchsorted(bytes_from_top, n_bytes)))
        return max(0, high - steps - 1)

    def _read_bins(self, low: int, high: int) -> Candidates:
        block = Candidates.concatenate([self._read(part, low, high) for part in self.parts])
        return block.take(np.lexsort((block.row, block.shard, -block.priority)))
