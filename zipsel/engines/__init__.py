"""Engines run a function on every task of a stream, out of order and with bounded work in flight.

``local`` is a pool of processes, ``ray`` a cluster. ``Engine`` says what all of them promise;
results do not depend on the engine. To add one, write its module and a line in ``ENGINES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, Protocol, Self, TypeVar, cast

from zipsel.errors import UsageError

Task = TypeVar("Task")
Result = TypeVar("Result")

#: Name of an engine → its class, which is called with the arguments of ``open_engine``.
ENGINES = {"local": "zipsel.engines.local:LocalEngine", "ray": "zipsel.engines.ray:RayEngine"}


class Runner(Protocol):
    """Runs tasks at the same time."""

    n_workers: int

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result | BaseException]]:
        """Yield each task with its result as it comes, or with the exception it raised.

        ``tasks`` is consumed as workers become free.

        Raises:
            WorkerDied: If one task kills a worker twice, the second time alone.
        """


class Engine(Runner, Protocol):
    """Runs tasks on workers."""

    def __enter__(self) -> Self:
        """Start no worker yet."""

    def __exit__(self, *_: object) -> None:
        """As ``close``."""

    def start(self) -> None:
        """Begin to start workers, if this process can do other work meanwhile."""

    def check_paths(self, work_dir: str, paths: Sequence[str], few: Sequence[str] = ()) -> None:
        """Refuse files that some worker would not see as this process does (``UsageError``).

        Args:
            work_dir: Directory into which workers write results.
            paths: Files that workers read; an engine may check only some of them.
            few: Files that workers read; an engine checks all of them.
        """

    def close(self) -> None:
        """End all workers at once; results of running tasks are lost."""


class OrderedEngine(Engine, Protocol):
    """Can also run tasks that come one by one, as lines of standard input do."""

    def run_ordered(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[Result]:
        """Yield results in the order of the tasks, each as soon as possible; raise as ``run``."""


def open_engine(
    name: str, n_workers: int, address: str | None = None, preload: Sequence[str] = ()
) -> Engine:
    """The engine of a name, its module imported only now.

    Args:
        name: Key of ``ENGINES``.
        n_workers: Tasks at once on this machine.
        address: Address of a cluster; None for this machine.
        preload: Modules of the tasks' functions, for engines that load them ahead.

    Raises:
        UsageError: If there is no such engine, its library is not installed, or it has no use for
            the address.
    """
    return cast(Engine, _class_of(name)(n_workers, address, preload))


def runs_in_order(name: str) -> bool:
    """Whether an engine can run tasks that come one by one (``OrderedEngine``)."""
    return hasattr(_class_of(name), "run_ordered")


def _class_of(name: str) -> Any:
    if name not in ENGINES:
        raise UsageError(f"--engine {name}: choose one of {', '.join(ENGINES)}")
    module, _, attribute = ENGINES[name].partition(":")
    return getattr(import_module(module), attribute)
