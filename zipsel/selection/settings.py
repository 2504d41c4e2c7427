"""What choosing and writing needs: budget, order, strategy, output."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from zipsel.console.values import Count, Name, Path, Paths, Seed, Share, Size, one_of
from zipsel.errors import UsageError
from zipsel.pool.formats import OutputFormat
from zipsel.scorers import Scorer, as_cascade, facets_of
from zipsel.scorers.fit import FitSettings
from zipsel.selection.budgets import Budget
from zipsel.selection.quotas import OTHERS, Shares
from zipsel.selection.strategies import STRATEGIES, default_strategy, find_strategy
from zipsel.storage.paths import refuse_unwritable

#: Groups that a message names.
_N_NAMED = 20

DEFAULT_SHARD_BYTES = 256 << 20
DEFAULT_NEAR_THRESHOLD = 0.7
DEFAULT_NGRAM = 13
DEFAULT_OVERLAP = 0.5

DedupMode = Literal["exact", "near", "none"]

#: The exponential of a quotient by less, or of one by more, is no number any more.
Temperature = Annotated[float, Meta(ge=1e-3, le=1e6, description="a number from 0.001 to 1e6")]

Cutoff = Annotated[float, Meta(ge=0, lt=1, description="a share, 0 to under 1")]
StrategyName = Annotated[str, one_of(STRATEGIES)]


class LeakRule(msgspec.Struct, frozen=True):
    """When a text is a leak.

    Attributes:
        ngram: Words in an n-gram.
        overlap: Share of an example's n-grams, over 0 to 1.
    """

    ngram: Count = field(default=DEFAULT_NGRAM, name="leak_ngram")
    overlap: Share = field(default=DEFAULT_OVERLAP, name="leak_overlap")


class SelectSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What choosing and writing needs.

    Attributes:
        budget: How much is chosen.
        output: A directory, a file, or ``-``.
        order: ``rank`` (best first) or ``input``.
        add_field: Name under which each row gets its alignment, or None.
        format: ``jsonl``, ``jsonl.gz``, ``jsonl.zst``, ``parquet``; None to follow the output's
            suffix, then the pool.
        shard_bytes: Rows of one output shard, before compression.
        tokenizer: A tokenizers JSON file for token budgets.
        contenders: Share of the pool that a cascade finishes; None to follow the budget.
        strategy: In what order records are offered; empty for ``cover``, or for ``top`` where the
            budget is an alignment.
        temperature: Of ``sample``.
        hard_cutoff: Share of lowest alignments that ``stratified`` drops.
        seed: Of everything random.
        dedup: ``exact``, ``near`` or ``none``.
        near_threshold: Jaccard similarity of near-duplicates.
        keep_leaks: Do not look for leaks.
        leak_rule: When a text is a leak.
        exclude: Files whose examples must not leak either.
        eval_target: Files of held-out examples that the report measures the subset on.
        quota: ``(group, share)`` pairs; empty for no quotas.
        max_per_group: Records of one group at most, or None.
        mix: ``(target, share)`` pairs for several named targets; empty for one budget for all.
        refit: Whether to fit a new profile though that of the last run could be kept.
    """

    budget: Budget
    output: Path
    order: Literal["rank", "input"] = "rank"
    add_field: Name | None = None
    format: OutputFormat | None = None
    shard_bytes: Size = field(default=DEFAULT_SHARD_BYTES, name="shard_size")
    tokenizer: Path | None = None
    contenders: Share | None = None
    strategy: StrategyName = ""
    temperature: Temperature = 0.3
    hard_cutoff: Cutoff = 0.5
    seed: Seed = 0
    dedup: DedupMode = "exact"
    near_threshold: Share = DEFAULT_NEAR_THRESHOLD
    keep_leaks: bool = False
    leak_rule: LeakRule = LeakRule()
    exclude: Paths = field(default=(), name="exclude_overlap")
    eval_target: Paths = ()
    quota: Shares = ()
    max_per_group: Count | None = None
    mix: Shares = ()
    refit: bool = False

    def __post_init__(self) -> None:
        """Settle the strategy, and refuse an output that cannot be written to.

        Raises:
            UsageError: If the output is a URL that can only be read.
        """
        refuse_unwritable("--output", self.output)
        if not self.strategy:
            name = default_strategy(by_alignment=self.budget.kind == "min_alignment")
            msgspec.structs.force_setattr(self, "strategy", name)


def check_profile(select: SelectSettings, fit: FitSettings, scorer: Scorer) -> None:
    """Refuse what the scorer of the profile cannot do: the part of the check that waits for it.

    Raises:
        UsageError: Naming the option and the targets that there are.
    """
    names = facets_of(scorer)
    unknown = [name for name, _ in select.mix if name not in names]
    if select.mix and not names:
        raise UsageError("--mix needs several named targets: --target NAME=PATH for each")
    if unknown:
        raise UsageError(f"--mix names {', '.join(unknown)}; the targets are {', '.join(names)}")
    # With auto, one facet is an answer: equal parts are then one part.
    if not names and find_strategy(select.strategy).even_facets and fit.facets == 1:
        raise UsageError(
            f"--strategy {select.strategy} shares the budget out among facets: add --facets auto "
            "(or a number), or name several targets with --target NAME=PATH"
        )
    if select.contenders is not None and as_cascade(scorer) is None:
        raise UsageError(f"--contenders needs a cascade; the profile's scorer is {scorer.name}")


def check_groups(select: SelectSettings, field_name: str | None, groups: Collection[str]) -> None:
    """Refuse quotas of groups that no row has, which is known once the pool is scored.

    Raises:
        UsageError: Naming the option, the group and the groups that there are.
    """
    known = ", ".join(sorted(groups)[:_N_NAMED]) + (", ..." if len(groups) > _N_NAMED else "")
    unknown = [name for name, _ in select.quota if name != OTHERS and name not in groups]
    if unknown:
        found = f"--group-field {field_name} of the pool has only {known}"
        raise UsageError(
            f"--quota names {', '.join(unknown)}, but {found if groups else no_groups(field_name)}"
        )
    if select.max_per_group is not None and not groups:
        raise UsageError(f"--max-per-group needs groups, but {no_groups(field_name)}")


def no_groups(field_name: str | None) -> str:
    """What is wrong with a group field that gives no row a group, and where to look."""
    return (
        f"no row has a string, a number or a boolean in the field {field_name} of --group-field; "
        "zipsel peek shows the fields"
    )
