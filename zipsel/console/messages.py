"""Messages and progress on standard error: for people, or one JSON object a line for machines.

A JSON line has ``time``, ``level``, ``event``, ``run``, ``message`` and the fields of its event;
the last one is ``exit``. Progress is a bar on a terminal, a line every 30 seconds elsewhere.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from zipsel.console.capture import StderrCapture
from zipsel.console.safe_text import human_bytes, printable_lines

if TYPE_CHECKING:
    from rich.console import Console


_PLAIN_INTERVAL_SECONDS = 30.0
_BAR_INTERVAL_SECONDS = 1.0

#: Tells the lines of this process from those of others in one collected log.
_RUN_ID = secrets.token_hex(4)

Level = Literal["info", "warning", "error"]

#: Called with (rows, bytes of text, stored bytes) as work gets on; see ``Progress.advance``.
Advance = Callable[[int, int, int], None]


def tell_nobody(*_: int) -> None:
    """Let work get on unseen."""


class Log:
    """Messages for people, or one JSON object a line for machines.

    Args:
        quiet: Print nothing but errors.
        log_format: ``text`` or ``json``.
    """

    def __init__(self, quiet: bool = False, log_format: Literal["text", "json"] = "text") -> None:
        self.quiet = quiet
        self.log_format = log_format

    def say(self, event: str, message: str, level: Level = "info", **fields: Any) -> None:
        """Print a message; ``fields`` are for machines. Errors are printed though ``quiet``."""
        if self.quiet and level != "error":
            return
        if self.log_format == "json":
            self._print_object(event, level, message=message, **fields)
        else:
            print_line(message)

    def pass_on(self, line: str) -> None:
        """Print a line that another program part wrote to standard error, though ``quiet``."""
        self._print_object("stderr", "warning", message=line)

    def tell_exit(self, code: int) -> None:
        """Print the last line for machines, which agrees with the exit code."""
        if not (self.quiet and code == 0):
            with suppress(OSError):  # standard error has no reader
                self._print_object("exit", "info" if code == 0 else "error", exit_code=code)

    def _print_object(self, event: str, level: Level, **fields: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        head = {"time": now, "level": level, "event": event, "run": _RUN_ID}
        print_line(json.dumps({**head, **fields}))

    @contextmanager
    def progress(self, what: str, total_bytes: int, steps: str = "") -> Iterator[Progress]:
        """Show how a stage goes on; see ``Progress``."""
        with self._show(Progress(self, what, total_bytes, steps)) as progress:
            yield progress

    @contextmanager
    def _show(self, progress: Progress) -> Iterator[Progress]:
        try:
            yield progress
        finally:
            progress.close()


class PartLog(Log):
    """Shows the progress of a run that is part of another, and none of its messages.

    Args:
        log: Of the other run.
        name: What each stage is called after.
        whole: Progress of the whole, which is shown above that of each stage.
    """

    def __init__(self, log: Log, name: str, whole: Progress) -> None:
        super().__init__(log.quiet, log.log_format)
        self._name = name
        self._whole = whole

    def say(self, event: str, message: str, level: Level = "info", **fields: Any) -> None:
        """As ``Log.say``, of progress alone."""
        if event == "progress":
            super().say(event, message, level, **fields)

    @contextmanager
    def progress(self, what: str, total_bytes: int, steps: str = "") -> Iterator[Progress]:
        """As ``Log.progress``."""
        name = f"{self._name}: {what}"
        with self._show(Progress(self, name, total_bytes, steps, self._whole)) as progress:
            yield progress


def print_line(line: str) -> None:
    """Write one line to standard error."""
    stream = sys.stderr if _capture is None else _capture.stream
    stream.write(printable_lines(line) + "\n")
    stream.flush()


#: What the command line says errors through, before and after the options are known.
_current = Log()

#: What others write to standard error, once messages are for machines.
_capture: StderrCapture | None = None


def use_log(log: Log) -> Log:
    """Say errors through a log from now on, and what others write if it is for machines."""
    global _current, _capture
    _current = log
    if log.log_format == "json" and _capture is None:
        _capture = StderrCapture(lambda line: _current.pass_on(line))
    return log


def end_log(code: int) -> None:
    """Print the last line of the log in use, after all that others wrote."""
    global _capture
    if _capture is not None:
        _capture.close()
        _capture = None
        _current.tell_exit(code)


def current_log() -> Log:
    """What errors are said through."""
    return _current


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
        if not log.quiet and log.log_format == "text" and sys.stderr.isatty():
            self._open_bar()
            threading.Thread(target=self._draw, daemon=True).start()
        elif not log.quiet:
            threading.Thread(target=self._tell, daemon=True).start()

    def _tell(self) -> None:
        """Print a line from time to time, however long a task takes."""
        while not self._ended.wait(_PLAIN_INTERVAL_SECONDS):
            self._look()
            self._say_progress()

    def _draw(self) -> None:
        """Draw the bar anew from time to time."""
        while not self._ended.wait(_BAR_INTERVAL_SECONDS):
            self._look()

    def _open_bar(self) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

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
        now = time.monotonic()
        left = self.seconds_left(now)
        self.log.say(
            "progress",
            f"{self.what}: {self._done(now)}" + ("" if left is None else f", about {left} s left"),
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
        """Take the bar away."""
        self._ended.set()
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


def stderr_console() -> Console:
    """A console on standard error; plain when that is no terminal or ``NO_COLOR`` is set."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False, soft_wrap=False)
