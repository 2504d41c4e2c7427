"""Histograms and quantiles: of alignments from a ranking's bins, of lengths from the sidecar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zipsel.report.model import Histogram
from zipsel.scoring.histogram import BINS_PER_DOUBLING, N_BINS, bin_floor, count_bins, length_bins
from zipsel.storage.columns import IN_MEMORY, Columns

_N_SHOWN_BINS = 48

#: Share of the pool that the bins before the last hold, at least.
_UNCUT_SHARE = 0.995

_PERCENTILES = (1, 10, 25, 50, 75, 90, 99)


def alignment_histogram(pool_bins: NDArray[np.int64], subset: NDArray[np.float64]) -> Histogram:
    """A histogram of about 50 equal bins, from the pool's least to where its last 0.5 % begin.

    The last bin takes the rest of the tail, which would otherwise press all else together. It
    begins no nearer than half again as far from the least as the subset's least does.

    Args:
        pool_bins: Pool records in each ranking bin, int64 ``(N_BINS,)``; placed by the bin's
            lower edge, so a bar may be off by the 1 % that a ranking bin is wide.
        subset: Alignments of the chosen records, placed in the same way.
    """
    used = np.flatnonzero(pool_bins)
    if len(used) == 0:
        return Histogram(edges=[0.0, 1.0], pool=[0], subset=[0])
    floors = bin_floor(used)
    subset_bins = count_bins(subset)
    of_subset = bin_floor(np.flatnonzero(subset_bins))
    low, top = float(floors[0]), float(floors[-1])
    cumulative = np.cumsum(pool_bins[used])
    tail = float(floors[int(np.searchsorted(cumulative, _UNCUT_SHARE * cumulative[-1]))])
    threshold = float(of_subset.min(initial=top)) if len(subset) else low
    high = min(top, max(tail, low + 1.5 * (threshold - low)))
    edges = np.linspace(low, high + (high == low), _N_SHOWN_BINS + 1)
    pool, _ = np.histogram(np.minimum(floors, edges[-1]), edges, weights=pool_bins[used])
    clipped = np.clip(of_subset, edges[0], edges[-1])
    chosen, _ = np.histogram(clipped, edges, weights=subset_bins[subset_bins > 0])
    return Histogram(
        edges=[round(edge, 6) for edge in edges.tolist()],
        pool=pool.astype(int).tolist(),
        subset=chosen.astype(int).tolist(),
    )


def pool_quantiles(pool_bins: NDArray[np.int64]) -> dict[str, float]:
    """Percentiles of the pool's alignments, to the 1 % that a ranking bin is wide."""
    found = _percentile_bins(pool_bins)
    floors = bin_floor(np.minimum(list(found.values()), N_BINS - 1).astype(np.int64))
    return {name: round(v, 6) for name, v in zip(found, floors.tolist(), strict=True)}


def _percentile_bins(bins: NDArray[np.int64]) -> dict[str, int]:
    """The bin that each percentile falls into; nothing for empty bins."""
    cumulative, total = np.cumsum(bins), int(bins.sum())
    found = {f"p{p}": int(np.searchsorted(cumulative, total * p / 100)) for p in _PERCENTILES}
    return found if total else {}


def quantiles(values: NDArray[np.float64], columns: Columns = IN_MEMORY) -> dict[str, float]:
    """Percentiles of some alignments, of which the columns take a copy."""
    if len(values) == 0:
        return {}
    found = np.percentile(columns.copy(values), _PERCENTILES, overwrite_input=True).tolist()
    return {f"p{p}": round(v, 6) for p, v in zip(_PERCENTILES, found, strict=True)}


def length_histogram(pool_bins: NDArray[np.int64], subset: NDArray[np.int64]) -> Histogram:
    """Lengths of texts in bytes, over logarithmic bins from the shortest to the longest."""
    used = np.flatnonzero(pool_bins)
    if len(used) == 0:
        return Histogram(edges=[1.0, 2.0], pool=[0], subset=[0])
    inside = slice(int(used[0]), int(used[-1]) + 1)
    edges = 2 ** (np.arange(inside.start, inside.stop + 1) / BINS_PER_DOUBLING)
    return Histogram(
        edges=[round(edge, 2) for edge in edges.tolist()],
        pool=pool_bins[inside].tolist(),
        subset=length_bins(subset)[inside].tolist(),
    )


def length_quantiles(bins: NDArray[np.int64]) -> dict[str, float]:
    """Percentiles of lengths in bytes, to the 19 % that a bin is wide (its geometric middle)."""
    found = _percentile_bins(bins)
    return {name: round(2 ** ((i + 0.5) / BINS_PER_DOUBLING)) for name, i in found.items()}
