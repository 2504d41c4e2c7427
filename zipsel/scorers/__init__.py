"""Scorers: fitted once on target and pool sample, then a pure function of a text.

``fused`` (default) is the mean of ``conditional`` (a zstd dictionary made of the target) and
``ngram`` (a byte n-gram code of the target against one of the pool), each standardized on the
pool sample. ``ncd`` is ZIP-FIT itself, ``dsir`` the hashed n-gram importance weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from numpy.typing import NDArray

from zipsel.errors import UsageError
from zipsel.texts import CHUNK_BYTES, TextBatch

if TYPE_CHECKING:
    from typing import Self

__all__ = ["CHUNK_BYTES", "SCORER_NAMES", "Scorer", "Scores", "State", "scorer_class"]

#: What a scorer keeps in a profile: str, int, float, bool, bytes, numpy arrays, and dicts of them.
State = dict[str, Any]

#: Column name → one value a text, ``(n_records,)``; ``alignment`` is always among them.
Scores = dict[str, NDArray[Any]]


class Scorer(Protocol):
    """What every scorer is: fitted, immutable, picklable, deterministic.

    A text's scores never depend on the other texts of its batch.
    """

    name: ClassVar[str]
    #: How much of a shard one task should score: less where a text costs more.
    chunk_bytes: ClassVar[int]

    @property
    def columns(self) -> dict[str, str]:
        """Columns that ``score`` returns, in the order of the sidecar, with their numpy types."""

    def score(self, batch: TextBatch) -> Scores:
        """Score texts.

        Returns:
            A column ``(n_records,)`` for each of ``columns``. ``alignment`` is float64, higher
            is closer; NaN where the scorer passed the text over without finishing (a cascade).
        """

    def state(self) -> State:
        """Everything that ``from_state`` needs."""

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild the scorer; its scores are the same to the last bit."""


def scorer_class(name: str) -> type[Scorer]:
    """Look a scorer up by name, importing only its module.

    Raises:
        UsageError: If there is none of that name.
    """
    if name == "fused":
        from zipsel.scorers.fused import FusedScorer

        return FusedScorer
    if name == "conditional":
        from zipsel.scorers.conditional import ConditionalScorer

        return ConditionalScorer
    if name == "ngram":
        from zipsel.scorers.ngram import NgramScorer

        return NgramScorer
    if name == "faceted":
        from zipsel.scorers.faceted import FacetedScorer

        return FacetedScorer
    if name == "ncd":
        from zipsel.scorers.ncd import NcdScorer

        return NcdScorer
    if name == "dsir":
        from zipsel.scorers.dsir import DsirScorer

        return DsirScorer
    raise UsageError(f"scorer {name!r} is not one of {', '.join(SCORER_NAMES)}")


SCORER_NAMES = ("fused", "conditional", "ngram", "ncd", "dsir")
