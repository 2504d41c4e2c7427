"""A console for tables on standard output."""

from __future__ import annotations

from rich.console import Console


class TableConsole(Console):
    """Rich's console, but a reader that has gone is said by the exit code as by other commands."""

    def on_broken_pipe(self) -> None:
        """Leave the error to the command line, where Rich would end the process with 1."""
        raise BrokenPipeError
