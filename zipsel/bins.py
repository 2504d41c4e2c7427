"""Bins for alignments of any scorer, without knowing their range.

The edges are those of the number format: sign, exponent and 7 bits of mantissa of a float32. A bin
is 1 % wide anywhere, and the bin of a value never decreases as values grow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

N_BINS = 1 << 16


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
