"""Progress on standard error: a bar on a terminal, a line every 30 seconds elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from zipsel.console.safe_text import human_bytes, printable_lines

if TYPE_CHECKING:
    from rich.console import Console


_PLAIN_INTERVAL_SECONDS = 30.0


class Log:
    """Messages for people, or one JSON object a line for machines.

    Args:
        quiet: Print nothing but errors.
        log_format: ``text`` or ``json``.
    """

    def __init__(self, quiet: bool = False, log_format: Literal["text", "json"] = "text") -> None:
        self.quiet = quiet
        self.log_format = log_format

    def say(self, event: str, message: str, **fields: Any) -> None:
        """Print a message; ``fields`` are for machines."""
        if self.quiet:
            return
        if self.log_format == "json":
            line = json.dumps({"event": event, "message": message, **fields})
        else:
            line = message
        print_line(line)

    @contextmanager
    def progress(self, what: str, total_bytes: int) -> Iterator[Progress]:
        """Show how a stage goes on."""
        progress = Progress(self, what, total_bytes)
        try:
            yield progress
        finally:
            progress.close()


class PartLog(Log):
    """Shows the progress of a run that is part of another, and none of its messages.

    Args:
        log: Of the other run.
        name: What each stage is called after.
    """

    def __init__(self, log: Log, name: str) -> None:
        super().__init__(log.quiet, log.log_format)
        self._name = name

    def say(self, event: str, message: str, **fields: Any) -> None:
        """As ``Log.say``, of progress alone."""
        if event == "progress":
            super().say(event, message, **fields)

    @contextmanager
    def progress(self, what: str, total_bytes: int) -> Iterator[Progress]:
        """As ``Log.progress``."""
        with super().progress(f"{self._name}: {what}", total_bytes) as progress:
            yield progress


def print_line(line: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(printable_lines(line) + "\n")
    sys.stderr.flush()


class Progress:
    """One stage's progress.

    Args:
        log: Where it is shown.
        what: Name of the stage.
        total_bytes: Size of the stored pool.
    """

    def __init__(self, log: Log, what: str, total_bytes: int) -> None:
        self.log = log
        self.what = what
        self.total_bytes = max(1, total_bytes)
        self.n_rows = self.n_text_bytes = self.n_stored_bytes = 0
        self.started = self.last = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        if not log.quiet and log.log_format == "text" and sys.stderr.isatty():
            self._open_bar()

    def _open_bar(self) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[done]}"),
            TimeRemainingColumn(),
            console=stderr_console(),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(self.what, total=self.total_bytes, done="")

    def advance(self, n_rows: int, n_text_bytes: int, n_stored_bytes: int) -> None:
        """Count what a task did."""
        self.n_rows += n_rows
        self.n_text_bytes += n_text_bytes
        self.n_stored_bytes += n_stored_bytes
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, completed=self.n_stored_bytes, done=self._done(now))
        elif now - self.last >= _PLAIN_INTERVAL_SECONDS:
            self.last = now
            share = min(1.0, self.n_stored_bytes / self.total_bytes)
            left = (now - self.started) * (1 - share) / max(share, 1e-9)
            self.log.say(
                "progress",
                f"{self.what}: {self._done(now)}, about {left:.0f} s left",
                n_rows=self.n_rows,
                n_bytes=self.n_text_bytes,
                seconds_left=round(left),
            )

    def _done(self, now: float) -> str:
        rate = self.n_text_bytes / max(1e-9, now - self.started)
        return f"{self.n_rows:,} rows, {human_bytes(self.n_text_bytes)}, {human_bytes(rate)}/s"

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


def stderr_console() -> Console:
    """A console on standard error; plain when that is no terminal or ``NO_COLOR`` is set."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False, soft_wrap=False)
