"""``select --eval-target``: the report's section on what the subset is worth to held-out examples.

As the subset grows along its ranking, bits per byte under the PPM judge, beside random text of the
pool that grows with it. ``zipsel eval`` compares finished subsets; this shows one run how its
budget was spent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zipsel.console.messages import Log
from zipsel.evaluation.ppm import cut_to_equal_bytes, draw_random_subsets, join_records
from zipsel.evaluation.subsets import EvalSettings, iter_texts, open_judge, warn_of_leaks
from zipsel.evaluation.verdicts import Curve, Judge
from zipsel.pool.shards import Shard
from zipsel.readers.rows import TextSpec
from zipsel.scoring.settings import ScoreSettings
from zipsel.selection.settings import SelectSettings
from zipsel.selection.spool import Chosen

#: Sizes at which the curve is measured, as shares of the subset.
_SHARES = (0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class HeldOut:
    """The examples that a run's subset will be measured on.

    Attributes:
        settings: Where they and random text come from.
        judge: The examples, read.
    """

    settings: EvalSettings
    judge: Judge

    @classmethod
    def open(cls, settings: ScoreSettings, select: SelectSettings) -> HeldOut | None:
        """Read what ``--eval-target`` names, before the work; None if it names nothing.

        Raises:
            BadShards: If a file cannot be read, or an example has no text.
            UsageError: If `pyppmd` is not installed.
        """
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

    def measure(self, chosen: Chosen, shards: Sequence[Shard], log: Log) -> list[Curve]:
        """Curves of the choice; none if nothing was chosen.

        Args:
            chosen: Best record first.
            shards: The pool, to draw random text from; what of it cannot be read was told of
                by the passes and is left out.
            log: Takes what leaked.
        """
        texts = _best_texts(chosen, self.settings.reading.text, self.settings.max_bytes)
        subset = cut_to_equal_bytes([join_records(texts)], self.settings.max_bytes)[0]
        if not subset:
            return []
        warn_of_leaks(self.settings.subsets[0], subset, self.judge.examples, log)
        drawn = draw_random_subsets(
            iter_texts(shards, self.settings, log, skip_bad=True),
            len(subset),
            seed=self.settings.seed,
            in_pool_order=False,
        )[0]
        return [self._curve(subset, drawn)]

    def _curve(self, subset: bytes, drawn: bytes) -> Curve:
        series: dict[str, list[tuple[float, float]]] = {"subset": [], "random": []}
        at_end = []
        for name, text in zip(series, cut_to_equal_bytes([subset, drawn]), strict=True):
            for share in _SHARES:
                beginning = cut_to_equal_bytes([text], int(share * len(text)))[0]
                figures = self.judge.figures(self.judge.bits(beginning))
                series[name].append((float(len(beginning)), figures["bits_per_byte"]))
            at_end.append(
                f"{name} {figures['bits_per_byte']:.3f} "
                f"({figures['low']:.3f} to {figures['high']:.3f})"
            )
        return Curve(
            title=f"Held-out evaluation, {len(self.judge.examples):,} examples",
            x_label="text read, bytes",
            y_label="bits per byte of held-out examples",
            series=series,
            log_x=True,
            note=f"PPM judge, lower is better. At the end, with 95 % intervals: "
            f"{', '.join(at_end)}.",
        )


def _best_texts(chosen: Chosen, spec: TextSpec, limit_bytes: int) -> list[bytes]:
    """The first texts of a choice, as many as fill ``limit_bytes``."""
    n_texts = int(np.searchsorted(np.cumsum(chosen.n_bytes + 1), limit_bytes)) + 1
    return [text.encode() for text in chosen.spool.read_texts(chosen.ranks[:n_texts], spec)]
