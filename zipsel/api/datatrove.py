"""A datatrove filter that keeps what is close enough to a target."""

from __future__ import annotations

import math

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter

from zipsel.api import Scorer


class AlignmentFilter(BaseFilter):
    """Keep documents whose alignment reaches a threshold, and note it in their metadata.

    Args:
        profile: A profile's file, made by ``zipsel fit`` or ``Scorer.save``; every task reads it,
            so it must stand where all of them can.
        min_alignment: The least alignment to keep. With ``fused`` it counts standard deviations
            above the pool.
        metadata_key: Where a document's alignment is noted; None for nowhere.
        batch_size: Documents scored at once.
        exclusion_writer: Takes what is dropped.
    """

    name = "🗜 zipsel alignment"

    def __init__(
        self,
        profile: str,
        min_alignment: float,
        *,
        metadata_key: str | None = "alignment",
        batch_size: int = 256,
        exclusion_writer: DiskWriter | None = None,
    ) -> None:
        super().__init__(exclusion_writer, batch_size=batch_size)
        self.profile = profile
        self.min_alignment = min_alignment
        self.metadata_key = metadata_key
        self._scorer: Scorer | None = None

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Judge one document."""
        return self.filter_batch([doc])[0]

    def filter_batch(self, batch: list[Document]) -> list[bool | tuple[bool, str]]:
        """Judge documents; one without text is dropped, with ``no_text`` as the reason."""
        if self._scorer is None:
            self._scorer = Scorer.load(self.profile)
        verdicts: list[bool | tuple[bool, str]] = []
        alignment = self._scorer.score([document.text for document in batch]).tolist()
        for document, value in zip(batch, alignment, strict=True):
            if math.isnan(value):
                verdicts.append((False, "no_text"))
                continue
            if self.metadata_key is not None:
                document.metadata[self.metadata_key] = value
            verdicts.append(value >= self.min_alignment or (False, "low_alignment"))
        return verdicts
