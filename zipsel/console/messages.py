"""Messages on standard error: for people, or one JSON object a line for machines.

A JSON line has ``time``, ``level``, ``event``, ``run``, ``message`` and the fields of its event;
the last one is ``exit``.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from zipsel.console.capture import StderrCapture
from zipsel.console.progress import Progress
from zipsel.console.safe_text import printable_lines

if TYPE_CHECKING:
    from rich.console import Console


#: Tells the lines of this process from those of others in one collected log.
_RUN_ID = secrets.token_hex(4)

Level = Literal["info", "warning", "error"]


class Log:
    """Messages for people, or one JSON object a line for machines.

    Args:
        quiet: Print nothing but errors.
        log_format: ``text`` or ``json``.
    """

    def __init__(self, quiet: bool = False, log_format: Literal["text", "json"] = "text") -> None:
        self.quiet = quiet
        self.log_format = log_format
        #: What is shown at present and was begun last.
        self._shown: Progress | None = None

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
        """Show how a stage goes on, or a part of the stage that is shown; see ``Progress``."""
        above = self._shown
        progress = self._shown = Progress(self, what, total_bytes, steps, above)
        try:
            yield progress
        finally:
            self._shown = above
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
        self._shown = whole

    def say(self, event: str, message: str, level: Level = "info", **fields: Any) -> None:
        """As ``Log.say``, of progress alone."""
        if event == "progress":
            super().say(event, message, level, **fields)

    @contextmanager
    def progress(self, what: str, total_bytes: int, steps: str = "") -> Iterator[Progress]:
        """As ``Log.progress``."""
        with super().progress(f"{self._name}: {what}", total_bytes, steps) as progress:
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


def stderr_console() -> Console:
    """A console on standard error; plain when that is no terminal or ``NO_COLOR`` is set."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False, soft_wrap=False)
