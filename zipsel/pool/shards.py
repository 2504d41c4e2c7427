"""Input files: finding them, ordering them, telling what they are and whether they changed.

The format comes from the suffix and is checked against the first bytes. The fingerprint is of
the absolute path, size, modification time and both ends of the file: cheap on a terabyte, and a
file that was rewritten in any way that the file system notices gets another one.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from hashlib import blake2b
from typing import BinaryIO

from zipsel.errors import ShardError
from zipsel.pool import hf_datasets
from zipsel.pool.formats import (
    FORMATS,
    Format,
    check_head,
    kind_of_head,
    split_suffix,
    suffix_problem,
)
from zipsel.storage import remote

#: Bytes at each end of a file that go into its fingerprint.
_FINGERPRINT_END_BYTES = 1 << 16


#: Bytes of text in a byte of a compressed shard, to guess sizes before reading.
_GUESSED_COMPRESSION = 4
#: Names of open descriptors, which may be of files but have no suffix.
_STREAMS = ("/dev/", "/proc/self/fd/")


@dataclass(frozen=True)
class Shard:
    """One input file.

    Attributes:
        index: Place in the pool's order, from 0.
        path: As the user gave it, or below the directory that he gave.
        format: Name in the format table.
        compression: ``gz``, ``zst`` or empty.
        n_bytes: Size on disk.
        fingerprint: Changes when the file does; hex.
    """

    index: int
    path: str
    format: str
    compression: str
    n_bytes: int
    fingerprint: str

    @property
    def seekable(self) -> bool:
        """Whether a worker can begin in the middle of it."""
        return not self.compression and FORMATS[self.format].is_splittable

    @property
    def guessed_bytes(self) -> int:
        """Bytes of text that it may hold, before it is read."""
        packed = bool(self.compression) or FORMATS[self.format].is_packed
        return self.n_bytes * (_GUESSED_COMPRESSION if packed else 1)

    @property
    def is_table(self) -> bool:
        """Whether its rows are Arrow rows, found by row number, instead of JSON lines."""
        return FORMATS[self.format].is_table


def open_shard(path: str, index: int, *, for_target: bool = False) -> Shard:
    """Describe one file.

    Args:
        path: The file, or its URL.
        index: Its place in the pool's order.
        for_target: Whether formats are accepted that targets alone are made of.

    Raises:
        ShardError: If it is missing, unreadable, or not what its suffix says.
    """
    _check_name(path)
    _refuse_stream(path)
    kind, compression = split_suffix(path)
    if kind is None or (kind.is_target_only and not for_target):
        raise ShardError(path, suffix_problem(path, for_target))
    if kind.name == "arrow":
        hf_datasets.refuse_indexed(path)
    if remote.is_remote(path):
        return _open_remote_shard(path, index, kind, compression)
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            head = file.read(_FINGERPRINT_END_BYTES)
            kind = kind_of_head(kind, head)
            check_head(path, kind, compression, head)
            if status.st_size > 2 * _FINGERPRINT_END_BYTES:
                file.seek(-_FINGERPRINT_END_BYTES, os.SEEK_END)
            tail = file.read(_FINGERPRINT_END_BYTES)
    except OSError as error:
        raise ShardError(path, (error.strerror or str(error)).lower()) from None
    identity = f"{os.path.abspath(path)}\0{status.st_size}\0{status.st_mtime_ns}\0".encode()
    fingerprint = blake2b(identity + head + tail, digest_size=16).hexdigest()
    return Shard(index, path, kind.name, compression, status.st_size, fingerprint)


def _open_remote_shard(path: str, index: int, kind: Format, compression: str) -> Shard:
    """As ``open_shard``; what the provider says of a file stands in for its end."""
    n_bytes, mark = remote.describe(path)
    with remote.open_remote(path, n_bytes) as file:
        head = file.read(_FINGERPRINT_END_BYTES)
    kind = kind_of_head(kind, head)
    check_head(path, kind, compression, head)
    identity = f"{path}\0{n_bytes}\0{mark}\0".encode()
    fingerprint = blake2b(identity + head, digest_size=16).hexdigest()
    return Shard(index, path, kind.name, compression, n_bytes, fingerprint)


def _check_name(path: str) -> None:
    """Refuse a name that no report could hold."""
    try:
        os.path.abspath(path).encode()
    except UnicodeEncodeError:
        raise ShardError(path, "the name is no UTF-8, which reports need; rename it") from None


def _refuse_stream(path: str) -> None:
    """Refuse pipes and devices, which can be read once: a run reads its files several times."""
    if remote.is_remote(path):
        return
    try:
        is_stream = not stat.S_ISREG(os.stat(path).st_mode)  # before opening: a FIFO would block
    except OSError:
        return  # which opening it will say better
    if is_stream or path.startswith(_STREAMS):
        raise ShardError(
            path,
            "is a stream, not a file; pipe it to standard input and write - in its place "
            "(COMMAND | zipsel ... -), or save it to a file",
        )


def check_unchanged(shard: Shard) -> None:
    """Raise ``ShardError`` if a shard is no longer the file that it was."""
    try:
        fingerprint = open_shard(shard.path, shard.index, for_target=True).fingerprint
    except ShardError as error:
        raise ShardError(shard.path, f"changed while it was being read: {error.problem}") from None
    if fingerprint != shard.fingerprint:
        raise ShardError(shard.path, "changed while it was being read; run again when it is still")


def open_raw(shard: Shard) -> BinaryIO:
    """Open a shard's bytes as they lie on disk.

    Raises:
        ShardError: If it cannot be opened.
    """
    if remote.is_remote(shard.path):
        return remote.open_remote(shard.path, shard.n_bytes)
    try:
        return open(shard.path, "rb")
    except OSError as error:
        raise ShardError(shard.path, (error.strerror or str(error)).lower()) from None
