"""Output files that appear whole or not at all, alone or together, here or behind a URL.

A file is written beside its name and renamed. A file for a URL is written into an outbox (in the
work directory, or in ``TMPDIR``) and uploaded when all files are whole. Uploads take time: between
the first and the last of them a reader sees new files, old files, and no manifest.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from zipsel.errors import Interrupted, OutputError
from zipsel.storage import paths
from zipsel.storage.remote import is_remote

#: Marks the temporary siblings of unfinished files, so that a later run can clear them away.
TEMPORARY_MARK = ".zipsel-tmp-"

#: Begins the names of directories that hold files on their way to a URL.
_OUTBOX = "zipsel-upload-"


class Staging:
    """Files on their way to their names: all are whole before the first appears.

    Args:
        around: Directory for the outbox of files that go to a URL; None for ``TMPDIR``.
    """

    def __init__(self, around: str | None = None) -> None:
        self.around = around or tempfile.gettempdir()
        self._renames: list[tuple[str, str]] = []
        self._outbox: str | None = None
        self.current = "standard output"

    def add(self, path: str) -> str:
        """Name the temporary sibling, or file of the outbox, into which a file is to be written."""
        self.current = path
        token = f"{os.getpid()}-{secrets.token_hex(4)}"
        if is_remote(path):
            temporary = os.path.join(self._open_outbox(), f"{token}-{os.path.basename(path)}")
            self._renames.append((temporary, path))
            return temporary
        directory = os.path.dirname(os.path.abspath(path))
        temporary = os.path.join(directory, f".{os.path.basename(path)}{TEMPORARY_MARK}{token}")
        self._renames.append((temporary, path))
        os.makedirs(directory, exist_ok=True)
        return temporary

    def names_in(self, directory: str) -> dict[str, str]:
        """Name of each file staged for a directory → its temporary file."""
        return {
            os.path.basename(path): temporary
            for temporary, path in self._renames
            if os.path.dirname(path) == directory.rstrip("/")
        }

    def check(self) -> None:
        """Raise ``OSError`` if a temporary file is gone, before any file gets its name."""
        for temporary, path in self._renames:
            self.current = path
            os.stat(temporary)

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """Open the sibling of a file for writing, and flush it to disk in the end."""
        with open(self.add(path), "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def _open_outbox(self) -> str:
        if self._outbox is None:
            _sweep_outboxes(self.around)
            prefix = f"{_OUTBOX}{os.getpid()}-"
            self._outbox = tempfile.mkdtemp(prefix=prefix, dir=os.path.abspath(self.around))
        return self._outbox

    def commit(self) -> None:
        """Upload the files that go to URLs, then name the others, both in the order of adding.

        A signal ends an upload, but waits until all files of this machine have their names.

        Raises:
            OutputError: If a bucket is missing or refuses.
            StorageError: If a provider cannot be reached.
        """
        for temporary, path in self._renames:
            if is_remote(path):
                self.current = path
                paths.upload(temporary, path)
        self._renames = [pair for pair in self._renames if not is_remote(pair[1])]
        try:
            self._rename()
        except Interrupted:
            self._rename(again=True)
            raise

    def _rename(self, again: bool = False) -> None:
        while self._renames:
            temporary, self.current = self._renames[0]
            if not again or os.path.exists(temporary):
                os.replace(temporary, self.current)
            self._renames.pop(0)

    def discard(self) -> None:
        """Remove the temporaries of files that have not got their names."""
        for temporary, _ in self._renames:
            with suppress(OSError):
                os.unlink(temporary)
        if self._outbox is not None:
            shutil.rmtree(self._outbox, ignore_errors=True)


@contextmanager
def staged_files(around: str | None = None) -> Iterator[Staging]:
    """Stage several files; the caller commits them, and files not committed are removed.

    Raises:
        OutputError: If anything cannot be written.
    """
    staging = Staging(around)
    try:
        yield staging
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {staging.current}: {error.strerror or error}") from None
    finally:
        staging.discard()


@contextmanager
def temporary_sibling(path: str) -> Iterator[str]:
    """Give the name of a sibling that is renamed to ``path`` on success, removed otherwise."""
    with staged_files() as staging:
        yield staging.add(path)
        staging.commit()


@contextmanager
def write_atomically(path: str) -> Iterator[IO[bytes]]:
    """Open a temporary sibling for writing; on success flush it to disk and rename it.

    Raises:
        OutputError: If any of that fails; the sibling is gone then.
    """
    with staged_files() as staging:
        with staging.open(path) as file:
            yield file
        staging.commit()


def sweep_temporaries(directory: str, prefix: str = ".") -> None:
    """Remove siblings that runs of this machine left when they were killed."""
    with suppress(OSError):
        for name in os.listdir(directory):
            found, mark, token = name.rpartition(TEMPORARY_MARK)
            if mark and found.startswith(prefix) and not is_alive(token.partition("-")[0]):
                os.unlink(os.path.join(directory, name))


def _sweep_outboxes(directory: str) -> None:
    """Remove what runs of this machine left when they were killed."""
    with suppress(OSError):
        for name in os.listdir(directory):
            pid = name.removeprefix(_OUTBOX).partition("-")[0]
            if name.startswith(_OUTBOX) and not is_alive(pid):
                shutil.rmtree(os.path.join(directory, name), ignore_errors=True)


def is_alive(pid: str) -> bool:
    """Whether a process runs on this machine; true of what is no process number."""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, ValueError):
        return True
    return True
