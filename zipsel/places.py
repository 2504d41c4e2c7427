"""Small things done to one file, whether a path or a URL names it.

What is missing or refused is an ``OSError`` either way, so that callers need not know which.
"""

from __future__ import annotations

import os
from pathlib import Path

from zipsel import storage
from zipsel.errors import UsageError
from zipsel.storage import is_remote

#: Object stores: what is written there appears whole or not at all. ``memory`` is for tests.
_WRITABLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"})


def refuse_unwritable(option: str, path: str | None) -> None:
    """Raise where a URL cannot be written to, or not so that files appear whole.

    Raises:
        UsageError: Naming option and URL.
    """
    if path is not None and is_remote(path) and path.partition("://")[0] not in _WRITABLE:
        raise UsageError(
            f"{option} {path}: can be read but not written; write to s3://, gs:// or az://, "
            "or to a directory and copy it afterwards"
        )


def read_bytes(path: str) -> bytes:
    """A whole file.

    Raises:
        OSError: If it is missing or may not be read.
        StorageError: If a provider cannot be reached.
    """
    if not is_remote(path):
        return Path(path).read_bytes()
    system, name = storage.open_system(path)

    def fetch() -> bytes:
        data: bytes = system.cat_file(name)
        return data

    return storage.insist(path, fetch, _missing)


def size_of(path: str) -> int:
    """Size of a file in bytes.

    Raises:
        OSError: If it is missing.
        StorageError: If a provider cannot be reached.
    """
    if not is_remote(path):
        return os.path.getsize(path)
    system, name = storage.open_system(path)

    def look() -> int:
        system.invalidate_cache()
        return int(system.info(name)["size"])

    return storage.insist(path, look, _missing)


def remove(path: str) -> None:
    """Remove a file if it stands.

    Raises:
        OSError: If it stands and cannot be removed.
        StorageError: If a provider cannot be reached.
    """
    try:
        if not is_remote(path):
            os.unlink(path)
            return
        system, name = storage.open_system(path)
        storage.insist(path, lambda: system.rm_file(name), _missing)
    except FileNotFoundError:
        return


def directory_of(path: str) -> str:
    """The directory that a file stands in, absolute."""
    return os.path.dirname(path if is_remote(path) else os.path.abspath(path))


def identity_of(path: str) -> str:
    """A name that two paths share if they lead to the same file."""
    return storage.canonical(path) if is_remote(path) else os.path.realpath(path)


def work_places(work_dir: str | None, output: str) -> tuple[str, str | None]:
    """The work directory on this machine, and the store that ``--work-dir`` names if it is a URL.

    The directory is beside the output, or here where that is standard output or a URL, unless
    ``work_dir`` is one.
    """
    if work_dir is not None and not is_remote(work_dir):
        return work_dir, None
    is_here = output == "-" or is_remote(output)
    return os.path.join("." if is_here else directory_of(output), ".zipsel"), work_dir


def _missing(path: str, problem: str) -> OSError:
    kind = FileNotFoundError if problem.startswith("no such") else PermissionError
    return kind(0, problem, path)
