"""What all stages of a command share: settings, log, clock, and the pool as it was found."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import IO

from zipsel.console.messages import Log
from zipsel.console.safe_text import name_some
from zipsel.errors import BadShards, ShardError
from zipsel.pool.finding import find_shards
from zipsel.pool.known import KnownFiles
from zipsel.pool.shards import Shard
from zipsel.readers.shard import find_damage
from zipsel.scoring.settings import RunSettings

#: Names that a message lists.
_N_SHOWN = 5


@dataclass
class Run:
    """What all stages of a command share.

    Attributes:
        settings: What was asked for.
        log: Where people and machines read how it goes.
        command: The command line, for the report.
        force: Do again what is done.
        stdout: Where data for standard output go.
        stages: Stage → wall seconds.
        known: Files that earlier runs read; by default those of the work directory's runs.
    """

    settings: RunSettings
    log: Log
    command: Sequence[str] = ()
    force: bool = False
    stdout: IO[bytes] = field(default_factory=lambda: sys.stdout.buffer)
    stages: dict[str, float] = field(default_factory=dict)
    known: KnownFiles = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Look up what the runs of the work directory have read."""
        if self.known is None:
            self.known = KnownFiles(self.settings.work_dir)

    def say_waiting(self, message: str) -> None:
        """Say that another run is waited for."""
        self.log.say("waiting", message)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        started = time.perf_counter()
        yield
        self.stages[name] = self.stages.get(name, 0.0) + time.perf_counter() - started

    def find_pool(self) -> tuple[list[Shard], list[ShardError]]:
        """Find the shards, and the bad files if those are to be skipped.

        Raises:
            BadShards: If there are bad files and they are not to be skipped.
        """
        passed_over: list[str] = []
        shards, errors = find_shards(self.settings.pool, passed_over=passed_over, known=self.known)
        if passed_over:
            names = sorted(map(os.path.basename, passed_over))
            self.log.say(
                "passed-over",
                f"passed over, of no known format: {name_some(names, _N_SHOWN)}",
                files=sorted(passed_over),
                level="warning",
            )
        if errors and self.settings.on_bad_file == "stop":
            errors += find_damage(shards, self.settings.reading)
        return self.leave_out(errors, shards), errors

    def leave_out(self, errors: Sequence[ShardError], shards: list[Shard]) -> list[Shard]:
        """The shards without the bad ones.

        Raises:
            BadShards: If there are bad ones and they are not to be skipped, or no others.
        """
        bad = {error.shard for error in errors}
        good = [shard for shard in shards if shard.path not in bad]
        if errors and (self.settings.on_bad_file == "stop" or not good):
            raise BadShards(errors)
        for error in errors:
            self.log.say("bad-file", f"skipped: {error}", shard=error.shard, level="warning")
        return [replace(shard, index=i) for i, shard in enumerate(good)]
