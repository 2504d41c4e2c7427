"""What is in files behind a URL: read in ranges.

Ranges grow while a file is read from end to end, so that single lines cost little and streams few
requests; a reader that knows where it will end gets no more than that. The last ranges are held,
because row groups of Parquet are looked at before they are read. A web server that has no ranges
answers the first of them with the whole file, which is then kept and read from there.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple

from zipsel.storage.network import open_system
from zipsel.storage.remote import asked, is_web

#: The first range that is asked for, and the largest: each doubles while reading goes straight on.
_FIRST_RANGE_BYTES = 1 << 18
_LAST_RANGE_BYTES = 1 << 23

#: Bytes behind the end that a reader has named, which come with the last range: the rest of a line.
_REST_BYTES = 1 << 14

#: Bytes of ranges that an open file holds.
HELD_BYTES = 1 << 26

#: Copies of files of servers without ranges: (URL, size, version) → unnamed file in TMPDIR.
_copies: OrderedDict[tuple[str, int, str], BinaryIO] = OrderedDict()

#: Copies that a process holds at once; each is an open file.
_MAX_COPIES = 32


def open_remote(
    path: str, n_bytes: int, *, end: int | None = None, first_range: int = 0, version: str = ""
) -> io.BufferedReader:
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


def read_heads(sizes: Mapping[str, int], n_bytes: int) -> dict[str, bytes]:
    """First bytes of many files of one store at once, as far as its library can.

    Args:
        sizes: URL → size.
        n_bytes: How many bytes of each.

    Returns:
        URL → bytes; files are left out that are empty, or that gave no answer: ask each again.
    """
    names = {path: open_system(path) for path, size in sizes.items() if size}
    system = next((system for system, _ in names.values()), None)
    if system is None or not system.async_impl:
        return {}
    ends = [min(n_bytes, sizes[path]) for path in names]
    places = [name for _, name in names.values()]
    try:
        answers = system.cat_ranges(places, [0] * len(ends), ends, on_error="return")
    except OSError:  # whatever it is, it is told of the file that is asked again
        return {}
    return {
        path: answer
        for path, answer, end in zip(names, answers, ends, strict=True)
        if isinstance(answer, bytes) and len(answer) == end
    }


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
            if left > _LAST_RANGE_BYTES:
                return _LAST_RANGE_BYTES
            return left + _REST_BYTES if left > 0 else max(_REST_BYTES, -left)
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
            if self._copy is None and is_web(self._system):
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

        self.held[start] = asked(self._path, fetch)
        while sum(map(len, self.held.values())) > HELD_BYTES and len(self.held) > 1:
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
