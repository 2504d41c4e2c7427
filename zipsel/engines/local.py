"""A pool of processes on this machine.

``multiprocessing.Pool`` hangs when a worker is killed; ``ProcessPoolExecutor`` says so. Workers
come from a fork server that has imported everything once, never from a fork of the running
program. A worker whose parent is gone ends itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from multiprocessing.connection import wait as wait_for_sentinel
from queue import SimpleQueue
from typing import Any

from zipsel.engines import Result, Task
from zipsel.errors import WorkerDied

#: Tasks given out beyond one for each worker, so that none waits for its next.
_TASKS_AHEAD = 1

_PRELOADED = ("__main__", "zipsel.gather", "zipsel.tasks")


def usable_cpus() -> int:
    """CPUs that this process may use: affinity and cgroup quota respected."""
    affinity = getattr(os, "sched_getaffinity", None)
    n_cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(n_cpus, quota) if quota else n_cpus)


def _cgroup_quota() -> int | None:
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, int(quota) // int(period))


class LocalEngine:
    """Processes on this machine; with one worker, this process itself.

    Args:
        n_workers: How many tasks run at once.
    """

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> LocalEngine:
        """Nothing starts yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all workers."""
        self.close()

    def start(self) -> None:
        """Let the fork server import what workers need while this process does other things."""
        if self.n_workers > 1 and _new_context().get_start_method() == "forkserver":
            forkserver.ensure_running()

    def _new_executor(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self.n_workers, _new_context(), _prepare_worker)

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result | BaseException]]:
        """As ``Engine.run``."""
        if self.n_workers == 1:
            for task in tasks:
                yield task, _call(function, task)
            return
        waiting = iter(tasks)
        running: dict[Future[Any], Task] = {}
        exhausted = False
        while True:
            while not exhausted and len(running) < self.n_workers + _TASKS_AHEAD:
                try:
                    task = next(waiting)
                except StopIteration:
                    exhausted = True
                    break
                running[self._submit(function, task)] = task
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            suspects: list[Task] = []
            for future in done:
                task = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
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
        """Yield results in the order of the tasks, each as soon as it can be.

        Tasks are drawn in a thread of their own, so that a result is not held back while the
        next task is waited for.

        Raises:
            WorkerDied: If a worker is killed twice at the same point.
        """
        if self.n_workers == 1:
            for task in tasks:
                yield function(task)
            return
        events: SimpleQueue[tuple[Task] | BaseException | None] = SimpleQueue()
        places = threading.Semaphore(2 * self.n_workers)
        threading.Thread(target=_draw, args=(tasks, events, places), daemon=True).start()
        running: deque[tuple[Task, Future[Result]]] = deque()
        drawn_all, n_deaths = False, 0
        while running or not drawn_all:
            while running and running[0][1].done():
                future = running[0][1]
                if isinstance(future.exception(), BrokenProcessPool):
                    n_deaths += 1
                    if n_deaths > 1:
                        raise WorkerDied(f"a worker died twice at {running[0][0]}")
                    self._replace_pool()
                    again = [(task, self._submit(function, task)) for task, _ in running]
                    running = deque(again)
                    for _, future in running:
                        future.add_done_callback(lambda _: events.put(None))
                    break
                running.popleft()
                places.release()
                n_deaths = 0
                yield future.result()
            if not running and drawn_all:
                return
            event = events.get()
            if isinstance(event, BaseException):
                if not isinstance(event, StopIteration):
                    raise event
                drawn_all = True
            elif event is not None:
                future = self._submit(function, event[0])
                future.add_done_callback(lambda _: events.put(None))
                running.append((event[0], future))

    def _submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        """Submit a task, in a new pool if the last one broke in the meantime."""
        try:
            return self._pool().submit(function, task)
        except BrokenProcessPool:
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
        """Run each task that may have killed a worker once more, one at a time."""
        self._replace_pool()
        for task in tasks:
            future = self._pool().submit(function, task)
            wait([future])
            if isinstance(future.exception(), BrokenProcessPool):
                raise WorkerDied(
                    f"a worker died twice at {task}; was it killed for memory? "
                    "Try fewer --workers, or look for an enormous row there"
                )
            yield task, _outcome(future)

    def close(self) -> None:
        """As ``Engine.close``."""
        if self._executor is None:
            return
        processes = list((getattr(self._executor, "_processes", None) or {}).values())
        for process in processes:
            process.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._executor = None


def _new_context() -> multiprocessing.context.BaseContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    return context


def _draw(
    tasks: Iterable[Task],
    events: SimpleQueue[tuple[Task] | BaseException | None],
    places: threading.Semaphore,
) -> None:
    """Hand tasks over, no more than there are places; an exception, or the end, comes last."""
    try:
        for task in tasks:
            places.acquire()
            events.put((task,))
    except BaseException as error:  # raised again where the results are read
        events.put(error)
    else:
        events.put(StopIteration())


def _call(function: Callable[[Task], Result], task: Task) -> Result | BaseException:
    try:
        return function(task)
    except Exception as error:
        return error


def _outcome(future: Future[Any]) -> Any:
    error = future.exception()
    return future.result() if error is None else error


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, keep standard output clean, and do not outlive the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait_for_sentinel([sentinel])
    os._exit(1)
