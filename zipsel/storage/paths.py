"""Small things done to one file, whether a path or a URL names it.

What is missing or refused is an ``OSError`` either way, so that callers need not know which.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from zipsel.errors import UsageError
from zipsel.storage import remote
from zipsel.storage.remote import is_remote

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
    system, name = remote.open_system(path)

    def fetch() -> bytes:
        data: bytes = system.cat_file(name)
        return data

    return remote.insist(path, fetch, _missing)


def size_of(path: str) -> int:
    """Size of a file in bytes.

    Raises:
        OSError: If it is missing.
        StorageError: If a provider cannot be reached.
    """
    if not is_remote(path):
        return os.path.getsize(path)
    system, name = remote.open_system(path)

    def look() -> int:
        system.invalidate_cache()
        return int(system.info(name)["size"])

    return remote.insist(path, look, _missing)


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
        system, name = remote.open_system(path)
        remote.insist(path, lambda: system.rm_file(name), _missing)
    except FileNotFoundError:
        return


def directory_of(path: str) -> str:
    """The directory that a file stands in, absolute."""
    return os.path.dirname(path if is_remote(path) else os.path.abspath(path))


def identities_of(path: str) -> frozenset[str]:
    """Names of which two paths share one if they lead to the same file.

    Symbolic links, hard links, ``file://`` URLs, chained URLs and a protocol's other names are
    resolved. Each name that is a path or URL ends without a slash.
    """
    local = remote.local_path(path)
    if local is None:
        return frozenset({remote.canonical(path.rpartition("::")[2])})
    names = {os.path.realpath(local).rstrip("/")}
    with suppress(OSError):
        status = os.stat(local)
        names.add(f"inode {status.st_dev} {status.st_ino}")
    return frozenset(names)


def _missing(path: str, problem: str) -> OSError:
    kind = FileNotFoundError if problem.startswith("no such") else PermissionError
    return kind(0, problem, path)
