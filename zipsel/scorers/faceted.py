"""Several targets, or facets of one, in one pass: each text counts for the one it is closest to.

Every facet has its own ``fused`` parts, fitted on its examples alone and standardized on the same
pool sample. All facets' n-gram codes are asked; the facet whose standardized answer is highest
takes the text, and only its dictionary is tried, so that zstd's cost stays that of one target. With
a single facet this is ``fused``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from zipsel.scorers import Scores, State
from zipsel.scorers.fused import FusedScorer
from zipsel.texts import CHUNK_BYTES, TextBatch


@dataclass(frozen=True)
class FacetedScorer:
    """One fused scorer a facet.

    Attributes:
        facets: Name → its scorer.
        n_examples: Name → number of its examples.
        sample_best: Highest standardized ``ngram`` value of each record of the pool sample,
            ascending, float64; what ``screen_for`` reads.
        screen: Texts whose highest value is lower are not finished.
    """

    name: ClassVar[str] = "faceted"
    chunk_bytes: ClassVar[int] = CHUNK_BYTES

    facets: Mapping[str, FusedScorer]
    n_examples: Mapping[str, int]
    sample_best: NDArray[np.float64]
    screen: float = -np.inf

    @classmethod
    def fit(
        cls, targets: Mapping[str, TextBatch], pool_sample: TextBatch, level: int | None = None
    ) -> FacetedScorer:
        """Fit each facet on its own examples."""
        facets = {
            name: FusedScorer.fit(target, pool_sample, level) for name, target in targets.items()
        }
        n_examples = {name: len(target) for name, target in targets.items()}
        unscreened = cls(facets, n_examples, np.zeros(0))
        best = unscreened.z_ngrams(pool_sample).max(axis=0, initial=-np.inf)
        return replace(unscreened, sample_best=np.sort(best))

    @cached_property
    def columns(self) -> dict[str, str]:
        """Alignment, its parts, the facet's number, and every facet's ``ngram`` value."""
        return {
            "alignment": "float64",
            "ngram": "float64",
            "conditional": "float64",
            "c_x": "int32",
            "c_x_given_t": "int32",
            "facet": "int32",
            **{f"ngram.{name}": "float64" for name in self.facets},
        }

    @property
    def names(self) -> list[str]:
        """Names of the facets, in the order of their numbers."""
        return list(self.facets)

    def z_ngrams(self, batch: TextBatch) -> NDArray[np.float64]:
        """Each facet's standardized ``ngram`` values, float64 ``(n_facets, n_records)``."""
        rows = []
        for facet in self.facets.values():
            _, _, mean, deviation = facet.moments
            rows.append((facet.ngram.score(batch)["alignment"] - mean) / deviation)
        return np.array(rows).reshape(len(self.facets), len(batch))

    def screen_for(self, share: float) -> float:
        """The highest ``ngram`` value that about ``share`` of the pool reaches; -inf for all."""
        n_records = len(self.sample_best)
        if share >= 1 or n_records == 0:
            return -np.inf
        return float(self.sample_best[min(n_records - 1, int(n_records * (1 - share)))])

    def screened(self, screen: float) -> FacetedScorer:
        """The same scorer with another ``screen``."""
        return replace(self, screen=screen)

    def score(self, batch: TextBatch) -> Scores:
        """Alignment with the closest facet; NaN (sizes 0) where screened out."""
        values = self.z_ngrams(batch)
        closest = values.argmax(axis=0) if len(batch) else np.zeros(0, np.int64)
        return self.finish(
            batch,
            {
                "alignment": np.full(len(batch), np.nan),
                "ngram": values.max(axis=0, initial=-np.inf),
                "conditional": np.full(len(batch), np.nan),
                "c_x": np.zeros(len(batch), np.int32),
                "c_x_given_t": np.zeros(len(batch), np.int32),
                "facet": closest.astype(np.int32),
                **{f"ngram.{name}": row for name, row in zip(self.facets, values, strict=True)},
            },
        )

    def finish(self, batch: TextBatch, scores: Scores) -> Scores:
        """As ``FusedScorer.finish``."""
        wanted = np.isnan(scores["alignment"]) & (scores["ngram"] >= self.screen)
        for number, facet in enumerate(self.facets.values()):
            rows = np.flatnonzero(wanted & (scores["facet"] == number))
            c_x, c_x_given_t = facet.conditional.sizes(batch, rows)
            of_conditional = 1 - c_x_given_t / c_x
            mean, deviation, _, _ = facet.moments
            scores["c_x"][rows], scores["c_x_given_t"][rows] = c_x, c_x_given_t
            scores["conditional"][rows] = of_conditional
            z_conditional = (of_conditional - mean) / deviation
            scores["alignment"][rows] = 0.5 * (z_conditional + scores["ngram"][rows])
        return scores

    def state(self) -> State:
        """As ``Scorer.state``."""
        facets = {name: facet.state() for name, facet in self.facets.items()}
        return {
            "facets": facets,
            "n_examples": dict(self.n_examples),
            "sample_best": self.sample_best,
        }

    @classmethod
    def from_state(cls, state: State) -> FacetedScorer:
        """As ``Scorer.from_state``."""
        facets = {name: FusedScorer.from_state(one) for name, one in state["facets"].items()}
        return cls(facets, state["n_examples"], state["sample_best"])


#: Scorers that can pass over texts and finish them later.
Cascade = FusedScorer | FacetedScorer
