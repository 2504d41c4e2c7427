"""Input files: what each is, whether it changed, and what it holds.

The format comes from the suffix and is checked against the first bytes. Two names tell a file from
others. The *mark* is of its path, size and modification time: it costs one stat and shows
that a file changed while a run reads it. The *fingerprint* is of its content and format alone, so
that a file that was moved, copied, touched or linked keeps it. Whoever needs it asks for it
(``scoring.identify``), because all of the file has to be read once; until then the mark stands in
its place. Of an object on a store, the provider's checksum stands for the content.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from io import BufferedReader
from typing import Any, NamedTuple

from zipsel.errors import ShardError
from zipsel.pool import hf_datasets
from zipsel.pool.formats import FORMATS, Format, split_suffix, suffix_problem
from zipsel.pool.heads import check_head, kind_of_head
from zipsel.pool.known import KnownFile, KnownFiles
from zipsel.storage import ranges, remote

#: A shard is cut into chunks of this many bytes of decompressed JSONL (or encoded Parquet): the
#: unit of a task, of a sidecar part and of resuming. A constant, because a plan that depended
#: on the machine could not be resumed on another.
CHUNK_BYTES = 16 << 20

#: Bytes at the beginning of a file that its format is checked against.
_HEAD_BYTES = 1 << 16

_DIGEST_BYTES = 16

#: Objects whose first bytes are read, and held, at once.
_FILES_AT_ONCE = 1000

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
        mark: Changes when the file does, or its place; hex.
        fingerprint: Of its content and format; the mark as long as the content is not known; hex.
    """

    index: int
    path: str
    format: str
    compression: str
    n_bytes: int
    mark: str
    fingerprint: str = ""

    def __post_init__(self) -> None:
        """Let the mark stand for a fingerprint that is not known."""
        object.__setattr__(self, "fingerprint", self.fingerprint or self.mark)

    @property
    def is_identified(self) -> bool:
        """Whether the fingerprint is of the content."""
        return self.fingerprint != self.mark

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


@dataclass(frozen=True)
class Listed:
    """What finding a file has told of it already.

    Attributes:
        description: What a store's listing says of it; None for the file itself to be asked.
        head: Its first bytes; None for them to be read.
    """

    description: remote.Description | None = None
    head: bytes | None = None


def look_ahead(
    found: Mapping[str, remote.Description | None], known: KnownFiles | None
) -> Iterator[tuple[str, Listed]]:
    """Yield files of a store with what is known of them, the first bytes of many read at once."""
    paths = list(found)
    for start in range(0, len(paths), _FILES_AT_ONCE):
        block = {path: found[path] for path in paths[start : start + _FILES_AT_ONCE]}
        new = {
            path: one.n_bytes
            for path, one in block.items()
            if one is not None and (known is None or known.find(_mark_of_object(path, one)) is None)
        }
        heads = ranges.read_heads(new, _HEAD_BYTES)
        yield from ((path, Listed(one, heads.get(path))) for path, one in block.items())


def open_shard(
    path: str,
    index: int,
    *,
    for_target: bool = False,
    known: KnownFiles | None = None,
    listed: Listed | None = None,
) -> Shard:
    """Describe one file.

    Args:
        path: The file, or its URL.
        index: Its place in the pool's order.
        for_target: Whether formats are accepted that targets alone are made of.
        known: Files that earlier runs read; one of these costs one stat, or one request.
        listed: What finding the file has told of it.

    Raises:
        ShardError: If it is missing, unreadable, or not what its suffix says.
    """
    _check_name(path)
    kind, compression = split_suffix(path)
    if remote.is_remote(path):
        kind = _check_kind(path, kind, for_target)
        return _open_remote_shard(path, index, kind, known, listed or Listed())
    status = _stat(path)
    _refuse_stream(path, status)
    kind = _check_kind(path, kind, for_target)
    mark, n_bytes = _mark_of(path, status), status.st_size
    found = None if known is None else known.find(mark, status.st_ctime_ns)
    if found is not None:
        return Shard(index, path, found.format, compression, n_bytes, mark, found.fingerprint)
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise ShardError(path, (error.strerror or str(error)).lower()) from None
    kind = kind_of_head(kind, head)
    check_head(path, kind, compression, head)
    fingerprint = ""
    if len(head) == n_bytes < _HEAD_BYTES:  # all of it
        digest = _new_digest()
        digest.update(head)
        fingerprint = _digest(kind.name, compression, n_bytes, digest.hexdigest())
        if known is not None:
            known.note(mark, KnownFile(fingerprint, kind.name), status.st_ctime_ns)
    return Shard(index, path, kind.name, compression, n_bytes, mark, fingerprint)


