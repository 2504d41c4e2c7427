"""Scores in rank order, with memory for the candidates alone.

Alignments are counted in 65,536 bins whose edges are those of the number format (sign, exponent
and 7 bits of mantissa of a float32), so that no range has to be known and a bin is 1 % wide
anywhere. A cumulative count finds the bins that hold the best n records; only their rows are read
again and sorted. The order is total: alignment descending, then shard, then row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zipsel.scoring.histogram import N_BINS, Histogram, bins_of
from zipsel.scoring.sidecar import Part, column_values, iter_stretches, read_stretch
from zipsel.selection.candidates import DTYPES, Candidates
from zipsel.selection.strategies import Priority
from zipsel.storage.columns import IN_MEMORY, Columns, stretches

#: Of a hash: 2^64 over the golden ratio (Knuth, TAOCP 3, section 6.4).
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

#: Read a larger block if it has more than so many records per distinct (alignment, length).
_MANY_COPIES = 1.1


@dataclass(frozen=True)
class RecordReader:
    """Reads records of sidecar parts, those of a stretch of a file together.

    Attributes:
        threshold: The cascade's threshold: a record with a lower value is no contender, whatever
            an earlier run under a lower threshold found out about it. None where there is no
            cascade.
        threshold_column: Column of the value that the threshold is compared with.
        grouped: Read the group of each record.
        faceted: Read the facet of each record.
        group_codes: Name of each group → its code, in the order in which groups are met.
    """

    threshold: float | None = None
    threshold_column: str = ""
    grouped: bool = False
    faceted: bool = False
    group_codes: dict[str, int] = field(default_factory=dict)

    def read(self, parts: Sequence[Part]) -> tuple[pa.Table, NDArray[np.float64]]:
        """Parts, and the alignment of each of their rows: NaN for rejects and no contenders."""
        # A part with the same threshold has no alignment below it.
        must_compare = self.threshold is not None and any(
            part.summary.threshold != self.threshold for part in parts
        )
        optional = {
            "group": self.grouped,
            "facet": self.faceted,
            self.threshold_column: must_compare,
        }
        columns = [name for name, is_read in optional.items() if is_read]
        table = read_stretch(parts, ["alignment", "n_bytes", "offset", *columns])
        alignment = column_values(table, "alignment", np.nan)
        if must_compare:
            value = column_values(table, self.threshold_column, -np.inf)
            alignment = np.where(value < self.threshold, np.nan, alignment)
        return table, alignment

    def records(
        self,
        places: tuple[NDArray[np.int32], NDArray[np.int64]],
        table: pa.Table,
        position: NDArray[np.int64],
        alignment: NDArray[np.float64],
    ) -> Candidates:
        """The records at some positions of a table, with their places and alignments."""
        none = np.full(len(position), -1, np.int32)
        facet = column_values(table, "facet", -1)[position] if self.faceted else none
        return Candidates(
            shard=places[0],
            row=places[1],
            offset=column_values(table, "offset", -1)[position],
            alignment=alignment,
            n_bytes=column_values(table, "n_bytes", 0)[position].astype(np.int64),
            group=self._group_codes(table, position) if self.grouped else none,
            facet=facet.astype(np.int32),
        )

    def _group_codes(self, table: pa.Table, position: NDArray[np.int64]) -> NDArray[np.int32]:
        codes = self.group_codes
        groups = table["group"].combine_chunks().take(pa.array(position)).to_pylist()
        return np.array(
            [-1 if group is None else codes.setdefault(group, len(codes)) for group in groups],
            np.int32,
        )


class Ranking:
    """The scored records of a pool, best first.

    Args:
        parts: All sidecar parts, in order of shard and chunk.
        reader: Reads their records.
        priority: Order by something else than the alignment; NaN leaves a record out.
        counted: Histogram of the alignments of all parts that were scored under the reader's
            threshold, which then need not be read to be counted.
        columns: Holds the records of a block.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        reader: RecordReader,
        *,
        priority: Priority | None = None,
        counted: Histogram | None = None,
        columns: Columns = IN_MEMORY,
    ) -> None:
        self.parts = parts
        self.reader = reader
        self.priority = priority
        self.columns = columns
        #: Records and text bytes in each bin of ``priority``.
        histogram = Histogram()
        if counted is not None and priority is None:
            histogram = Histogram(counted.n_records.copy(), counted.n_bytes.copy())
            parts = [part for part in parts if part.summary.threshold != reader.threshold]
        for stretch in iter_stretches(parts):
            records, of_records = self._read(stretch, 0, N_BINS)
            histogram.add(of_records, records.n_bytes)
        self.n_records, self.n_bytes = histogram.n_records, histogram.n_bytes

    def reordered(self, priority: Priority) -> Ranking:
        """The same records by another priority; groups keep their codes."""
        return Ranking(self.parts, self.reader, priority=priority, columns=self.columns)

    @property
    def group_names(self) -> list[str]:
        """Name of the group of each code."""
        return list(self.reader.group_codes)

    def names_of_groups(self) -> list[str]:
        """As ``group_names``, and an empty name at the end, for records of none."""
        return [*self.reader.group_codes, ""]

    def _read(
        self, stretch: Sequence[Part], low: int, high: int
    ) -> tuple[Candidates, NDArray[np.float64]]:
        """Records of a stretch whose bin lies in ``[low, high)``, in order; their priorities."""
        table, alignment = self.reader.read(stretch)
        position = np.flatnonzero(~np.isnan(alignment))
        priority = alignment[position]
        if self.priority is not None:
            places = _places_of(stretch, position)
            priority = self.priority(priority, *places)
            position, priority = position[~np.isnan(priority)], priority[~np.isnan(priority)]
        bins = bins_of(priority)
        inside = (bins >= low) & (bins < high)
        position = position[inside]
        places = _places_of(stretch, position)
        records = self.reader.records(places, table, position, alignment[position])
        return records, priority[inside]

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
            shortage = len(block) / max(1, _count_distinct(block, self.columns))
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
        """Records whose bin lies in ``[low, high)``, in order."""
        n_records = int(self.n_records[low:high].sum())
        block = Candidates(*(self.columns.zeros(n_records, dtype) for dtype in DTYPES))
        negated, first = self.columns.zeros(n_records, np.float64), 0
        for stretch in iter_stretches(self.parts):
            records, priority = self._read(stretch, low, high)
            place = slice(first, first + len(records))
            for column in fields(block):
                getattr(block, column.name)[place] = getattr(records, column.name)
            np.negative(priority, out=negated[place])
            first = place.stop
        # Parts come by shard and row, which a stable order keeps among equals.
        return block.take(self.columns.argsort(negated), self.columns)


def _places_of(
    stretch: Sequence[Part], position: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Shard and row of the rows at some positions of a stretch."""
    sizes = np.array([part.summary.n_rows for part in stretch], np.int64)
    ends = np.cumsum(sizes)
    of_part = np.searchsorted(ends, position, side="right")
    shards = np.array([part.shard.index for part in stretch], np.int32)
    first_rows = np.array([part.first_row for part in stretch], np.int64)
    return shards[of_part], position + (first_rows - (ends - sizes))[of_part]


def _count_distinct(block: Candidates, columns: Columns) -> int:
    """Number of different pairs of alignment and length, told apart by hashes of 64 bits."""

    def hashes(stretch: slice) -> NDArray[np.uint64]:
        keys = block.alignment[stretch].view(np.uint64) * _MULTIPLIER
        keys ^= keys >> np.uint64(32)
        keys += block.n_bytes[stretch].view(np.uint64)
        return keys * _MULTIPLIER

    keys = columns.compute(len(block), np.uint64, hashes)
    keys.sort()
    pairs = ((keys[1:][stretch], keys[:-1][stretch]) for stretch in stretches(len(keys) - 1))
    return min(1, len(keys)) + sum(int(np.count_nonzero(a != b)) for a, b in pairs)
