"""Settings of fitting, and the way from them to a fitted scorer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from zipsel.console.values import Count, Seed, Size, Unreadable, Whole, one_of
from zipsel.errors import UsageError
from zipsel.scorers import SCORERS, Scorer, check_with, scorer_class
from zipsel.scorers.codecs import CODECS

if TYPE_CHECKING:
    from zipsel.texts import TextBatch

DEFAULT_SAMPLE_BYTES = 8 << 20


def _known_scorer(name: str) -> str:
    if name not in SCORERS:  # a class takes a tenth of a second to load: not before workers start
        try:
            scorer_class(name)
        except UsageError as error:
            raise Unreadable(str(error).removeprefix("--scorer ")) from None
    return name


ScorerName = Annotated[
    str,
    Meta(description="the name of a scorer", extra={"parse": _known_scorer, "choices": SCORERS}),
]

CodecName = Annotated[str, one_of(CODECS)]


class FitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is fitted.

    Attributes:
        scorer: Name of the scorer; empty for ``ngram``, or for ``fused`` where the target has
            several names or facets.
        codec: Compressor of ``ncd``; None for its default.
        level: Compression level; None for the scorer's default.
        seed: Seed of the pool sample.
        sample_bytes: Text in the pool sample.
        facets: Groups that the target is split into; ``auto`` to find out, 1 for no split.
        per_token: Whether ``dsir`` divides the weight by the number of tokens.
    """

    scorer: ScorerName = ""
    codec: CodecName | None = None
    level: Whole | None = None
    seed: Seed = 0
    sample_bytes: Size = DEFAULT_SAMPLE_BYTES
    facets: Count | Literal["auto"] = 1
    per_token: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that cannot be fitted, before any file is read (``UsageError``)."""
        if (self.codec, self.level, self.facets, self.per_token) != (None, None, 1, False):
            check_with(scorer_class(self.scorer_for(1)), self)

    def scorer_for(self, n_targets: int) -> str:
        """Name of the scorer for a number of named targets."""
        return self.scorer or default_scorer(n_targets, self.facets)


def default_scorer(n_targets: int, facets: int | str) -> str:
    """Name of the scorer where none is asked for."""
    return "fused" if n_targets > 1 or facets != 1 else "ngram"


def scorers_with(has: Callable[[type[Scorer]], bool]) -> str:
    """Names of zipsel's scorers whose class has a property, for a message: ``ngram or dsir``."""
    return " or ".join(name for name in SCORERS if has(scorer_class(name)))


def scorers_that_take(option: str) -> str:
    """As ``scorers_with``, of the scorers that an option of fitting changes."""
    return scorers_with(lambda kind: option in kind.takes)


def is_cascade(kind: type[Scorer]) -> bool:
    """Whether scorers of a class are cascades, which finish contenders only."""
    return hasattr(kind, "threshold_for")


def fit_scorer(
    settings: FitSettings, targets: Mapping[str, TextBatch], sample: TextBatch
) -> Scorer:
    """Fit the scorer that the settings name.

    Raises:
        UsageError: If the scorer cannot use the examples, the sample or several targets.
    """
    kind = scorer_class(settings.scorer_for(len(targets)))
    if len(targets) > 1 and "facets" not in kind.takes:
        raise UsageError(f"several named targets need --scorer {scorers_that_take('facets')}")
    return kind.fit(targets, sample, settings)
