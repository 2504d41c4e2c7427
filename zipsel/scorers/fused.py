"""``fused``, the default of several targets: ``conditional`` and ``ngram``, standardized, averaged.

    alignment(x) = (z_conditional(x) + z_ngram(x)) / 2,  z = (value - mean) / standard deviation

over the pool sample, so that it reads as standard deviations above the pool. Each part mends the
other: ``conditional`` counts a stock phrase like a telling one, ``ngram`` sees no phrase longer
than n bytes.

The target may have several facets: named targets, or groups of its examples. Each has parts of its
own, standardized on the same pool sample. The facet with the highest z_ngram takes the text, and
only that facet's dictionary is tried, so that zstd's cost stays that of one target.

``ngram`` is several times cheaper, so the scorer is a cascade: contenders are the texts whose
``ngram`` value reaches a threshold. ``threshold_for`` reads it off the pool sample, so that the
contenders depend neither on workers nor on the rest of the pool.

Tried on humaneval, mbpp, proofnet and gsm8k without a gain beyond noise (0.01): n from 5 to 8, two
n at once, mu from 10 to 1000, tables of 16 to 20 bits, samples of 1 to 16 MB, weights of the parts
from 0.4 to 0.8, a length prior, winsorized z (which harms at 2 and 3). ``ngram`` at 0.7 was 0.009
better there and 0.010 worse on the four targets kept for checking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from zipsel.pool.shards import CHUNK_BYTES
from zipsel.scorers import Parts, ScoreColumns, State
from zipsel.scorers.conditional import ConditionalScorer, check_zstd, make_dictionary
from zipsel.scorers.facets import split_target
from zipsel.scorers.ngram import NgramParameters, NgramScorer
from zipsel.texts import TextBatch

if TYPE_CHECKING:
    from zipsel.scorers.fit import FitSettings

#: Records of the pool sample on which the parts are standardized: the mean is then known to 2 %
#: of a standard deviation, and the cost stays a fraction of start-up.
_MOMENT_RECORDS = 2048


@dataclass(frozen=True)
class Facet:
    """The two parts of one facet.

    Attributes:
        conditional: The dictionary part.
        ngram: The n-gram part.
        moments: Mean and standard deviation of ``conditional``, then of ``ngram``, over an even
            spread of the pool sample; float64 ``(4,)``.
        n_examples: Examples of the facet.
    """

    conditional: ConditionalScorer
    ngram: NgramScorer
    moments: NDArray[np.float64]
    n_examples: int

    def standardize(self, of_ngram: NDArray[np.float64]) -> NDArray[np.float64]:
        """Z of values of ``ngram``."""
        _, _, mean, deviation = self.moments
        z_ngram: NDArray[np.float64] = (of_ngram - mean) / deviation
        return z_ngram

    def combine(
        self, of_conditional: NDArray[np.float64], z_ngram: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The alignment of values of ``conditional`` and standardized values of ``ngram``."""
        mean, deviation, _, _ = self.moments
        combined: NDArray[np.float64] = 0.5 * ((of_conditional - mean) / deviation + z_ngram)
        return combined

    def state(self) -> State:
        """As ``Scorer.state``."""
        return {
            "conditional": self.conditional.state(),
            "ngram": self.ngram.state(),
            "moments": self.moments,
            "n_examples": self.n_examples,
        }

    @classmethod
    def from_state(cls, state: State) -> Facet:
        """As ``Scorer.from_state``."""
        return cls(
            ConditionalScorer.from_state(state["conditional"]),
            NgramScorer.from_state(state["ngram"]),
            state["moments"],
            state["n_examples"],
        )


