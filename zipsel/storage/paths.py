"""Read, write, stat or remove one file, whether a path or a URL names it.

A missing or forbidden file is an ``OSError`` either way, so that callers need not know which. What
is written or listed and refused is an ``OutputError``; a provider that cannot be reached is a
``StorageError``.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from zipsel.errors import OutputError, UsageError
from zipsel.storage import remote
from zipsel.storage.network import insist, open_system
from zipsel.storage.remote import is_remote

#: Object stores: a file appears whole there, or not at all. ``memory`` is for tests.
_WRITABLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"})

#: Bytes of one part of an upload to S3, parts sent at once, and parts that S3 allows (10,000).
_PART_BYTES = 16 << 20
_PARTS_AT_ONCE = 4
_MAX_PARTS = 9_000

#: Requests for one part before the whole file is sent again, which happens once.
_PART_ATTEMPTS = 6


def refuse_unwritable(option: str, path: str | None) -> None:
    """Refuse a URL that cannot be written to, or where files would not appear whole.

    Raises:
        UsageError: Naming option and URL.
    """
    if path is not None and is_remote(path) and path.partition("://")[0] not in _WRITABLE:
        raise UsageError(
            f"{option} {path}: can be read but not written; write to s3://, gs:// or az://, "
            "or to a directory and copy it afterwards"
        )


def refuse_no_file(option: str, path: str) -> None:
    """Refuse an output that cannot be one file: a directory, a device, a pipe or ``-``.

    A device would be replaced by the file, because files appear by renaming.

    Raises:
        UsageError: Naming option and path.
    """
    refuse_unwritable(option, path)
    if path == "-":
        raise UsageError(f"{option} - : standard output is not written here; name a file")
    if not is_remote(path) and os.path.exists(path) and not os.path.isfile(path):
        kind = "directory" if os.path.isdir(path) else "device or a pipe"
        raise UsageError(f"{option} {path} is a {kind}; name a file")


def read_bytes(path: str) -> bytes:
    """A whole file."""
    if not is_remote(path):
        return Path(path).read_bytes()
    system, name = open_system(path)

    def fetch() -> bytes:
        data: bytes = system.cat_file(name)
        return data

    return insist(path, fetch)


def size_of(path: str) -> int:
    """Size of a file in bytes."""
    if not is_remote(path):
        return os.path.getsize(path)
    system, name = open_system(path)

    def look() -> int:
        system.invalidate_cache()
        return int(system.info(name)["size"])

    return insist(path, look)


def list_files(directory: str, *, below: bool = False) -> list[str]:
    """Names of files in a directory, relative to it; with ``below``, also in its directories."""
    if not is_remote(directory):
        return [
            os.path.relpath(os.path.join(parent, name), directory)
            for parent, _, names in islice(os.walk(directory), None if below else 1)
            for name in names
        ]
    system, prefix = open_system(directory)

    def find() -> list[str]:
        system.invalidate_cache()
        try:
            return list(system.find(prefix))
        except FileNotFoundError:
            return []

    try:
        found = insist(directory, find)
    except OSError as error:
        raise OutputError(f"cannot list {directory}: {error.strerror or error}") from None
    names = [name.partition(prefix.rstrip("/"))[2].lstrip("/") for name in found]
    return [name for name in names if below or "/" not in name]


def remove(path: str) -> None:
    """Remove a file if it exists."""
    with suppress(FileNotFoundError):
        if not is_remote(path):
            os.unlink(path)
            return
        system, name = open_system(path)
        insist(path, lambda: system.rm_file(name))


def upload(source: str, url: str) -> None:
    """Send a local file to a URL, where it appears whole or not at all.

    Parts of an upload that was killed are seen by nobody; a rule of the bucket
    (AbortIncompleteMultipartUpload) removes them.
    """
    system, name = open_system(url, _PART_ATTEMPTS)
    options: dict[str, int] = {}
    if hasattr(system, "call_s3"):
        part_bytes = max(_PART_BYTES, -(-os.path.getsize(source) // _MAX_PARTS))
        options = {"chunksize": part_bytes, "max_concurrency": _PARTS_AT_ONCE}

    def send() -> None:
        try:
            system.put_file(source, name, **options)
        except FileNotFoundError as error:
            if "NoSuchUpload" not in repr(error.__cause__):
                raise
            # The answer that completed the upload was lost: send the file again.
            raise OSError("the upload is gone") from None

    with _as_output(url):
        insist(url, send, n_attempts=2 if options else None)


def check_writable(url: str) -> None:
    """Write an object and remove it again, to find out before the work whether that can be done."""
    system, name = open_system(url)
    probe = f"{name}.zipsel-probe-{secrets.token_hex(4)}"
    with _as_output(url):
        insist(url, lambda: system.pipe_file(probe, b""))
    with suppress(OSError):  # who may write may not always remove
        insist(url, lambda: system.rm_file(probe))


def directory_of(path: str) -> str:
    """The directory that holds a file, absolute."""
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


@contextmanager
def _as_output(url: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {url}: {error.strerror or error}") from None
