"""``select --eval-target``: the report's section on what the subset is worth to held-out examples.

The section shows bits per byte under the PPM judge as the subset grows along its ranking, beside
random text of the pool that grows with it. ``zipsel eval`` compares finished subsets; this shows
one run how its budget was spent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from zipsel.console.messages import Log
from zipsel.console.progress import Progress
from zipsel.evaluation.ppm import N_ORDERS, cut_text, draw_orders, join_records
from zipsel.evaluation.seen import warn_of_leaks, warn_of_target
from zipsel.evaluation.subsets import EvalSettings, draw_pool, open_judge
from zipsel.evaluation.verdicts import Curve, Judge
from zipsel.pool.shards import Shard
from zipsel.readers.reading import TextSpec
from zipsel.scoring.settings import RunSettings
from zipsel.selection.chosen_rows import Chosen
from zipsel.selection.settings import SelectSettings
from zipsel.texts import TextBatch

#: Sizes at which the curve is measured, as shares of the subset.
_SHARES = (0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class HeldOut:
    """The examples that a run's subset is measured on, and where random text comes from."""

    settings: EvalSettings
    judge: Judge

    @classmethod
    def open(cls, settings: RunSettings, select: SelectSettings) -> HeldOut | None:
        """As ``open_judge``, of ``--eval-target``, before the work; None if it names nothing."""
        if not select.eval_target:
            return None
        of_run = EvalSettings(
            target=select.eval_target,
            subsets=(select.output,),
            pool=settings.pool,
            reading=settings.reading,
            target_reading=settings.target_reading,
            seed=select.seed,
            workers=settings.workers,
        )
        return cls(of_run, open_judge(of_run))

    def measure(
        self, chosen: Chosen, shards: Sequence[Shard], target: TextBatch, log: Log
    ) -> list[Curve]:
        """Curves of the choice by a target; none if nothing was chosen."""
        texts = _best_texts(chosen, self.settings.reading.text, self.settings.max_bytes)
        if not texts:
            return []
        subset = join_records(texts, self.settings.max_bytes)
        output, examples = self.settings.subsets[0], self.judge.examples
        warn_of_leaks(output, subset, examples, log)
        warn_of_target(output, target.iter_encoded(), examples, log)
        drawn, n_drawn = draw_pool(shards, self.settings, len(subset), on_error=lambda _: None)
        size = min(len(subset), n_drawn)
        with log.progress("evaluating", 2 * N_ORDERS * int(size * sum(_SHARES))) as progress:
            return [self._curve(texts, drawn, size, progress)]

    def _curve(
        self, texts: Sequence[bytes], drawn: list[list[bytes]], size: int, progress: Progress
    ) -> Curve:
        series: dict[str, list[tuple[float, float]]] = {"subset": [], "random": []}
        figures: dict[str, dict[str, float]] = {}
        for limit in (int(share * size) for share in _SHARES):
            best, _ = draw_orders(_cut_texts(texts, limit), limit, self.settings.seed)
            for name, orders in (("subset", best), ("random", drawn)):
                figures[name] = self.judge.figures(self.judge.bits(orders, limit))
                series[name].append((float(limit), figures[name]["bits_per_byte"]))
                progress.advance(len(self.judge.examples), N_ORDERS * limit, N_ORDERS * limit)
        at_end = ", ".join(
            f"{name} {found['bits_per_byte']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
            for name, found in figures.items()
        )
        return Curve(
            title=f"Held-out evaluation, {len(self.judge.examples):,} examples",
            x_label="text read, bytes",
            y_label="Bits per byte of held-out examples",
            series=series,
            log_x=True,
            note=f"PPM judge, lower is better. At the end, with 95 % intervals: {at_end}.",
        )


def _cut_texts(texts: Sequence[bytes], limit_bytes: int) -> Iterator[bytes]:
    """The first texts that fill ``limit_bytes``, line feeds counted; the last one is cut."""
    for text in texts:
        if limit_bytes <= 1:
            return
        kept = cut_text(text, limit_bytes - 1)
        limit_bytes -= len(kept) + 1
        yield kept


def _best_texts(chosen: Chosen, spec: TextSpec, limit_bytes: int) -> list[bytes]:
    """The first texts of a choice, as many as fill ``limit_bytes``."""
    n_texts = int(np.searchsorted(np.cumsum(chosen.n_bytes + 1), limit_bytes)) + 1
    return [text.encode() for text in chosen.spool.read_texts(chosen.ranks[:n_texts], spec)]
