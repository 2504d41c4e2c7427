"""The settings of a run: frozen, validated once, with the digests that key its results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from zipsel.errors import UsageError
from zipsel.pool.formats import STDIN
from zipsel.readers.rows import Reading
from zipsel.scorers.fit import FitSettings
from zipsel.scoring.ranks import Share
from zipsel.storage.paths import refuse_unwritable


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """What scoring a pool needs; each field changes scores or says where things are.

    Attributes:
        pool: Files, directories, globs; or ``-`` alone.
        target: Likewise; empty where a profile is given.
        profile: A fitted profile's file, or None.
        reading: How rows of the pool become texts.
        target_reading: How rows of the target do.
        fit: What to fit where no profile is given.
        work_dir: Where sidecars and profiles live, on this machine.
        store: Where other machines find them too: the URL of an object store, or None.
        workers: Processes.
        on_bad_file: What a file that cannot be read does: ``stop``, ``skip``, ``salvage``.
        max_rejects: Refused rows that are too many: a number, or a share under 1.
        lock: Whether to wait for another run that holds the work directory.
        engine: Name of the engine that runs the tasks, a key of ``ENGINES``.
        ray_address: The Ray cluster; None for one on this machine.
    """

    pool: tuple[str, ...]
    target: tuple[str, ...] = ()
    profile: str | None = None
    reading: Reading = field(default_factory=Reading)
    target_reading: Reading = field(default_factory=Reading)
    fit: FitSettings = field(default_factory=FitSettings)
    work_dir: str = ".zipsel"
    store: str | None = None
    workers: int = 1
    on_bad_file: Literal["stop", "skip", "salvage"] = "stop"
    max_rejects: str = "1%"
    lock: Literal["wait", "fail"] = "wait"
    engine: str = "local"
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
        if self.reading.max_row_bytes < 1024:
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
