"""The work directory: sidecar parts, profiles, spooled rows, and the lock between two runs.

    WORK/lock              held by the run (flock: the kernel frees it when the process ends)
    WORK/scores/KEY/..     sidecar parts
    WORK/profiles/..       fitted profiles
    WORK/spool/..          rows that pass two fetched; removed after the run
    WORK/stdin/PID-TOKEN/..  a copy of standard input and its scores; removed after the run
    WORK/auto/PID-TOKEN/..   the folds of --auto; removed after the run
    WORK/rows/DIGEST.*     rows that Python gave; explain --run reads them again

Everything in it can be deleted; the next run then scores the pool again.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from zipsel.errors import OutputError, WorkDirLocked
from zipsel.storage.paths import directory_of
from zipsel.storage.remote import is_remote
from zipsel.storage.staging import TEMPORARY_MARK, is_alive, sweep_temporaries


def work_places(work_dir: str | None, output: str) -> tuple[str, str | None]:
    """The work directory on this machine, and the URL that ``--work-dir`` names, if it is one.

    Unless ``--work-dir`` names a directory, the work directory is ``.zipsel`` beside the output, or
    in the current directory if the output is standard output or a URL.
    """
    if work_dir is not None and not is_remote(work_dir):
        return work_dir, None
    is_here = output == "-" or is_remote(output)
    return os.path.join("." if is_here else directory_of(output), ".zipsel"), work_dir


def mark_used(path: str) -> None:
    """Set the time of a file or folder to now: ``zipsel clean`` keeps what was used lately."""
    with suppress(OSError):  # of another user, or not there yet
        os.utime(path)


def digest_of(value: Any) -> str:
    """Hex digest of plain data; equal data, equal digest."""
    return blake2b(msgspec.json.encode(value, order="sorted"), digest_size=16).hexdigest()


_CACHE_TAG = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n"
    b"# Scores and profiles of zipsel; may be deleted. https://bford.info/cachedir/\n"
)

#: Folders in which each run has one of its own; see ``WorkDir.scratch``.
_SCRATCH = ("stdin", "auto")


@dataclass(frozen=True)
class WorkDir:
    """Paths below one directory."""

    path: str

    @property
    def is_scratch(self) -> bool:
        """Whether it is the folder of one run, which goes when the run is over."""
        return os.path.basename(os.path.dirname(os.path.abspath(self.path))) in _SCRATCH

    def scores(self, key: str) -> str:
        """Folder of the sidecar parts under a key."""
        return os.path.join(self.path, "scores", key)

    def profile(self, key: str) -> str:
        """File of a fitted profile."""
        return os.path.join(self.path, "profiles", f"{key}.profile")

    def spool(self) -> str:
        """Make an empty folder for the rows that this process fetches."""
        folder = os.path.join(self.path, "spool", str(os.getpid()))
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        return folder

    @contextmanager
    def scratch(self, name: str) -> Iterator[str]:
        """A new folder ``WORK/name/PID-TOKEN``, removed at the end.

        Threads of one process have folders of their own.

        What killed processes left beside it is removed first.

        Raises:
            OutputError: If the folder cannot be made.
        """
        folder = os.path.join(self.path, name, f"{os.getpid()}-{secrets.token_hex(4)}")
        self._sweep_scratch(name)
        try:
            os.makedirs(folder)
        except OSError as error:
            raise self._cannot_use(error) from None
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _cannot_use(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot use work directory {self.path}: {error.strerror}; "
            "name one that can be written: --work-dir DIR"
        )

    @contextmanager
    def locked(
        self,
        how: Literal["wait", "fail"],
        *,
        shared: bool = False,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> Iterator[None]:
        """Hold the lock, and remove the temporary files of killed runs unless others share it.

        Args:
            how: Wait for another run to end, or fail at once.
            shared: Let other shared holders in: ranks that score parts of one pool side by side.
            on_wait: Called with a message before waiting.

        Raises:
            WorkDirLocked: If another run holds it and ``how`` is ``fail``.
            OutputError: If the directory cannot be made.
        """
        try:
            os.makedirs(self.path, exist_ok=True)
            with open(os.path.join(self.path, "CACHEDIR.TAG"), "wb") as tag:
                tag.write(_CACHE_TAG)
            lock = os.open(os.path.join(self.path, "lock"), os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise self._cannot_use(error) from None
        try:
            self._lock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, how, on_wait)
            if not shared:
                self._sweep()
            try:
                yield
            finally:
                if not shared:
                    self._sweep()
        finally:
            os.close(lock)

    def _lock(
        self, lock: int, mode: int, how: Literal["wait", "fail"], on_wait: Callable[[str], None]
    ) -> None:
        try:
            fcntl.flock(lock, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if how == "fail":
                raise WorkDirLocked(
                    f"another run is using {self.path}; wait for it (--lock wait), "
                    "or give this run its own --work-dir"
                ) from None
            on_wait(f"waiting for another run that is using {self.path} (--lock fail leaves)")
            fcntl.flock(lock, mode)
        except OSError as error:
            raise OutputError(
                f"cannot lock work directory {self.path}: {error.strerror}; "
                "put it on a local disk: --work-dir"
            ) from None

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Hold a lock of one profile, so that of several ranks one fits it and the others wait."""
        folder = os.path.join(self.path, "profiles")
        os.makedirs(folder, exist_ok=True)
        lock = os.open(os.path.join(folder, f"{key}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _sweep(self) -> None:
        shutil.rmtree(os.path.join(self.path, "spool"), ignore_errors=True)
        for name in _SCRATCH:
            self._sweep_scratch(name)
        profiles = os.path.join(self.path, "profiles")
        sweep_temporaries(profiles)  # others may be writing one, which needs no lock
        for parent, _, names in os.walk(self.path):
            for name in names:
                if TEMPORARY_MARK in name and parent != profiles:
                    with suppress(FileNotFoundError):  # a worker of a killed run just renamed it
                        os.unlink(os.path.join(parent, name))

    def _sweep_scratch(self, name: str) -> None:
        """Remove the scratch folders of processes that no longer run."""
        parent = os.path.join(self.path, name)
        for folder in os.listdir(parent) if os.path.isdir(parent) else ():
            if not is_alive(folder.partition("-")[0]):
                shutil.rmtree(os.path.join(parent, folder), ignore_errors=True)