def _check_kind(path: str, kind: Format | None, for_target: bool) -> Format:
    """The format that a suffix names, if files of it are taken."""
    if kind is None or (kind.is_target_only and not for_target):
        raise ShardError(path, suffix_problem(path, for_target))
    if kind.name == "arrow":
        hf_datasets.refuse_indexed(path)
    return kind


def _stat(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError as error:
        raise ShardError(path, (error.strerror or str(error)).lower()) from None


def _mark_of(path: str, status: os.stat_result) -> str:
    """Digest of a file's path, size and time of modification.

    No inode: machines that mount the same file system may number its files differently.
    """
    return _digest(os.path.abspath(path), status.st_size, status.st_mtime_ns)


def _digest(*values: Any) -> str:
    return blake2b("\0".join(map(str, values)).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _mark_of_object(path: str, described: remote.Description) -> str:
    return _digest(path, described.n_bytes, described.mark)


def _open_remote_shard(
    path: str, index: int, kind: Format, known: KnownFiles | None, listed: Listed
) -> Shard:
    """As ``open_shard``; the provider's checksum is the content, or else its mark and the URL."""
    found = listed.description or remote.describe(path)
    mark, compression = _mark_of_object(path, found), split_suffix(path)[1]
    before = None if known is None else known.find(mark)
    if before is not None:
        return Shard(
            index, path, before.format, compression, found.n_bytes, mark, before.fingerprint
        )
    head = listed.head
    if head is None:
        with ranges.open_remote(path, found.n_bytes, first_range=_HEAD_BYTES) as file:
            head = file.read(_HEAD_BYTES)
    kind = kind_of_head(kind, head)
    check_head(path, kind, compression, head)
    content = found.checksum or mark
    fingerprint = _digest(kind.name, compression, found.n_bytes, content, head.hex())
    if known is not None:
        known.note(mark, KnownFile(fingerprint, kind.name))
    return Shard(index, path, kind.name, compression, found.n_bytes, mark, fingerprint)


class Content(NamedTuple):
    """What a file holds.

    Attributes:
        fingerprint: Of its content and format.
        changed_ns: When its status last changed; 0 for an object on a store.
    """

    fingerprint: str
    changed_ns: int


def read_content(shard: Shard) -> Content:
    """Read all of a file for its fingerprint.

    Raises:
        ShardError: If the file cannot be read, or changed while it was read.
    """
    if remote.is_remote(shard.path):
        return Content(shard.fingerprint, 0)
    status = _stat(shard.path)
    try:
        with open(shard.path, "rb") as file:
            content = file_digest(file, _new_digest).hexdigest()
    except OSError as error:
        raise ShardError(shard.path, (error.strerror or str(error)).lower()) from None
    check_unchanged(shard)
    fingerprint = _digest(shard.format, shard.compression, shard.n_bytes, content)
    return Content(fingerprint, status.st_ctime_ns)


def _new_digest() -> Any:
    return blake2b(digest_size=_DIGEST_BYTES)


def _check_name(path: str) -> None:
    """Refuse a name that no report could hold."""
    try:
        os.path.abspath(path).encode()
    except UnicodeEncodeError:
        raise ShardError(path, "the name is no UTF-8, which reports need; rename it") from None


def _refuse_stream(path: str, status: os.stat_result) -> None:
    """Refuse pipes and devices, which can be read once: a run reads its files several times."""
    if not stat.S_ISREG(status.st_mode) or path.startswith(_STREAMS):
        raise ShardError(
            path,
            "is a stream, not a file; pipe it to standard input and write - in its place "
            "(COMMAND | zipsel ... -), or save it to a file",
        )


def check_unchanged(shard: Shard) -> None:
    """Raise ``ShardError`` if a shard is no longer the file that it was."""
    try:
        if remote.is_remote(shard.path):
            mark = _mark_of_object(shard.path, remote.describe(shard.path))
        else:
            mark = _mark_of(shard.path, _stat(shard.path))
    except ShardError as error:
        raise ShardError(shard.path, f"changed while it was being read: {error.problem}") from None
    if mark != shard.mark:
        raise ShardError(shard.path, "changed while it was being read; run again when it is still")


def open_raw(shard: Shard, *, end: int | None = None, first_range: int = 0) -> BufferedReader:
    """Open a shard's bytes as they lie on disk.

    Args:
        shard: The shard.
        end: As for ``ranges.open_remote``; for other files it does not matter.
        first_range: Likewise.

    Raises:
        ShardError: If it cannot be opened.
    """
    if remote.is_remote(shard.path):
        return ranges.open_remote(shard.path, shard.n_bytes, end=end, first_range=first_range)
    try:
        return open(shard.path, "rb")
    except OSError as error:
        raise ShardError(shard.path, (error.strerror or str(error)).lower()) from None