@dataclass(frozen=True)
class FusedScorer:
    """Mean of the two standardized parts, of the facet that a text is closest to.

    Attributes:
        facets: Name → its parts; one or more.
        sample_ngram: ``ngram`` value of each record of the spread, ascending, float64.
        threshold: Texts with a lower ``ngram`` value are no contenders.
    """

    name: ClassVar[str] = "fused"
    takes: ClassVar[frozenset[str]] = frozenset({"codec", "level", "facets"})
    needs_sample: ClassVar[bool] = True
    chunk_bytes: ClassVar[int] = CHUNK_BYTES
    threshold_column: ClassVar[str] = "ngram"
    columns_finished_later: ClassVar[frozenset[str]] = frozenset(
        {"alignment", "conditional", "c_x", "c_x_given_t"}
    )

    facets: Mapping[str, Facet]
    sample_ngram: NDArray[np.float64]
    threshold: float = -np.inf

    check = ConditionalScorer.check

    @classmethod
    def fit(
        cls, examples: Mapping[str, TextBatch], sample: TextBatch, settings: FitSettings
    ) -> FusedScorer:
        """Fit both parts of each facet on its own examples."""
        if len(examples) == 1 and settings.facets != 1:
            (target,) = examples.values()
            groups = split_target(target, None if settings.facets == "auto" else settings.facets)
            examples = {f"facet-{i + 1}": target.take(group) for i, group in enumerate(groups)}
        level = check_zstd(settings.codec, settings.level)
        return cls.compare(examples, sample, level)

    @classmethod
    def compare(
        cls,
        examples: Mapping[str, TextBatch],
        sample: TextBatch,
        level: int,
        parameters: NgramParameters = NgramParameters(),  # noqa: B008 - frozen
    ) -> FusedScorer:
        """Fit facets by name; an even spread of the pool sample gives the moments."""
        n_records = len(sample)
        spread = sample.take(
            np.unique(np.linspace(0, n_records - 1, min(n_records, _MOMENT_RECORDS), dtype=int))
        )
        facets = {}
        for name, target in examples.items():
            conditional = ConditionalScorer(make_dictionary(target), level)
            ngram = NgramScorer.compare(target, sample, parameters)
            moments = np.array(
                [
                    *_moments(conditional.score(spread)["alignment"]),
                    *_moments(ngram.score(spread)["alignment"]),
                ]
            )
            facets[name] = Facet(conditional, ngram, moments, len(target))
        unordered = cls(facets, np.zeros(0))
        return replace(unordered, sample_ngram=np.sort(unordered.ngram_values(spread).max(axis=0)))

    @property
    def _has_several(self) -> bool:
        return len(self.facets) > 1

    @property
    def n_examples(self) -> Mapping[str, int]:
        """As ``HasFacets.n_examples``."""
        return {name: facet.n_examples for name, facet in self.facets.items()}

    @cached_property
    def columns(self) -> dict[str, str]:
        """Alignment and its parts; with several facets, also the closest and what each says."""
        columns = {
            "alignment": "float64",
            "ngram": "float64",
            "conditional": "float64",
            "c_x": "int32",
            "c_x_given_t": "int32",
        }
        if self._has_several:
            columns |= {"facet": "int32", **{f"ngram.{name}": "float64" for name in self.facets}}
        return columns

    def ngram_values(self, batch: TextBatch) -> NDArray[np.float64]:
        """Each facet's ``ngram`` values, float64 ``(n_facets, n_records)``.

        In bits per byte; with several facets standardized, so that they can be compared.
        """
        rows = []
        for facet in self.facets.values():
            values = facet.ngram.score(batch)["alignment"]
            rows.append(facet.standardize(values) if self._has_several else values)
        return np.array(rows)

    def threshold_for(self, fraction: float) -> float:
        """The ``ngram`` value that about this fraction of the pool reaches; -inf for all of it."""
        n_records = len(self.sample_ngram)
        if fraction >= 1 or n_records == 0:
            return -np.inf
        return float(self.sample_ngram[min(n_records - 1, int(n_records * (1 - fraction)))])

    def at_threshold(self, threshold: float) -> FusedScorer:
        """The same scorer, passing over every text whose ``ngram`` value is lower."""
        return replace(self, threshold=threshold)

    def score(self, batch: TextBatch) -> ScoreColumns:
        """Alignment in standard deviations above the pool; NaN (sizes 0) for no contenders."""
        values = self.ngram_values(batch)
        scores: ScoreColumns = {
            "alignment": np.full(len(batch), np.nan),
            "ngram": values.max(axis=0),
            "conditional": np.full(len(batch), np.nan),
            "c_x": np.zeros(len(batch), np.int32),
            "c_x_given_t": np.zeros(len(batch), np.int32),
        }
        if self._has_several:
            scores["facet"] = values.argmax(axis=0).astype(np.int32)
            for name, row in zip(self.facets, values, strict=True):
                scores[f"ngram.{name}"] = row
        return self.finish(batch, scores)

    def finish(self, batch: TextBatch, scores: ScoreColumns) -> ScoreColumns:
        """As ``Cascade.finish``."""
        contends = np.isnan(scores["alignment"]) & (scores["ngram"] >= self.threshold)
        for number, facet in enumerate(self.facets.values()):
            closest = scores["facet"] == number if self._has_several else True
            rows = np.flatnonzero(contends & closest)
            c_x, c_x_given_t = facet.conditional.sizes(batch, rows)
            of_conditional = 1 - c_x_given_t / c_x
            of_ngram = scores["ngram"][rows]
            z_ngram = of_ngram if self._has_several else facet.standardize(of_ngram)
            scores["c_x"][rows], scores["c_x_given_t"][rows] = c_x, c_x_given_t
            scores["conditional"][rows] = of_conditional
            scores["alignment"][rows] = facet.combine(of_conditional, z_ngram)
        return scores

    def parts(self, batch: TextBatch) -> Sequence[Parts]:
        """As ``Explainable.parts``."""
        parts = [
            Parts(
                facet.conditional, facet.ngram, facet.moments, name if self._has_several else None
            )
            for name, facet in self.facets.items()
        ]
        closest = self.ngram_values(batch).argmax(axis=0)
        return [parts[position] for position in closest.tolist()]

    def state(self) -> State:
        """As ``Scorer.state``; the threshold is of a run, not of the profile."""
        return {
            "facets": {name: facet.state() for name, facet in self.facets.items()},
            "sample_ngram": self.sample_ngram,
        }

    @classmethod
    def from_state(cls, state: State) -> FusedScorer:
        """As ``Scorer.from_state``."""
        facets = {name: Facet.from_state(facet) for name, facet in state["facets"].items()}
        return cls(facets, state["sample_ngram"])


def _moments(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation; 0 and 1 where there is nothing to divide by."""
    if len(values) == 0:
        return 0.0, 1.0
    return float(np.mean(values)), float(np.std(values)) or 1.0
