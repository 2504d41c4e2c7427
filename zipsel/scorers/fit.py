"""Fit a scorer: what is fitted, and the way from examples to a scorer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zipsel.errors import UsageError
from zipsel.scorers import Scorer, scorer_class
from zipsel.texts import TextBatch, join_batches


def fit_scorer(
    settings: ScorerSettings, targets: Mapping[str, TextBatch], pool_sample: TextBatch
) -> Scorer:
    """Fit the scorer that the settings name.

    Raises:
        UsageError: If there is none of that name, or it cannot use the codec or several targets.
    """
    scorer_class(settings.scorer)
    target = join_batches(list(targets.values()))
    if settings.scorer == "fused":
        return _fit_fused(settings, targets, target, pool_sample)
    if len(targets) > 1:
        raise UsageError("several named targets need --scorer fused")
    if settings.scorer == "ncd":
        from zipsel.scorers.ncd import NcdScorer

        return NcdScorer.fit(target, settings.codec, settings.level)
    if settings.scorer == "conditional":
        from zipsel.scorers.conditional import ConditionalScorer

        return ConditionalScorer.fit(target, settings.level)
    if settings.scorer == "dsir":
        from zipsel.scorers.dsir import DsirScorer

        return DsirScorer.fit(target, pool_sample, per_token=settings.per_token)
    from zipsel.scorers.ngram import NgramScorer

    return NgramScorer.fit(target, pool_sample)


def _fit_fused(
    settings: ScorerSettings,
    targets: Mapping[str, TextBatch],
    target: TextBatch,
    pool_sample: TextBatch,
) -> Scorer:
    if len(targets) == 1 and settings.facets != 1:
        from zipsel.scorers.facets import split_target

        groups = split_target(target, settings.facets)
        targets = {f"facet-{i + 1}": target.take(group) for i, group in enumerate(groups)}
    if len(targets) > 1:
        from zipsel.scorers.faceted import FacetedScorer

        return FacetedScorer.fit(targets, pool_sample, settings.level)
    from zipsel.scorers.fused import FusedScorer

    return FusedScorer.fit(target, pool_sample, settings.level)


DEFAULT_SAMPLE_BYTES = 8 << 20


@dataclass(frozen=True, kw_only=True)
class ScorerSettings:
    """What is fitted.

    Attributes:
        scorer: Name of the scorer.
        codec: For ``ncd``; None for its default.
        level: Compression level; None for the scorer's default.
        seed: Of the pool sample and of everything random.
        sample_bytes: Text in the pool sample.
        facets: Groups that the target is split into; None to find out, 1 for no split.
        per_token: For ``dsir``: divide the weight by the number of tokens.
    """

    scorer: str = "fused"
    codec: str | None = None
    level: int | None = None
    seed: int = 0
    sample_bytes: int = DEFAULT_SAMPLE_BYTES
    facets: int | None = 1
    per_token: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be fitted, before any work.

        Raises:
            UsageError: If codec, level or facets do not go with the scorer.
        """
        if self.facets != 1 and self.scorer != "fused":
            raise UsageError(f"--facets does not go with --scorer {self.scorer}, only with fused")
        if self.per_token and self.scorer != "dsir":
            raise UsageError(f"--per-token goes with --scorer dsir, not {self.scorer}")
        if self.facets is not None and self.facets < 1:
            raise UsageError(f"--facets must be at least 1, not {self.facets}")
        if self.scorer == "ncd":
            from zipsel.scorers.codecs import check_codec

            check_codec(self.codec or "gzip", self.level)
            return
        if self.codec is not None and (self.scorer in ("ngram", "dsir") or self.codec != "zstd"):
            raise UsageError(f"--codec {self.codec} does not go with --scorer {self.scorer}")
        if self.scorer in ("ngram", "dsir"):
            if self.level is not None:
                raise UsageError(f"--level does not go with --scorer {self.scorer}: no compressor")
        elif self.level is not None:
            from zipsel.scorers.conditional import check_level

            check_level(self.level)
