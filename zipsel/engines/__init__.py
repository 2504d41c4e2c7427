"""Engines run a function on every task of a stream, out of order and with bounded work in flight.

``local`` is a pool of processes, ``ray`` a cluster. What an engine promises is in the protocol;
results do not depend on which one ran them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, Protocol, Self, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class Engine(Protocol):
    """Runs tasks somewhere."""

    n_workers: int

    def __enter__(self) -> Self:
        """Nothing starts yet."""

    def __exit__(self, *_: object) -> None:
        """As ``close``."""

    def start(self) -> None:
        """Begin to set workers up, if that can be done while this process does other things."""

    def check_paths(self, work_dir: str, paths: Sequence[str], few: Sequence[str] = ()) -> None:
        """Refuse files that some worker would not see as this process does.

        Args:
            work_dir: Where workers leave what they make.
            paths: Files that they read; of many, some are looked at.
            few: Files that they read and that are all looked at.

        Raises:
            UsageError: Naming the worker and the path.
        """

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


def open_engine(name: Literal["local", "ray"], n_workers: int, address: str | None) -> Engine:
    """The engine of a name, its module imported only now.

    Args:
        name: Which.
        n_workers: Tasks at once on this machine.
        address: Of a Ray cluster; None for this machine.

    Raises:
        UsageError: If its library is not installed.
    """
    if name == "ray":
        from zipsel.engines.ray import RayEngine

        return RayEngine(n_workers, address)
    from zipsel.engines.local import LocalEngine

    return LocalEngine(n_workers)
