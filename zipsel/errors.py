"""Everything zipsel can end with, and the exit code of each.

    ZipselError            1  the run failed
    ├── UsageError         2  the command line or the configuration is wrong (found before work)
    ├── BadShards          1  input files cannot be read; names all of them at once
    ├── ProfileError       1  a profile file is not one, or is of another version
    ├── OutputError        1  the output cannot be written
    ├── StorageError       1  a network or its server goes on failing
    ├── WorkDirLocked      1  another run holds the work directory
    ├── WorkerDied         1  a worker died twice on the same rows
    └── TooManyRejects     3  more rows were refused than --max-rejects allows

    Interrupted          130  Ctrl-C (143 for SIGTERM); a BaseException, so nothing swallows it
    PipeClosed           141  the reader of standard output has left; likewise

A shard that cannot be read is a ``ShardError`` on its way up; the pipeline gathers these into
one ``BadShards``. A row that cannot be used never raises past its reader: it becomes a reject.
"""

from __future__ import annotations

from collections.abc import Sequence

from zipsel.console.safe_text import printable


class ZipselError(Exception):
    """The run failed; the message says where, why and what to do."""

    exit_code = 1


class UsageError(ZipselError):
    """The command line or the configuration is wrong; nothing was done."""

    exit_code = 2


class ShardError(ZipselError):
    """One input file cannot be read.

    Args:
        shard: Path of the file, as the user gave it.
        problem: What was found, what was expected, and the remedy.
    """

    def __init__(self, shard: str, problem: str) -> None:
        super().__init__(shard, problem)
        self.shard = shard
        self.problem = problem

    def __str__(self) -> str:
        """Return ``path: problem`` on one line, whatever a hostile name holds."""
        return f"{printable(self.shard)}: {printable(self.problem)}"


class NoTextError(ShardError):
    """An input file has no text where one was looked for; an option may name the place."""


class BadShards(ZipselError):
    """One or more input files cannot be read; all of them are named, each once.

    Args:
        errors: What is wrong, in the order of reporting.
        remedy: What to do.
        role: What the files are.
    """

    def __init__(
        self,
        errors: Sequence[ShardError],
        remedy: str = "Repair or remove them, or go on without them: --on-bad-file skip",
        role: str = "input",
    ) -> None:
        self.errors = list({(error.shard, error.problem): error for error in errors}.values())
        listing = "\n".join(f"  {error}" for error in self.errors)
        n_files = len({error.shard for error in self.errors})
        files = "file" if n_files == 1 else "files"
        if role == "input" and any(isinstance(error, NoTextError) for error in self.errors):
            remedy = f"Name the text: --text-field NAME, --template or --chat. {remedy}"
        super().__init__(f"{n_files} {role} {files} cannot be read:\n{listing}\n{remedy}")


class ProfileError(ZipselError):
    """A profile file is damaged, of another kind, or of another version."""


class OutputError(ZipselError):
    """The output cannot be written; no file has its final name."""


class StorageError(ZipselError):
    """A network or a server fails again and again; no file is to blame."""


class WorkDirLocked(ZipselError):
    """Another run holds the work directory and ``--lock fail`` was given."""


class WorkerDied(ZipselError):
    """A worker was killed twice, alone, on the same task."""


def worker_died(task: object) -> WorkerDied:
    """The error for a task that ended two workers; ``str(task)`` names shard and rows."""
    return WorkerDied(
        f"a worker died twice at {task}; was it killed for memory? "
        "Try fewer --workers, or look for an enormous row there"
    )


class TooManyRejects(ZipselError):
    """More rows were refused than ``--max-rejects`` allows; outputs are withheld."""

    exit_code = 3


class Interrupted(BaseException):
    """A signal asked the run to end; the exit code says which."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class PipeClosed(BaseException):
    """The reader of standard output is gone; no OSError, of which Click makes exit code 1."""
