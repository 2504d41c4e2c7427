"""Standard input as a pool that is read more than once: a copy in the work directory.

It stays until the run is over, and is a pool like any other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import structs

from zipsel.console.messages import Log
from zipsel.console.safe_text import printable
from zipsel.errors import BadShards, NoTextError, ZipselError
from zipsel.pool.formats import STDIN
from zipsel.readers.stdin import STDIN_NAME, Stdin
from zipsel.scoring.settings import RunSettings
from zipsel.storage.workdir import WorkDir

_READ_BYTES = 1 << 20


def open_stdin(log: Log) -> Stdin:
    """Standard input, or a word that it is empty."""
    stdin = Stdin()
    if stdin.is_empty:
        log.say("empty-input", f"{STDIN_NAME} is empty", level="warning")
    return stdin


@contextmanager
def kept_stdin(settings: RunSettings, log: Log) -> Iterator[RunSettings]:
    """Settings whose pool is a copy of standard input, if that is what their pool is.

    The copy and its scores are in one folder, which is removed at the end:
    no later run can meet them again.

    Raises:
        OutputError: If the copy cannot be written.
    """
    if settings.pool != (STDIN,):
        yield settings
        return
    stdin = open_stdin(log)
    suffix = f".{stdin.compression}" if stdin.compression else ""
    with WorkDir(settings.work_dir).scratch("stdin") as folder:
        path = os.path.join(folder, f"stdin.jsonl{suffix}")
        with open(path, "wb") as file:
            while piece := stdin.read(_READ_BYTES):
                file.write(piece)
        try:
            yield structs.replace(settings, pool=(path,), store=None, work_dir=folder)
        except ZipselError as error:
            raise _said_of_stdin(error, path, settings) from None


def _said_of_stdin(error: ZipselError, path: str, settings: RunSettings) -> ZipselError:
    """An error about the copy in words of standard input, with what helps there."""
    if isinstance(error, BadShards):
        of_rows = any(isinstance(one, NoTextError) for one in error.errors)
        keeps = "keep the rows before the damage: --on-bad-file salvage"
        can_salvage = settings.on_bad_file != "salvage" and not of_rows
        errors = [
            type(one)(STDIN_NAME if one.shard == path else one.shard, one.problem)
            for one in error.errors
        ]
        return BadShards(errors, f"Repair it, or {keeps}" if can_salvage else "Repair it")
    error.args = (str(error).replace(printable(path), STDIN_NAME),)
    return error
