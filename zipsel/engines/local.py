"""A pool of processes on this machine.

``multiprocessing.Pool`` hangs when a worker is killed; ``ProcessPoolExecutor`` raises. A fork
server, which has imported all modules once, starts the workers; the running program itself is
never forked. A worker ends itself when its parent ends.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import forkserver
from queue import Empty
from typing import Any

from zipsel.engines import Result, Task
from zipsel.engines.events import Events
from zipsel.engines.worker import prepare_worker
from zipsel.errors import UsageError, worker_died

#: Tasks submitted beyond one for each worker, so that no worker waits for its next task.
_TASKS_AHEAD = 1

#: Seconds without a result after which the engine checks whether a worker has died.
_WATCH_SECONDS = 5.0

#: Longest TMPDIR, in bytes: multiprocessing appends "/pymp-12345678/listener-12345678" to name the
#: fork server's socket, and the address of a socket has at most 107 bytes.
_LONGEST_TMPDIR = 72


class LocalEngine:
    """Processes on this machine; with one worker, this process itself.

    Args:
        n_workers: Tasks that run at the same time.
        address: None, because there is no cluster.
        preload: Modules that the fork server imports once for all workers.

    Raises:
        UsageError: If there is an address.
    """

    def __init__(
        self, n_workers: int, address: str | None = None, preload: Sequence[str] = ()
    ) -> None:
        if address is not None:
            raise UsageError(f"--ray-address {address} needs --engine ray")
        self.n_workers = n_workers
        self._preload = preload
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> LocalEngine:
        """Start no worker yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all workers."""
        self.close()

    def start(self) -> None:
        """Start the fork server, which imports the workers' modules in the meantime."""
        if self.n_workers > 1:
            with _usable_environment():
                self._new_context()
                forkserver.ensure_running()

    def check_paths(self, work_dir: str, paths: Sequence[str], few: Sequence[str] = ()) -> None:
        """Accept all paths: workers run on this machine."""

    def _new_executor(self) -> ProcessPoolExecutor:
        with _usable_environment():
            return ProcessPoolExecutor(self.n_workers, self._new_context(), prepare_worker)

    def _new_context(self) -> multiprocessing.context.BaseContext:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["__main__", *self._preload])
        return context

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result | BaseException]]:
        """As ``Runner.run``."""
        if self.n_workers == 1:
            for task in tasks:
                yield task, _call(function, task)
            return
        waiting = iter(tasks)
        running: dict[Future[Any], Task] = {}
        while True:
            for task in islice(waiting, self.n_workers + _TASKS_AHEAD - len(running)):
                running[self._submit(function, task)] = task
            if not running:
                return
            suspects: list[Task] = []
            for future in self._wait_for_any(running):
                task = running.pop(future)
                if _has_died(future):
                    suspects.append(task)
                else:
                    yield task, _outcome(future)
            if suspects:
                suspects.extend(running.values())
                running.clear()
                yield from self._retry_alone(function, suspects)

    def run_ordered(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[Result]:
        """As ``OrderedEngine.run_ordered``."""
        if self.n_workers == 1:
            for task in tasks:
                yield _raised(_call(function, task))
            return
        events: Events[Task] = Events(tasks, n_ahead=2 * self.n_workers)
        running: deque[tuple[Task, Future[Result]]] = deque()
        while running or not events.ended:
            for result in self._take_ready(function, running):
                events.make_room()
                yield result
            if not running and events.ended:
                return
            try:
                task_or_none = events.wait(_WATCH_SECONDS)
            except Empty:
                self._break_stuck_pool()
                continue
            if task_or_none is not None:
                future = self._submit(function, task_or_none)
                running.append((task_or_none, future))
                future.add_done_callback(events.wake)

    def _take_ready(
        self, function: Callable[[Task], Result], running: deque[tuple[Task, Future[Result]]]
    ) -> Iterator[Result]:
        """Yield the results at the head of the queue; if a worker died, run all its tasks again."""
        while running and running[0][1].done():
            if _has_died(running[0][1]):
                tasks = [task for task, _ in running]
                running.clear()
                for _, outcome in self._retry_alone(function, tasks):
                    yield _raised(outcome)
                return
            yield running.popleft()[1].result()

    def _wait_for_any(self, futures: Iterable[Future[Any]]) -> set[Future[Any]]:
        """Wait until a future is done, and end a pool that does not notice a worker's death."""
        while True:
            done, _ = wait(futures, _WATCH_SECONDS, FIRST_COMPLETED)
            if done:
                return done
            self._break_stuck_pool()

    def _break_stuck_pool(self) -> None:
        """End a pool that has lost a worker and still waits for it.

        A worker killed while it writes a result leaves half a message, and the executor waits
        for the rest: https://github.com/python/cpython/issues/94777 is of this family.
        """
        if any(process.exitcode is not None for process in self._processes()):
            self.close()

    def _submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        """Submit a task, to a new pool if the last one broke in the meantime.

        A breaking pool may close its queues before it raises ``BrokenProcessPool``.
        """
        try:
            return self._pool().submit(function, task)
        except (BrokenProcessPool, OSError):
            self._replace_pool()
            return self._pool().submit(function, task)

    def _pool(self) -> ProcessPoolExecutor:
        if self._executor is None:
            self._executor = self._new_executor()
        return self._executor

    def _replace_pool(self) -> None:
        self.close()
        self._executor = self._new_executor()

    def _retry_alone(
        self, function: Callable[[Task], Result], tasks: list[Task]
    ) -> Iterator[tuple[Task, Result | BaseException]]:
        """Run each task that may have killed a worker again, one at a time."""
        self._replace_pool()
        for task in tasks:
            future = self._submit(function, task)
            self._wait_for_any([future])
            if _has_died(future):
                raise worker_died(task)
            yield task, _outcome(future)

    def _processes(self) -> list[multiprocessing.Process]:
        return list((getattr(self._executor, "_processes", None) or {}).values())

    def close(self) -> None:
        """As ``Engine.close``."""
        if self._executor is None:
            return
        for process in self._processes():
            process.kill()
        # A killed worker may have written half a result. Once this process, the last writer, closes
        # the queue, the executor's thread reads an end of file instead of waiting for the rest.
        results = getattr(self._executor, "_result_queue", None)
        if results is not None:
            results._writer.close()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._executor = None


@contextmanager
def _usable_environment() -> Iterator[None]:
    """Put the socket into /tmp if TMPDIR is long; a ``UsageError`` explains what cannot be used."""
    kept = tempfile.tempdir
    try:
        if len(os.fsencode(tempfile.gettempdir())) > _LONGEST_TMPDIR:
            tempfile.tempdir = "/tmp"
        multiprocessing.util.get_temp_dir()  # created once, for all sockets
        yield
    except OSError as error:
        raise UsageError(
            f"cannot start worker processes: {error.strerror or error}; they need a writable "
            "/dev/shm with some space left (containers: --shm-size) and a writable TMPDIR. "
            "--workers 1 needs neither"
        ) from None
    finally:
        tempfile.tempdir = kept


def _call(function: Callable[[Task], Result], task: Task) -> Result | BaseException:
    """Run a task in this process, and once more if memory ran out."""
    try:
        try:
            return function(task)
        except MemoryError:
            pass
        return function(task)
    except MemoryError:
        raise worker_died(task) from None
    except Exception as error:
        return error


def _has_died(future: Future[Any]) -> bool:
    """Whether a task ended because its worker died or ran out of memory."""
    return isinstance(future.exception(), BrokenProcessPool | MemoryError)


def _outcome(future: Future[Any]) -> Any:
    error = future.exception()
    return future.result() if error is None else error


def _raised(outcome: Result | BaseException) -> Result:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
