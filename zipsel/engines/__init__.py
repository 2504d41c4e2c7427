"""Engines run a function on every task of a stream, out of order and with bounded work in flight.

``LocalEngine`` is a pool of processes. What an engine promises is in the protocol; results do not
depend on which one ran them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class Engine(Protocol):
    """Runs tasks somewhere."""

    n_workers: int

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result | BaseException]]:
        """Yield each task with its result as it comes, or with the exception it raised.

        ``tasks`` is consumed as workers become free.

        Raises:
            WorkerDied: If a worker is killed twice, the second time alone, by one task.
        """

    def close(self) -> None:
        """End all workers at once; what they were doing is lost."""
