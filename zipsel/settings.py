"""The settings of a run: frozen, validated once, with the digests that key its results."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from zipsel.errors import UsageError
from zipsel.places import refuse_unwritable
from zipsel.readers import ReadOptions
from zipsel.rows import TextSpec
from zipsel.sample import DEFAULT_SAMPLE_BYTES
from zipsel.selection.budgets import Budget
from zipsel.selection.duplicates import DEFAULT_NEAR_THRESHOLD, DedupMode
from zipsel.selection.leaks import LeakRule
from zipsel.selection.strategies import StrategyName
from zipsel.shards import STDIN
from zipsel.shares import Share

DEFAULT_SHARD_BYTES = 256 << 20


def digest_of(value: Any) -> str:
    """Hex digest of plain data; equal data, equal digest."""
    return blake2b(msgspec.json.encode(value, order="sorted"), digest_size=16).hexdigest()


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
            from zipsel.codecs import check_codec

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


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """What scoring a pool needs; each field changes scores or says where things are.

    Attributes:
        pool: Files, directories, globs; or ``-`` alone.
        target: Likewise; empty where a profile is given.
        profile: A fitted profile's file, or None.
        text: Where the text of a pool row is.
        target_text: Where the text of a target row is.
        read: How rows are read.
        fit: What to fit where no profile is given.
        work_dir: Where sidecars and profiles live, on this machine.
        store: Where other machines find them too: the URL of an object store, or None.
        workers: Processes.
        on_bad_file: What a file that cannot be read does: ``stop``, ``skip``, ``salvage``.
        max_rejects: Refused rows that are too many: a number, or a share under 1.
        lock: Whether to wait for another run that holds the work directory.
        engine: Where tasks run.
        ray_address: The Ray cluster; None for one on this machine.
    """

    pool: tuple[str, ...]
    target: tuple[str, ...] = ()
    profile: str | None = None
    text: TextSpec = field(default_factory=TextSpec)
    target_text: TextSpec = field(default_factory=TextSpec)
    read: ReadOptions = field(default_factory=ReadOptions)
    fit: ScorerSettings = field(default_factory=ScorerSettings)
    work_dir: str = ".zipsel"
    store: str | None = None
    workers: int = 1
    on_bad_file: Literal["stop", "skip", "salvage"] = "stop"
    max_rejects: str = "1%"
    lock: Literal["wait", "fail"] = "wait"
    engine: Literal["local", "ray"] = "local"
    ray_address: str | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            UsageError: If there is no pool, or not exactly one of target and profile.
        """
        if not self.pool:
            raise UsageError("name at least one pool file, directory or pattern (or - for stdin)")
        if bool(self.target) == bool(self.profile):
            raise UsageError("give either --target or --profile")
        refuse_unwritable("--work-dir", self.store)
        if self.workers < 1:
            raise UsageError(f"--workers must be at least 1, not {self.workers}")
        if self.read.max_row_bytes < 1024:
            raise UsageError("--max-row-bytes must be at least 1024")
        self.rejects_allowed(100)

    def rejects_allowed(self, n_rows: int) -> int:
        """How many of ``n_rows`` may be refused.

        Raises:
            UsageError: If ``max_rejects`` is neither a number nor a percentage.
        """
        try:
            if self.max_rejects.endswith("%"):
                share = float(self.max_rejects[:-1]) / 100
                if 0 <= share <= 1:
                    return int(share * n_rows)
            elif (count := int(self.max_rejects)) >= 0:
                return count
        except ValueError:
            pass
        raise UsageError(f"--max-rejects takes a number or a percentage, not {self.max_rejects!r}")


@dataclass(frozen=True, kw_only=True)
class ScoreOutput:
    """What ``score`` writes besides the sidecars.

    Attributes:
        path: A directory, ``-``, or None for nothing.
        add_field: Name of the alignment where rows or attributes carry it.
        format: Of a directory: ``parquet`` or ``dolma``.
        share: Which part of the shards to score; None for all.
    """

    path: str | None
    add_field: str = "alignment"
    format: Literal["parquet", "dolma"] = "parquet"
    share: Share | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UsageError: If the format does not go with the path.
        """
        refuse_unwritable("--output", self.path)
        if self.format == "dolma" and self.path in (None, STDIN):
            raise UsageError("--format dolma writes a directory; name one: --output DIR")


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
        strategy: In what order records are offered.
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
    strategy: StrategyName = "top"
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
        parts = [
            name
            for name, given in (
                ("--quota", self.quota),
                ("--mix", self.mix),
                (f"--strategy {self.strategy}", self.strategy in ("stratified", "coverage")),
            )
            if given
        ]
        if len(parts) > 1:
            raise UsageError(f"{' and '.join(parts)} each share out the budget; give one of them")
        if parts and self.budget.kind == "min_alignment":
            raise UsageError(f"{parts[0]} shares out a budget; --min-alignment has no size")
        if self.budget.kind == "min_alignment" and self.strategy != "top":
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
