"""Settings of fitting, and the way from them to a fitted scorer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zipsel.errors import UsageError
from zipsel.scorers import SCORERS, Scorer, check_with, scorer_class

if TYPE_CHECKING:
    from zipsel.texts import TextBatch

DEFAULT_SAMPLE_BYTES = 8 << 20

#: Fields of ``FitSettings`` that only some scorers take → the value that asks for nothing.
_OPTIONAL = {"codec": None, "level": None, "per_token": False, "facets": 1}


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """What is fitted.

    Attributes:
        scorer: Name of the scorer.
        codec: Compressor of ``ncd``; None for its default.
        level: Compression level; None for the scorer's default.
        seed: Seed of the pool sample.
        sample_bytes: Text in the pool sample.
        facets: Groups that the target is split into; None to find out, 1 for no split.
        per_token: Whether ``dsir`` divides the weight by the number of tokens.
    """

    scorer: str = "fused"
    codec: str | None = None
    level: int | None = None
    seed: int = 0
    sample_bytes: int = DEFAULT_SAMPLE_BYTES
    facets: int | None = 1
    per_token: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that cannot be fitted, before any file is read.

        Raises:
            UsageError: If there is no such scorer, or it does not take an option or its value.
        """
        kind = scorer_class(self.scorer)
        for name, unset in _OPTIONAL.items():
            if getattr(self, name) != unset and name not in kind.takes:
                raise UsageError(
                    f"--{name.replace('_', '-')} does not go with --scorer {self.scorer}, only "
                    f"with {' and '.join(_scorers_that_take(name))}"
                )
        if self.facets is not None and self.facets < 1:
            raise UsageError(f"--facets must be at least 1, not {self.facets}")
        check_with(kind, self)


def _scorers_that_take(option: str) -> list[str]:
    return [name for name in SCORERS if option in scorer_class(name).takes]


def fit_scorer(
    settings: FitSettings, targets: Mapping[str, TextBatch], sample: TextBatch
) -> Scorer:
    """Fit the scorer that the settings name.

    Args:
        settings: Which scorer, and its options.
        targets: Name of each target → its examples.
        sample: Texts of the pool; none where the scorer needs no sample.

    Raises:
        UsageError: If the scorer cannot use the examples, the sample or several targets.
    """
    kind = scorer_class(settings.scorer)
    if len(targets) > 1 and "facets" not in kind.takes:
        names = " or ".join(_scorers_that_take("facets"))
        raise UsageError(f"several named targets need --scorer {names}")
    return kind.fit(targets, sample, settings)
