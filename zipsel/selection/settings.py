"""What choosing and writing needs: budget, order, strategy, output."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from zipsel.errors import UsageError
from zipsel.selection.budgets import Budget
from zipsel.selection.duplicates import DEFAULT_NEAR_THRESHOLD, DedupMode
from zipsel.selection.leaks import LeakRule
from zipsel.selection.strategies import find_strategy
from zipsel.storage.paths import refuse_unwritable

DEFAULT_SHARD_BYTES = 256 << 20


@dataclass(frozen=True, kw_only=True)
class SelectSettings:
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
        strategy: Name of the strategy, which orders candidates and shares out the budget.
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
        mix: ``(target, share)`` pairs for several named targets; empty for even parts.
    """

    budget: Budget
    output: str
    order: Literal["rank", "input"] = "rank"
    add_field: str | None = None
    format: str | None = None
    shard_bytes: int = DEFAULT_SHARD_BYTES
    tokenizer: str | None = None
    contenders: float | None = None
    strategy: str = "top"
    temperature: float = 0.3
    hard_cutoff: float = 0.5
    seed: int = 0
    dedup: DedupMode = "exact"
    near_threshold: float = DEFAULT_NEAR_THRESHOLD
    keep_leaks: bool = False
    leak_rule: LeakRule = field(default_factory=LeakRule)
    exclude: tuple[str, ...] = ()
    eval_target: tuple[str, ...] = ()
    quota: tuple[tuple[str, float], ...] = ()
    max_per_group: int | None = None
    mix: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what contradicts itself, before any work.

        Raises:
            UsageError: Naming the options.
        """
        refuse_unwritable("--output", self.output)
        strategy = find_strategy(self.strategy)
        parts = [
            name
            for name, given in (
                ("--quota", self.quota),
                ("--mix", self.mix),
                (f"--strategy {self.strategy}", strategy.shares_budget),
            )
            if given
        ]
        if len(parts) > 1:
            raise UsageError(f"{' and '.join(parts)} each share out the budget; give one of them")
        if parts and self.budget.kind == "min_alignment":
            raise UsageError(f"{parts[0]} shares out a budget; --min-alignment has no size")
        if self.budget.kind == "min_alignment" and not strategy.by_alignment_alone:
            raise UsageError(
                f"--strategy {self.strategy} fills a budget; --min-alignment takes all there are"
            )
        if self.temperature <= 0:
            raise UsageError(f"--temperature must be positive, not {self.temperature:g}")
        if not 0 <= self.hard_cutoff < 1:
            raise UsageError(f"--hard-cutoff is a share, 0 to under 1, not {self.hard_cutoff:g}")
        if not 0 < self.leak_rule.overlap <= 1 or self.leak_rule.ngram < 1:
            raise UsageError("--leak-overlap is over 0 to 1, and --leak-ngram at least 1")
        if not 0 < self.near_threshold <= 1:
            raise UsageError(f"--near-threshold is over 0 to 1, not {self.near_threshold:g}")

    def digest_fields(self) -> dict[str, Any]:
        """Everything that decides the bytes written."""
        fields = asdict(self)
        del fields["output"]
        return fields
