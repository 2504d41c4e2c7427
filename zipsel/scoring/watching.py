"""How far tasks of pass one have come that cut a stream, which may take hours each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from zipsel.engines import Result, Runner, Task
from zipsel.scoring.sidecar import part_path, read_summary
from zipsel.scoring.task import ScoreTask


@dataclass
class _Stream:
    """A task under way.

    Attributes:
        task: The task.
        index: The next of its chunks whose part has not been seen.
        n_rows: Rows of the parts seen.
        n_bytes: Bytes of their texts.
        n_parts: How many they are.
    """

    task: ScoreTask
    index: int
    n_rows: int = 0
    n_bytes: int = 0
    n_parts: int = 0

    def look(self, started: float) -> None:
        """Count the parts that the task has written since the run started."""
        task = self.task
        while True:
            if self.index in task.done:
                self.index += task.turn.step
                continue
            path = part_path(task.job.folder, task.shard, self.index)
            try:
                is_new = os.stat(path).st_mtime >= started
            except OSError:
                return
            summary = read_summary(path) if is_new else None
            if summary is None:
                return
            self.n_rows += summary.n_rows
            self.n_bytes += summary.n_bytes
            self.n_parts += 1
            self.index += task.turn.step

    @property
    def n_stored_bytes(self) -> int:
        """Roughly how much of the shard that is, and never all of the task."""
        shard = self.task.shard
        of_part = self.task.job.chunk_bytes * shard.n_bytes / max(1, shard.guessed_bytes)
        return int(min(self.n_parts * of_part, 0.99 * shard.n_bytes / self.task.turn.step))


@dataclass
class WatchedRunner(Runner):
    """An engine, and what its tasks under way have done.

    Attributes:
        engine: Runs the tasks.
    """

    engine: Runner
    _started: float = field(default_factory=time.time)
    _streams: dict[int, _Stream] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Have as many workers as the engine."""
        self.n_workers = self.engine.n_workers

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result | BaseException]]:
        """As ``Runner.run``."""
        for task, result in self.engine.run(function, self._begin(tasks)):
            self._streams.pop(id(task), None)
            yield task, result

    def _begin(self, tasks: Iterable[Any]) -> Iterator[Any]:
        for task in tasks:
            if isinstance(task, ScoreTask) and task.chunk is None:
                self._streams[id(task)] = _Stream(task, task.turn.first)
            yield task

    def under_way(self) -> tuple[int, int, int]:
        """Rows, bytes of text and stored bytes that tasks under way have done, for progress."""
        streams = list(self._streams.values())
        for stream in streams:
            stream.look(self._started)
        return (
            sum(stream.n_rows for stream in streams),
            sum(stream.n_bytes for stream in streams),
            sum(stream.n_stored_bytes for stream in streams),
        )
