"""Tasks and results of a stream as one queue of events, so that neither waits for the other.

Tasks are drawn in a thread of their own: the next line may be hours away while a result is ready.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from queue import SimpleQueue
from typing import Generic

from zipsel.engines import Task


class Events(Generic[Task]):
    """What happens next: a task is there, a result is there, the tasks have ended.

    Args:
        tasks: Drawn one after the other.
        n_ahead: Tasks that may be drawn before ``make_room`` is called.
    """

    def __init__(self, tasks: Iterable[Task], n_ahead: int) -> None:
        self.ended = False
        self._tasks = tasks
        self._room = threading.Semaphore(n_ahead)
        self._queue: SimpleQueue[tuple[Task] | BaseException | None] = SimpleQueue()
        threading.Thread(target=self._draw, daemon=True).start()

    def _draw(self) -> None:
        try:
            for task in self._tasks:
                self._room.acquire()
                self._queue.put((task,))
        except BaseException as error:  # raised again where the results are read
            self._queue.put(error)
        else:
            self._queue.put(StopIteration())

    def make_room(self) -> None:
        """Let one task more be drawn."""
        self._room.release()

    def wake(self, *_: object) -> None:
        """Make ``wait`` return: a result is there."""
        self._queue.put(None)

    def wait(self, timeout_seconds: float) -> Task | None:
        """Wait for the next event.

        Returns:
            A task; None where a result came or the tasks ended, which ``ended`` tells.

        Raises:
            Empty: If nothing happens in time.
            BaseException: Whatever drawing a task raised.
        """
        event = self._queue.get(timeout=timeout_seconds)
        if isinstance(event, StopIteration):
            self.ended = True
        elif isinstance(event, BaseException):
            raise event
        elif event is not None:
            return event[0]
        return None
