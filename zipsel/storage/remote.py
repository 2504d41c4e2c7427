"""Files behind a URL (``s3://``, ``gs://``, ``az://``, ``hf://``, ``https://``), for reading.

A file is read in ranges, which grow while it is read from end to end, so that single lines cost
little and streams few requests; a reader that knows where it will end gets no more than that. The
last ranges are held, because row groups of Parquet are looked at before they are read. A web server
that has no ranges answers the first of them with the whole file, which is then kept and read from
there. A missing or forbidden object is a ``ShardError``, which names its URL; a network that fails
is a ``StorageError`` (``network.insist``).
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple

from zipsel.errors import ShardError
from zipsel.storage.network import Answer, insist, open_system

#: The first range that is asked for, and the largest: each doubles while reading goes straight on.
_FIRST_RANGE_BYTES = 1 << 18
_LAST_RANGE_BYTES = 1 << 23

#: Range behind the end that a reader has named: the rest of a line.
_REST_BYTES = 1 << 16

#: Bytes of ranges that an open file holds.
_HELD_BYTES = 1 << 26

#: Keys of a description whose values change when the file does.
_MARKS = ("ETag", "etag", "LastModified", "last_modified", "mtime", "updated", "generation", "sha")

#: Keys of a description whose values follow the content alone: of S3, of Google, of Hugging Face.
_CHECKSUMS = ("ETag", "md5Hash", "blob_id")

#: Copies of files of servers without ranges: (URL, size, version) → unnamed file in TMPDIR.
_copies: OrderedDict[tuple[str, int, str], BinaryIO] = OrderedDict()

#: Copies that a process holds at once; each is an open file.
_MAX_COPIES = 32


def is_remote(path: str) -> bool:
    """Whether a path is a URL."""
    return "://" in path


def local_path(path: str) -> str | None:
    """The path on this machine that a path or a ``file://`` URL names; None for other URLs."""
    url = path.rpartition("::")[2]
    if not is_remote(url):
        return path
    if url.partition("://")[0].lower() not in ("file", "local"):
        return None
    return open_system(url)[1]


def canonical(path: str) -> str:
    """A URL as it is compared: one name for each protocol, no slash at the end."""
    system, name = open_system(path)
    service = getattr(system, "service_client", None)  # of Azure's store: it knows the account
    return _address_of(system, name, f"@{service.account_name}" if service else "").rstrip("/")


def _address_of(system: Any, name: str, account: str) -> str:
    """The URL of a name in a file system.

    Args:
        system: The fsspec file system.
        name: Of a file there.
        account: What follows the container in URLs of Azure's store, which fsspec leaves out.
    """
    if "abfs" not in system.protocol:
        return str(system.unstrip_protocol(name))
    container, _, rest = name.partition("/")
    return f"az://{container}{account}/{rest}"


class Description(NamedTuple):
    """What a provider says of a file.

    Attributes:
        n_bytes: Size.
        mark: Changes when the file does.
        checksum: Equal for files of equal content, wherever they are; empty if there is none.
    """

    n_bytes: int
    mark: str
    checksum: str = ""


def expand(pattern: str, wanted: Callable[[str], bool]) -> list[str]:
    """The files behind a URL: itself, those below it that are ``wanted``, or those it matches.

    Raises:
        ShardError: If there is none.
        StorageError: If the provider cannot be reached.
    """
    system, path = open_system(pattern)
    # fsspec leaves directories out of a walk that it cannot list, unless told otherwise.
    strict = {"on_error": "raise"} if _is_web(system) else {}

    def list_files() -> Iterable[str]:
        system.invalidate_cache()
        start = _magic_start(system, path)
        if start is not None:
            found = system.glob(path, detail=True, **strict)
            if not found:
                system.ls(path[:start].rpartition("/")[0], detail=False)  # can it be listed at all?
            folders = [name for name, info in found.items() if info["type"] == "directory"]
            below = [name for one in folders for name in system.find(one) if wanted(name)]
            return {*found, *below} - {*folders}
        if system.info(path)["type"] == "file":
            return [path]
        return [name for name in system.find(path) if wanted(name)]

    names = sorted(_asked(pattern, list_files))
    if not names:
        raise ShardError(pattern, "no object matches it, or no shard is below it")
    account = re.match(r"\w+://[^/@]*(@[^/]*)?", pattern)
    return [_address_of(system, name, (account and account[1]) or "") for name in names]


def _magic_start(system: Any, path: str) -> int | None:
    """Where the first wildcard is; on the web a question mark begins a query and is none."""
    magic = "*[" if _is_web(system) else "*?["
    return next((i for i, character in enumerate(path) if character in magic), None)


def _is_web(system: Any) -> bool:
    return "https" in system.protocol


def describe(path: str) -> Description:
    """Size and version of a file, asked for anew.

    Raises:
        ShardError: If it is missing or may not be read.
        StorageError: If the provider cannot be reached.
    """
    system, name = open_system(path)

    def look() -> dict[str, Any]:
        system.invalidate_cache()
        found: dict[str, Any] = system.info(name)
        return found

    found = _asked(path, look)
    if found.get("size") is None:
        raise ShardError(path, "the server does not tell its size; download it")
    checksums = () if _is_web(system) else _CHECKSUMS  # a web server's ETag is often of its clock
    return Description(
        int(found["size"]),
        "\0".join(f"{key}={found[key]}" for key in _MARKS if key in found),
        next((f"{key}={found[key]}" for key in checksums if found.get(key)), ""),
    )


