"""How a stage goes on: a bar on a terminal, a line every 30 seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from zipsel.console.safe_text import human_bytes

if TYPE_CHECKING:
    from zipsel.console.messages import Log

_PLAIN_INTERVAL_SECONDS = 30.0
_BAR_INTERVAL_SECONDS = 1.0

#: Called with (rows, bytes of text, stored bytes) as work gets on; see ``Progress.advance``.
Advance = Callable[[int, int, int], None]


def tell_nobody(*_: int) -> None:
    """Let work get on unseen."""


class Progress:
    """One stage's progress.

    Args:
        log: Where it is shown.
        what: Name of the stage.
        total_bytes: Size of the stored pool; or number of steps, each of which counts as a byte.
        steps: What the steps are called; empty where bytes are counted.
        above: Progress of what the stage is a part of.

    Attributes:
        under_way: Tells what tasks that have not ended have done so far, as ``advance`` takes it.
    """

    def __init__(
        self,
        log: Log,
        what: str,
        total_bytes: int,
        steps: str = "",
        above: Progress | None = None,
    ) -> None:
        self.log = log
        self.what = what
        self.total_bytes = max(1, total_bytes)
        self._steps = steps
        self._above = above
        self.under_way: Callable[[], tuple[int, int, int]] = lambda: (0, 0, 0)
        self._ended_tasks = self._seen = (0, 0, 0)
        self.started = self._advanced = time.monotonic()
        self._n_advances = 0
        self._bar: Any = None
        self._task: Any = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if not log.quiet:
            is_bar = log.log_format == "text" and sys.stderr.isatty()
            if is_bar:
                self._open_bar()
            self._thread = threading.Thread(
                target=self._draw if is_bar else self._tell, daemon=True
            )
            self._thread.start()

    def _tell(self) -> None:
        """Print a line from time to time, however long a task takes."""
        while not self._ended.wait(_PLAIN_INTERVAL_SECONDS):
            self._say_progress()

    def _draw(self) -> None:
        """Draw the bar anew from time to time."""
        while not self._ended.wait(_BAR_INTERVAL_SECONDS):
            self._look()

    def _open_bar(self) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        from zipsel.console.messages import stderr_console

        above = None if self._above is None else self._above._bar
        self._bar = above or Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[done]}"),
            TextColumn("{task.fields[left]}"),
            console=stderr_console(),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(
            self.what, total=self.total_bytes, done="", left=_Left(self)
        )

    def advance(self, n_rows: int, n_text_bytes: int, n_stored_bytes: int) -> None:
        """Count what a task did; bytes without rows or text are known and no part of the work."""
        if n_rows == 0 and n_text_bytes == 0:
            self.total_bytes = max(1, self.total_bytes - n_stored_bytes)
            if self._bar is not None:
                self._bar.update(self._task, total=self.total_bytes)
            return
        self._ended_tasks = _add(self._ended_tasks, (n_rows, n_text_bytes, n_stored_bytes))
        self._look()

    def _look(self) -> None:
        """Count what tasks have done, those under way too."""
        seen = _add(self._ended_tasks, self.under_way())
        if seen == self._seen:
            return
        self._seen = seen
        self._n_advances += 1
        self._advanced = time.monotonic()
        if self._bar is not None:
            done = self._done(self._advanced)
            self._bar.update(self._task, completed=self.n_stored_bytes, done=done)

    @property
    def n_rows(self) -> int:
        """Rows so far."""
        return self._seen[0]

    @property
    def n_text_bytes(self) -> int:
        """Bytes of text so far."""
        return self._seen[1]

    @property
    def n_stored_bytes(self) -> int:
        """Stored bytes so far."""
        return self._seen[2]

    @property
    def _share(self) -> float:
        return min(1.0, self.n_stored_bytes / self.total_bytes)

    def seconds_left(self, now: float) -> int | None:
        """What the rest takes at the rate so far; None before anything is done.

        It falls from one advance to the next, for as long as a step has taken so far.
        """
        if self._n_advances == 0 or self._share == 0:
            return None
        taken = self._advanced - self.started
        since = min(now - self._advanced, taken / self._n_advances)
        return max(0, round(taken * (1 - self._share) / self._share - since))

    def _say_progress(self) -> None:
        self._look()
        now = time.monotonic()
        left = self.seconds_left(now)
        rest = "" if left is None else f", {self._share:.0%}, about {timedelta(seconds=left)} left"
        self.log.say(
            "progress",
            f"{self.what}: {self._done(now)}{rest}",
            stage=self.what,
            n_rows=self.n_rows,
            n_bytes=self.n_text_bytes,
            fraction=round(self._share, 4),
            seconds_left=left,
        )

    def _done(self, now: float) -> str:
        if self._steps:
            return f"{self.n_stored_bytes:,} of {self.total_bytes:,} {self._steps}"
        rate = self.n_text_bytes / max(1e-9, now - self.started)
        return f"{self.n_rows:,} rows, {human_bytes(self.n_text_bytes)}, {human_bytes(rate)}/s"

    def close(self) -> None:
        """Take the bar away; no line of this stage is printed after it."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        if self._bar is not None and self._above is not None:
            self._bar.remove_task(self._task)
        elif self._bar is not None:
            self._bar.stop()


def _add(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


class _Left:
    """The time that is left, worked out anew wherever it is printed."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __str__(self) -> str:
        """Hours, minutes and seconds."""
        left = self._progress.seconds_left(time.monotonic())
        return "-:--:--" if left is None else str(timedelta(seconds=left))
