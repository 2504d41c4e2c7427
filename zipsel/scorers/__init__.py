"""Scorers: fitted once on target and pool sample, then a pure function of a text.

``ngram`` (default) is a byte n-gram code of the target against one of the pool, ``conditional`` a
zstd dictionary made of the target, ``fused`` the mean of both, each standardized on the pool
sample. ``ncd`` is ZIP-FIT itself, ``dsir`` the hashed n-gram importance weights.

A scorer is one file and one line in ``SCORERS``; or, in another package, an entry point of the
group ``zipsel.scorers``, with the scorer's name and its class. What only some scorers can do is a
capability: a protocol, and one function here that says whether a scorer has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeAlias, runtime_checkable

from zipsel.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from zipsel.scorers.conditional import ConditionalScorer
    from zipsel.scorers.fit import FitSettings
    from zipsel.scorers.ngram import NgramScorer
    from zipsel.texts import TextBatch

#: Column name → one value a text, ``(n_records,)``; ``alignment`` is always among them.
ScoreColumns: TypeAlias = "dict[str, NDArray[Any]]"

#: What a profile keeps of a scorer: str, int, float, bool, bytes, numpy arrays, and dicts of them.
State = dict[str, Any]

#: Name of each scorer of zipsel → where its class is.
SCORERS = {
    "ngram": "zipsel.scorers.ngram:NgramScorer",
    "fused": "zipsel.scorers.fused:FusedScorer",
    "conditional": "zipsel.scorers.conditional:ConditionalScorer",
    "ncd": "zipsel.scorers.ncd:NcdScorer",
    "dsir": "zipsel.scorers.dsir:DsirScorer",
}

#: Entry points of this group are scorers of other packages.
ENTRY_POINT_GROUP = "zipsel.scorers"


class Scorer(Protocol):
    """What every scorer is: fitted, immutable, picklable, deterministic.

    A text's scores never depend on the other texts of its batch.
    """

    name: ClassVar[str]
    #: Fields of ``FitSettings`` that ``fit`` uses: codec, level, per_token, facets. A scorer that
    #: takes facets also takes several named targets.
    takes: ClassVar[frozenset[str]]
    #: Whether ``fit`` compares the target with a sample of the pool.
    needs_sample: ClassVar[bool]
    #: Bytes of a shard that one task scores: fewer where a text costs more.
    chunk_bytes: ClassVar[int]

    @classmethod
    def fit(
        cls, examples: Mapping[str, TextBatch], sample: TextBatch, settings: FitSettings
    ) -> Self:
        """Learn the target.

        Args:
            examples: Name of each target → its examples; one name unless facets are taken.
            sample: Texts of the pool; none where no sample is needed.
            settings: Only what is named in ``takes`` differs from the defaults.

        Raises:
            UsageError: If the examples, the sample or the settings cannot be used.
        """

    @property
    def columns(self) -> Mapping[str, str]:
        """Columns that ``score`` returns, in the order of the sidecar, with their numpy types."""

    def score(self, batch: TextBatch) -> ScoreColumns:
        """Score texts.

        Returns:
            A column ``(n_records,)`` for each of ``columns``. ``alignment`` is float64, higher
            is closer; NaN where a cascade has passed the text over.
        """

    def state(self) -> State:
        """Everything that ``from_state`` needs."""

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild the scorer; its scores are the same to the last bit."""


@runtime_checkable
class ChecksSettings(Protocol):
    """A scorer that refuses values of the options that it takes before any file is read."""

    @classmethod
    def check(cls, settings: FitSettings) -> None:
        """Raise ``UsageError`` for a codec or level that ``fit`` could not use."""


