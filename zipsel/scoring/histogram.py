"""Histograms of alignments, whatever the scorer's range, and of lengths.

The edges of bins are those of the number format: sign, exponent and 7 bits of mantissa of a
float32. Every bin is 1 % wide, and a larger value is never in a lower bin.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zipsel.storage.columns import stretches

N_BINS = 1 << 16

#: Bins of lengths in a doubling: each is about 19 % wide.
BINS_PER_DOUBLING = 4
N_LENGTH_BINS = 40 * BINS_PER_DOUBLING


def bins_of(values: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Bin of each value, 0 to ``N_BINS - 1``; never decreases as values grow."""
    bits = (values + 0.0).astype(np.float32).view(np.uint32)  # -0.0 is 0.0
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (ordered >> 16).astype(np.uint32)


def bin_floor(bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Smallest value of each bin."""
    ordered = bins.astype(np.uint32) << 16
    bits = np.where(ordered >> 31, ordered ^ np.uint32(1 << 31), ~ordered)
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


#: Records that say too little of a pool to foresee which will be its best.
_FEW_RECORDS = 10_000

#: One bin of a packed histogram.
_PACKED = np.dtype([("bin", "<u4"), ("n_records", "<u4"), ("n_bytes", "<u8")])


@dataclass
class Histogram:
    """Records and their bytes of text in each bin.

    Attributes:
        n_records: int64 ``(N_BINS,)``.
        n_bytes: int64 ``(N_BINS,)``.
    """

    n_records: NDArray[np.int64] = field(default_factory=lambda: np.zeros(N_BINS, np.int64))
    n_bytes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(N_BINS, np.int64))

    def add(self, values: NDArray[np.float64], n_bytes: NDArray[np.int64]) -> None:
        """Count records by their values."""
        self.add_packed(pack(values, n_bytes))

    def add_packed(self, packed: bytes, times: int = 1) -> None:
        """Add a packed histogram; with ``times`` -1, subtract it."""
        counted = np.frombuffer(packed, _PACKED)
        self.n_records[counted["bin"]] += times * counted["n_records"].astype(np.int64)
        self.n_bytes[counted["bin"]] += times * counted["n_bytes"].astype(np.int64)

    def lowest_of_best(self, fraction: float) -> float | None:
        """The value of the last of the best records; None if these are all, or few are known."""
        n_records = int(self.n_records.sum()) if 0 < fraction < 1 else 0
        if n_records < _FEW_RECORDS:
            return None
        n_better = np.cumsum(self.n_records[::-1])
        steps = int(np.searchsorted(n_better, fraction * n_records))
        return float(bin_floor(np.array([N_BINS - 1 - steps]))[0])


def pack(values: NDArray[np.float64], n_bytes: NDArray[np.int64]) -> bytes:
    """Pack the histogram of some records: 16 bytes for each bin that is not empty."""
    bins, of_record = np.unique(bins_of(values), return_inverse=True)
    packed = np.zeros(len(bins), _PACKED)
    packed["bin"] = bins
    packed["n_records"] = np.bincount(of_record, minlength=len(bins))
    packed["n_bytes"] = np.bincount(of_record, n_bytes, minlength=len(bins))
    return packed.tobytes()


def length_bins(n_bytes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Texts in each logarithmic length bin, int64 ``(N_LENGTH_BINS,)``; 0 bytes count as 1."""
    counts = np.zeros(N_LENGTH_BINS, np.int64)
    for some in stretches(len(n_bytes)):
        bins = np.floor(np.log2(np.maximum(n_bytes[some], 1)) * BINS_PER_DOUBLING).astype(np.int64)
        counts += np.bincount(np.minimum(bins, N_LENGTH_BINS - 1), minlength=N_LENGTH_BINS)
    return counts


def count_bins(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Values in each bin, int64 ``(N_BINS,)``."""
    counts = np.zeros(N_BINS, np.int64)
    for some in stretches(len(values)):
        counts += np.bincount(bins_of(values[some]), minlength=N_BINS)
    return counts
