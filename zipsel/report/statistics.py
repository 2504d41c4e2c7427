"""Histograms and quantiles from a ranking's bins, without another look at the sidecar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zipsel.ranking import N_BINS, bin_floor
from zipsel.report.figures import Histogram

_N_SHOWN_BINS = 48
_PERCENTILES = (1, 10, 25, 50, 75, 90, 99)


def alignment_histogram(pool_bins: NDArray[np.int64], subset: NDArray[np.float64]) -> Histogram:
    """A histogram of about 50 equal bins over the pool's range.

    Args:
        pool_bins: Pool records in each ranking bin, int64 ``(N_BINS,)``; placed by the bin's
            lower edge, so a bar may be off by the 1 % that a ranking bin is wide.
        subset: Alignments of the chosen records.
    """
    used = np.flatnonzero(pool_bins)
    if len(used) == 0:
        return Histogram(edges=[0.0, 1.0], pool=[0], subset=[0])
    floors = bin_floor(used)
    low, high = floors[0], max(floors[-1], float(subset.max(initial=floors[-1])))
    edges = np.linspace(low, high + (high == low), _N_SHOWN_BINS + 1)
    pool, _ = np.histogram(floors, edges, weights=pool_bins[used])
    chosen, _ = np.histogram(np.clip(subset, edges[0], edges[-1]), edges)
    return Histogram(
        edges=[round(edge, 6) for edge in edges.tolist()],
        pool=pool.astype(int).tolist(),
        subset=chosen.tolist(),
    )


def pool_quantiles(pool_bins: NDArray[np.int64]) -> dict[str, float]:
    """Percentiles of the pool's alignments, to the 1 % that a ranking bin is wide."""
    total = int(pool_bins.sum())
    if total == 0:
        return {}
    cumulative = np.cumsum(pool_bins)
    wanted = [int(np.searchsorted(cumulative, total * p / 100)) for p in _PERCENTILES]
    floors = bin_floor(np.minimum(np.array(wanted, np.int64), N_BINS - 1))
    return {f"p{p}": round(v, 6) for p, v in zip(_PERCENTILES, floors.tolist(), strict=True)}


def quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    """Percentiles of some alignments."""
    if len(values) == 0:
        return {}
    found = np.percentile(values, _PERCENTILES).tolist()
    return {f"p{p}": round(v, 6) for p, v in zip(_PERCENTILES, found, strict=True)}
