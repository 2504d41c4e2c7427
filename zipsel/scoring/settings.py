"""The settings of a run: frozen, validated once, with the digests that key its results."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from zipsel.console.values import Name, Path, Paths, one_of
from zipsel.engines import ENGINES
from zipsel.readers.reading import Reading
from zipsel.scorers.fit import FitSettings
from zipsel.scoring.ranks import Share
from zipsel.storage.paths import refuse_unwritable

#: More processes than any machine has; each would cost memory before it had work.
Workers = Annotated[
    int, Meta(ge=1, le=10_000, description="a whole number, at least 1 and at most 10000")
]

EngineName = Annotated[str, one_of(ENGINES)]

#: A number of rows, or a percentage.
Rejects = (
    Annotated[int, Meta(ge=0, description="a number of rows")]
    | Annotated[
        str,
        Meta(
            pattern=r"^(100(\.0*)?|[0-9]{1,2}(\.[0-9]*)?|\.[0-9]+)%\Z",
            description="a percentage such as 1%",
        ),
    ]
)


class RunSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
        max_rejects: Refused rows that are allowed: a number, or a percentage such as ``1%``.
        lock: Whether to wait for another run that holds the work directory.
        engine: Where tasks run.
        config: The file that some of these come from, or None.
        ray_address: The Ray cluster; None for one on this machine.
    """

    pool: Paths
    target: Paths = ()
    profile: Path | None = None
    reading: Reading = Reading()
    target_reading: Reading = Reading()
    fit: FitSettings = msgspec.field(default_factory=FitSettings)
    work_dir: Path = ".zipsel"
    store: str | None = None
    workers: Workers = 1
    on_bad_file: Literal["stop", "skip", "salvage"] = "stop"
    max_rejects: Rejects = "1%"
    lock: Literal["wait", "fail"] = "wait"
    engine: EngineName = "local"
    ray_address: Name | None = None
    config: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a work directory that cannot be written to (``UsageError``)."""
        refuse_unwritable("--work-dir", self.store)

    def rejects_allowed(self, n_rows: int) -> int:
        """How many of ``n_rows`` may be refused."""
        if isinstance(self.max_rejects, str):
            return int(float(self.max_rejects[:-1]) / 100 * n_rows)
        return self.max_rejects


class ScoreOutput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``score`` writes besides the sidecars, and the share of the shards that it scores."""

    path: Path | None = msgspec.field(default=None, name="output")
    add_field: Name = "alignment"
    format: Literal["parquet", "dolma"] = "parquet"
    share: Share | None = None

    def __post_init__(self) -> None:
        """Refuse a place that cannot be written to (``UsageError``)."""
        refuse_unwritable("--output", self.path)
