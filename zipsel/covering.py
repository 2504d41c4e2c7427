"""What ``diverse`` covers: the n-gram codes of a profile, whatever its scorer."""

from __future__ import annotations

import numpy as np

from zipsel.profile import Profile
from zipsel.scorers.faceted import FacetedScorer
from zipsel.scorers.fused import FusedScorer
from zipsel.scorers.ngram import NgramScorer
from zipsel.selection.budgets import BYTES_PER_TOKEN, BudgetKind
from zipsel.selection.diverse import GreedyCover


def open_cover(profile: Profile, kind: BudgetKind, limit: float, mean_bytes: float) -> GreedyCover:
    """A cover of a profile's target that nothing is taken for yet.

    Args:
        profile: Gives the codes.
        kind: Unit of the budget.
        limit: The budget.
        mean_bytes: Text of a record of the pool, for budgets in records.
    """
    per_unit = {"max_bytes": 1.0, "max_tokens": float(BYTES_PER_TOKEN)}.get(kind, mean_bytes)
    return GreedyCover(_ngram_codes(profile), limit * per_unit)


def _ngram_codes(profile: Profile) -> list[NgramScorer]:
    """One a facet; of the target alone where the scorer has none."""
    scorer = profile.scorer
    if isinstance(scorer, FacetedScorer):
        return [facet.ngram for facet in scorer.facets.values()]
    if isinstance(scorer, FusedScorer):
        return [scorer.ngram]
    if isinstance(scorer, NgramScorer):
        return [scorer]
    return [NgramScorer.fit(profile.target, profile.target.take(np.zeros(0, np.int64)))]