@runtime_checkable
class Cascade(Protocol):
    """A scorer with a cheap part that rules texts out before the expensive part is tried.

    Contenders are the texts whose cheap value reaches the threshold. All others keep an alignment
    of NaN and can be finished later, under a lower threshold.
    """

    #: Column of the cheap value, which ``threshold`` is compared with.
    threshold_column: ClassVar[str]
    #: Columns that hold nothing where a text is no contender.
    columns_finished_later: ClassVar[frozenset[str]]

    def threshold_for(self, fraction: float) -> float:
        """The cheap value that about this fraction of the pool reaches; -inf for all of it."""

    def at_threshold(self, threshold: float) -> Scorer:
        """The same scorer, passing over every text whose cheap value is lower."""

    def finish(self, batch: TextBatch, scores: ScoreColumns) -> ScoreColumns:
        """Finish the contenders that a higher threshold passed over.

        Args:
            batch: Texts.
            scores: Their columns under the higher threshold; changed in place.
        """


class Parts(NamedTuple):
    """What the alignment of a text is made of.

    Attributes:
        conditional: The dictionary part, or None.
        ngram: The n-gram part, or None.
        moments: Mean and standard deviation of ``conditional``, then of ``ngram``, over the pool
            sample, float64 ``(4,)``: the alignment is the mean of the two standardized parts.
            None where there is one part, which is the alignment.
        facet: Name of the facet that the text is closest to; None where there is one target.
    """

    conditional: ConditionalScorer | None
    ngram: NgramScorer | None
    moments: NDArray[np.float64] | None = None
    facet: str | None = None


@runtime_checkable
class Explainable(Protocol):
    """A scorer made of parts that can be shown at work in a text."""

    def parts(self, batch: TextBatch) -> Sequence[Parts]:
        """The parts that make each text's alignment; texts of one facet share one object."""


@runtime_checkable
class HasFacets(Protocol):
    """A scorer of several targets, or of facets of one; each text is scored by the closest.

    With two or more there is a column ``facet``, int32, with the position of the closest.
    """

    @property
    def n_examples(self) -> Mapping[str, int]:
        """Name of each facet → number of its examples, in the order of their positions."""


def as_cascade(scorer: Scorer) -> Cascade | None:
    """The scorer as a cascade, or None."""
    return scorer if isinstance(scorer, Cascade) else None


def columns_finished_later(scorer: Scorer) -> frozenset[str]:
    """Columns that hold nothing where a text is no contender; empty where there is no cascade."""
    cascade = as_cascade(scorer)
    return frozenset() if cascade is None else cascade.columns_finished_later


def as_explainable(scorer: Scorer) -> Explainable | None:
    """The scorer as an explainable one, or None."""
    return scorer if isinstance(scorer, Explainable) else None


def facets_of(scorer: Scorer) -> Mapping[str, int]:
    """Name of each facet → number of its examples; empty for a scorer of one target."""
    facets = scorer.n_examples if isinstance(scorer, HasFacets) else {}
    return facets if len(facets) > 1 else {}


def check_with(kind: type[Scorer], settings: FitSettings) -> None:
    """Refuse settings that the scorer itself refuses (``UsageError``)."""
    if isinstance(kind, ChecksSettings):
        kind.check(settings)


def scorer_class(name: str) -> type[Scorer]:
    """Look a scorer up by name, importing only its module.

    Raises:
        UsageError: If there is none of that name, or its package cannot be imported.
    """
    if name in SCORERS:
        kind: type[Scorer] = resolve_name(SCORERS[name])
        return kind
    found = _entry_points()
    if name not in found.names:
        known = [*SCORERS, *sorted(found.names)]
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"--scorer {name!r} is not one of {', '.join(known)}{hint}")
    try:
        kind = found[name].load()
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"--scorer {name}: {found[name].value} cannot be imported: {error}"
        ) from None
    return kind


def package_version(name: str) -> str:
    """Name and version of the package that a scorer comes from; empty for zipsel's own.

    It is part of every score key, so that a new version of the package scores again.
    """
    if name in SCORERS:
        return ""
    distribution = _entry_points()[name].dist
    return "" if distribution is None else f"{distribution.name} {distribution.version}"


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=ENTRY_POINT_GROUP)
