"""The settings of a run: frozen, validated once, with the digests that key its results."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from zipsel.errors import UsageError
from zipsel.readers import ReadOptions
from zipsel.rows import TextSpec
from zipsel.sample import DEFAULT_SAMPLE_BYTES
from zipsel.selection.budgets import Budget

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
    """

    scorer: str = "fused"
    codec: str | None = None
    level: int | None = None
    seed: int = 0
    sample_bytes: int = DEFAULT_SAMPLE_BYTES

    def __post_init__(self) -> None:
        """Refuse what cannot be fitted, before any work.

        Raises:
            UsageError: If codec or level do not go with the scorer.
        """
        if self.scorer == "ncd":
            from zipsel.codecs import check_codec

            check_codec(self.codec or "gzip", self.level)
            return
        if self.codec is not None and (self.scorer == "ngram" or self.codec != "zstd"):
            raise UsageError(f"--codec {self.codec} does not go with --scorer {self.scorer}")
        if self.scorer == "ngram":
            if self.level is not None:
                raise UsageError("--level does not go with --scorer ngram, which has no compressor")
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
        work_dir: Where sidecars and profiles live.
        workers: Processes.
        on_bad_file: What a file that cannot be read does: ``stop``, ``skip``, ``salvage``.
        max_rejects: Refused rows that are too many: a number, or a share under 1.
    """

    pool: tuple[str, ...]
    target: tuple[str, ...] = ()
    profile: str | None = None
    text: TextSpec = field(default_factory=TextSpec)
    target_text: TextSpec = field(default_factory=TextSpec)
    read: ReadOptions = field(default_factory=ReadOptions)
    fit: ScorerSettings = field(default_factory=ScorerSettings)
    work_dir: str = ".zipsel"
    workers: int = 1
    on_bad_file: Literal["stop", "skip", "salvage"] = "stop"
    max_rejects: str = "1%"
    lock: Literal["wait", "fail"] = "wait"

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            UsageError: If there is no pool, or not exactly one of target and profile.
        """
        if not self.pool:
            raise UsageError("name at least one pool file, directory or pattern (or - for stdin)")
        if bool(self.target) == bool(self.profile):
            raise UsageError("give either --target or --profile")
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
        dedup: ``exact`` or ``none``.
        tokenizer: A tokenizers JSON file for token budgets.
        contenders: Share of the pool that a cascade finishes; None to follow the budget.
    """

    budget: Budget
    output: str
    order: Literal["rank", "input"] = "rank"
    add_field: str | None = None
    format: str | None = None
    shard_bytes: int = DEFAULT_SHARD_BYTES
    dedup: Literal["exact", "none"] = "exact"
    tokenizer: str | None = None
    contenders: float | None = None

    def digest_fields(self) -> dict[str, Any]:
        """Everything that decides the bytes written."""
        fields = asdict(self)
        del fields["output"]
        return fields
