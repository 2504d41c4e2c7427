"""The command line: the only place that knows Click.

``main`` owns what is true of every command: standard output carries data only, errors become one
message and an exit code, signals end the run in order.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from zipsel.errors import Interrupted, ZipselError

_EXIT_PIPE = 141
_EXIT_INTERRUPT = 130
_EXIT_TERMINATED = 143


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    stdout = _keep_stdout_for_data()
    signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
        code = _EXIT_PIPE
    except KeyboardInterrupt:
        _say("interrupted; what is scored stays scored: run the same command again to go on")
        code = _EXIT_INTERRUPT
    except Interrupted as stop:
        _say("terminated; what is scored stays scored: run the same command again to go on")
        code = stop.exit_code
    except ZipselError as error:
        _say(f"error: {error}")
        code = error.exit_code
    except OSError as error:
        _say(f"error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        code = 1
    sys.exit(code)


def _run() -> int:
    import click

    from zipsel.cli.commands import cli

    try:
        result = cli.main(prog_name="zipsel", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show(file=sys.stderr)
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None


def _keep_stdout_for_data() -> int:
    """Send whatever libraries print on descriptor 1 to standard error; return the real one."""
    real = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = open(real, "w", encoding="utf-8", closefd=False)
    return real


def _raise_terminated(*_: object) -> None:
    raise Interrupted(_EXIT_TERMINATED)


def _say(message: str) -> None:
    sys.stderr.write(f"zipsel: {message}\n")
