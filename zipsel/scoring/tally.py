"""What is known of the parts of a pool, and the sums over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec.structs import replace

from zipsel.pool.shards import Shard
from zipsel.scoring.histogram import N_LENGTH_BINS, Histogram, length_bins
from zipsel.scoring.sidecar import (
    Part,
    PartSummary,
    Place,
    column_values,
    iter_stretches,
    part_path,
    read_stretch,
    read_summary,
)
from zipsel.scoring.task import Job


class Tally:
    """Summaries of the parts of a pool, and the sums over them.

    Args:
        job: Whose threshold the histogram is of.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._summaries: dict[int, dict[int, PartSummary]] = {}
        self._places: dict[int, dict[int, Place]] = {}
        self.histogram = Histogram()
        self.lengths = np.zeros(N_LENGTH_BINS, np.int64)

    def take(self, shard: int, summary: PartSummary, place: Place | None = None) -> None:
        """Add the histogram of a shard's part to the totals and keep its summary without it."""
        if place is not None:  # its rows are counted later, with those of its pack
            self._places.setdefault(shard, {})[summary.index] = place
        else:
            self._count(summary, 1)
            summary = replace(summary, histogram=b"", lengths={})
        self._summaries.setdefault(shard, {})[summary.index] = summary

    def count_packed(self, parts: Sequence[Part]) -> None:
        """Count the rows of the parts that are in packs, each pack read once."""
        for stretch in iter_stretches(part for part in parts if part.start is not None):
            table = read_stretch(stretch, ["alignment", "n_bytes"])
            alignment = column_values(table, "alignment", np.nan)
            n_bytes = column_values(table, "n_bytes", -1)
            self.lengths += length_bins(n_bytes[n_bytes >= 0])
            if stretch[0].summary.threshold == self._job.threshold:
                contends = ~np.isnan(alignment)
                self.histogram.add(alignment[contends], n_bytes[contends])

    def take_back(self, shards: Sequence[Shard]) -> None:
        """Subtract shards that turned out to be bad from the totals."""
        for shard in shards:
            for index in self._summaries.get(shard.index, {}).keys() - self.places_of(shard):
                summary = read_summary(part_path(self._job.folder, shard, index))
                if summary is not None:
                    self._count(summary, -1)

    def _count(self, summary: PartSummary, times: int) -> None:
        if summary.threshold == self._job.threshold:
            self.histogram.add_packed(summary.histogram, times)
        for length_bin, n_texts in summary.lengths.items():
            self.lengths[length_bin] += times * n_texts

    def summaries_of(self, shard: Shard) -> list[PartSummary]:
        """Summaries of a shard's parts, without histograms."""
        return list(self._summaries.get(shard.index, {}).values())

    def places_of(self, shard: Shard) -> Mapping[int, Place]:
        """Chunk → place of each of a shard's parts that is in a pack."""
        return self._places.get(shard.index, {})