def _asked(path: str, ask: Callable[[], Answer]) -> Answer:
    """As ``insist``, where a missing or forbidden object is a shard that cannot be read."""
    try:
        return insist(path, ask)
    except OSError as error:
        raise ShardError(path, error.strerror or str(error)) from None


def open_remote(
    path: str, n_bytes: int, *, end: int | None = None, first_range: int = 0, version: str = ""
) -> BinaryIO:
    """Open a file of known size for reading and seeking.

    Args:
        path: URL.
        n_bytes: Size.
        end: Up to which byte it will be read without a gap; None if that is not known.
        first_range: Bytes of the first range, and of the first after a gap; 0 for the default.
        version: Names what the file holds, for files that are opened again to share their ranges;
            empty to share none.

    Raises:
        UsageError: If the library for its protocol is not installed.
    """
    system, name = open_system(path)
    first_range = first_range or _FIRST_RANGE_BYTES
    ranges = _Ranges(system, name, path, n_bytes)
    ranges.expect(end, first_range)
    if version:
        ranges.held = _held_of(Version(path, version))
    return io.BufferedReader(ranges, first_range)


class Version(NamedTuple):
    """A file that holds what it held when ``digest`` was taken."""

    path: str
    digest: str


@lru_cache(maxsize=2)
def _held_of(version: Version) -> OrderedDict[int, bytes]:
    """Ranges of a file, for all that open it in this process."""
    return OrderedDict()


class _Ranges(io.RawIOBase):
    """A file that is read in ranges.

    Attributes:
        held: First byte of each range that is held → the range, the last used last.
    """

    def __init__(self, system: Any, name: str, path: str, n_bytes: int) -> None:
        self._system = system
        self._name = name
        self._path = path
        self._n_bytes = n_bytes
        self._position = 0
        self.held: OrderedDict[int, bytes] = OrderedDict()
        self._copy: BinaryIO | None = None
        self.expect(None, _FIRST_RANGE_BYTES)

    def expect(self, end: int | None, first_range: int) -> None:
        """Take what is known of the reader, as for ``open_remote``."""
        self._end = end
        self._first_range = self._range_bytes = first_range

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._n_bytes}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, or some of it.

        Raises:
            ShardError: If the file is gone.
            StorageError: If it cannot be read.
        """
        if self._position >= self._n_bytes:
            return 0
        at = self._find_held()
        if at is None:
            at = self._position
            self._hold(self._choose_bytes(len(buffer)))
        first = self._position - at
        piece = self.held[at][first : first + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _find_held(self) -> int | None:
        """First byte of the range that holds the position, which counts as used now."""
        for start in reversed(self.held):
            if start <= self._position < start + len(self.held[start]):
                self.held.move_to_end(start)
                return start
        return None

    def _choose_bytes(self, n_asked: int) -> int:
        """Length of the range to fetch at the position, for a reader that asked for some bytes."""
        if self._end is not None:
            left = self._end - self._position
            return min(left, _LAST_RANGE_BYTES) if left > 0 else _REST_BYTES
        if n_asked > self._first_range:  # a reader that knows what it wants
            return min(n_asked, _LAST_RANGE_BYTES)
        last = next(reversed(self.held), None)
        onward = last is not None and self._position == last + len(self.held[last])
        grown = min(2 * self._range_bytes, _LAST_RANGE_BYTES)
        self._range_bytes = grown if onward else self._first_range
        return self._range_bytes

    def _hold(self, n_bytes: int) -> None:
        """Fetch a range that begins at the position."""
        start, end = self._position, min(self._position + n_bytes, self._n_bytes)

        def fetch() -> bytes:
            if self._copy is None and _is_web(self._system):
                data = self._fetch_from_web(start, end)
            elif self._copy is None:
                # Files of a hub read 5 MB ahead of each range, unless told otherwise.
                options = {"cache_type": "none"} if "hf" in self._system.protocol else {}
                data = self._system.cat_file(self._name, start=start, end=end, **options)
            if self._copy is not None:
                data = os.pread(self._copy.fileno(), end - start, start)
            if len(data) != end - start:
                raise OSError(f"{len(data)} of {end - start} bytes came")
            return data

        self.held[start] = _asked(self._path, fetch)
        while sum(map(len, self.held.values())) > _HELD_BYTES and len(self.held) > 1:
            self.held.popitem(last=False)

    def _fetch_from_web(self, start: int, end: int) -> bytes:
        """A range; nothing, but a copy of the whole file, if the server has no ranges."""
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        with self._system.open(
            self._name, block_size=0, size=self._n_bytes, headers=headers
        ) as answer:
            if answer.r.status == 206:
                data: bytes = answer.read()
                return data
            self._copy = _copy_of(answer, self._path, self._n_bytes)
            return b""


def _copy_of(answer: Any, path: str, n_bytes: int) -> BinaryIO:
    """A copy of a file whose server has no ranges, made once in a process for each version."""
    version = "\0".join(answer.r.headers.get(key, "") for key in ("ETag", "Last-Modified"))
    key = (path, n_bytes, version)
    if version == "\0" or key not in _copies:  # of an unknown version no copy is taken again
        copy = tempfile.TemporaryFile()
        shutil.copyfileobj(answer, copy, 1 << 20)
        if copy.tell() != n_bytes:
            raise OSError(f"{copy.tell()} of {n_bytes} bytes came")
        copy.flush()
        _copies[key] = copy
        while len(_copies) > _MAX_COPIES:
            _copies.popitem(last=False)
    _copies.move_to_end(key)
    return _copies[key]
