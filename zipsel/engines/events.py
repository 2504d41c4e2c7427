"""Tasks and results of a stream as one queue of events, so that neither waits for the other.

A thread draws the tasks: the next line may be hours away while a result is ready.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from queue import SimpleQueue
from typing import Generic

from zipsel.engines import Task


class Events(Generic[Task]):
    """A queue of three kinds of events: a new task, a new result, the end of the tasks.

    Args:
        tasks: The thread draws them one after the other.
        n_ahead: Tasks that the thread may draw before ``make_room`` is called.
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
        """Let the thread draw one more task."""
        self._room.release()

    def wake(self, *_: object) -> None:
        """Make ``wait`` return, because there is a new result."""
        self._queue.put(None)

    def wait(self, timeout_seconds: float) -> Task | None:
        """Wait for the next event.

        Returns:
            A new task; None for a new result and for the end of the tasks, which sets ``ended``.

        Raises:
            Empty: If there is no event in time.
            BaseException: What drawing a task raised.
        """
        event = self._queue.get(timeout=timeout_seconds)
        if isinstance(event, StopIteration):
            self.ended = True
        elif isinstance(event, BaseException):
            raise event
        elif event is not None:
            return event[0]
        return None
