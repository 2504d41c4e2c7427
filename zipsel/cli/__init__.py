"""The command line: the only place that knows Click.

``main`` does what every command needs: it keeps standard output for data, turns an error into one
message and an exit code, and lets a signal end the run in order.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from zipsel.console.messages import Log, current_log, end_log, use_log
from zipsel.engines.startup import leave_pandas_out
from zipsel.errors import Interrupted, PipeClosed, UsageError, ZipselError

if TYPE_CHECKING:
    import click

#: What writing to a full disk, beyond a quota or beyond a limit of size ends with.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_EXIT_PIPE = 141
_EXIT_INTERRUPT = 130
_EXIT_TERMINATED = 143


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    _open_missing_descriptors()
    leave_pandas_out()
    stdout = _keep_stdout_for_data()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    if _wants_json():
        use_log(Log(log_format="json"))
    sys.excepthook = _tell_crash
    try:
        code = _run()
        sys.stdout.flush()
    except (BrokenPipeError, PipeClosed):
        code = _EXIT_PIPE
    except Interrupted as stop:
        what = "terminated" if stop.exit_code == _EXIT_TERMINATED else "interrupted"
        code = stop.exit_code
        _say(what, f"{what}; what is scored stays scored: run the same command again to go on")
    except ZipselError as error:
        code = error.exit_code
        files = [
            {"file": one.shard, "problem": one.problem} for one in getattr(error, "errors", ())
        ]
        _say("error", f"error: {error}", kind=type(error).__name__, exit_code=code, files=files)
    except OSError as error:
        what = error.strerror or str(error)
        if error.errno == errno.EBADF:
            what = "standard output is closed; send it to a file or another command"
        elif error.errno in _NO_ROOM and not error.filename:  # files are written under a name
            what = f"cannot write standard output: {what}"
        code = 1
        named = f": {error.filename}" if error.filename else ""
        _say("error", f"error: {what}{named}", kind="OSError", exit_code=code, files=[])
    if code != 0:  # discard what is still buffered
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
    end_log(code)
    gc.freeze()  # or the interpreter looks through every object once more, 35 ms, before it ends
    sys.exit(code)


def _run() -> int:
    import click

    from zipsel.cli.group import cli

    try:
        os.getcwd()
    except OSError as error:
        raise UsageError(
            f"the current directory cannot be used ({error.strerror}): it was removed, or may not "
            "be read; change to another one (cd) and run the command again"
        ) from None
    try:
        result = cli.main(prog_name="zipsel", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        raise UsageError(_plain(error)) from None
    except click.Abort:
        raise Interrupted(_EXIT_INTERRUPT) from None


def _plain(error: click.ClickException) -> str:
    """Click's message on one line, in the form of zipsel's own messages."""
    import click

    context = getattr(error, "ctx", None)
    command = "zipsel" if context is None else context.command_path
    if isinstance(error, click.NoSuchOption) and context is not None:
        from zipsel.console.values import nearest

        known = [name for param in context.command.params for name in param.opts]
        hint = nearest(error.option_name, [name for name in known if name.startswith("--")])
        return f"{error.option_name} is no option of {context.info_name}{hint}"
    return f"{error.format_message().rstrip('.')} (see {command} --help)"


def _open_missing_descriptors() -> None:
    """Open /dev/null on closed standard descriptors, which the next opened files would take.

    Descriptor 1 is opened for reading, so that writing to standard output fails.
    """
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.dup2(os.open(os.devnull, mode), descriptor)
            os.set_inheritable(descriptor, True)  # for workers; dup2 to itself leaves it off
    if sys.stderr is None:
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)


def _keep_stdout_for_data() -> int:
    """Redirect descriptor 1, on which libraries print, to standard error; return a copy of it."""
    real = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = open(real, "w", encoding="utf-8", closefd=False)
    return real


def _interrupt(number: int, _frame: object) -> None:
    """Raise ``Interrupted``, and ignore further signals so that they do not disturb clean-up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Interrupted(_EXIT_TERMINATED if number == signal.SIGTERM else _EXIT_INTERRUPT)


def _say(event: str, message: str, **fields: Any) -> None:
    log = current_log()
    with suppress(OSError):  # standard error has no reader
        prefix = "zipsel: " if log.log_format == "text" else ""
        log.say(event, f"{prefix}{message}", "error", **fields)


def _wants_json() -> bool:
    """Whether messages are for machines, before the options are read."""
    words = " ".join(sys.argv).replace("=", " ")
    return "--log-format json" in words or os.environ.get("ZIPSEL_LOG_FORMAT") == "json"


def _tell_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an error that nobody foresaw with its traceback, as one object for machines."""
    if current_log().log_format == "text":
        sys.__excepthook__(kind, error, trace)
        return
    import traceback

    lines = "".join(traceback.format_exception(kind, error, trace))
    _say("crash", lines, kind=kind.__name__, exit_code=1)
    end_log(1)
