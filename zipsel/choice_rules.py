"""What an option of the choice needs, checked before the work: none is silently without effect."""

from __future__ import annotations

from zipsel.errors import UsageError
from zipsel.profile import Profile
from zipsel.scorers.faceted import FacetedScorer
from zipsel.settings import ScoreSettings, SelectSettings


def check_choice(settings: ScoreSettings, select: SelectSettings, profile: Profile) -> None:
    """Refuse quotas without groups, and mixtures and coverage without facets.

    Raises:
        UsageError: Naming the option that is missing or the targets that there are.
    """
    if settings.read.group_field is None:
        for option, given in (("--quota", select.quota), ("--max-per-group", select.max_per_group)):
            if given:
                raise UsageError(f"{option} needs groups: name their field with --group-field")
    scorer = profile.scorer
    if isinstance(scorer, FacetedScorer):
        unknown = [name for name, _ in select.mix if name not in scorer.names]
        if unknown:
            raise UsageError(
                f"--mix names {', '.join(unknown)}; the targets are {', '.join(scorer.names)}"
            )
        return
    if select.mix:
        raise UsageError("--mix needs several named targets: --target NAME=PATH for each")
    # With auto, one facet is an answer: coverage is then the same as top.
    if select.strategy == "coverage" and settings.fit.facets == 1:
        raise UsageError(
            "--strategy coverage shares the budget out among facets: add --facets auto (or a "
            "number), or name several targets with --target NAME=PATH"
        )
