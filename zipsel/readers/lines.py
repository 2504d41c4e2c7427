"""A byte stream → chunks of whole lines.

Chunk i of a stream holds the lines that *begin* in its i-th ``CHUNK_BYTES``. The rule needs no
index and gives the same chunks whether a worker seeks into a plain file or a stream is cut as it
comes, so sidecar parts match however they were made. Whoever reads a chunk at once may take it in
stretches, which need little memory. A line longer than the row limit is never held:
its head is kept, the rest is dropped up to the next newline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import BufferedIOBase
from typing import NamedTuple

from zipsel.pool.shards import CHUNK_BYTES
from zipsel.readers.rows import SNIPPET_BYTES

_READ_BYTES = 1 << 18

#: Where a chunk is taken in stretches, about: memory stays small, and decompression, whose window
#: scoring drives out of the cache, is taken up again seldom.
STRETCH_BYTES = 4 << 20

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class LineChunk:
    """Whole lines of a stream: a chunk of it, or a stretch of one.

    Attributes:
        index: Which chunk of the shard, from 0.
        offset: Where ``data`` begins in the stream, in bytes.
        data: The lines; each but the stream's last ends in a newline.
        dropped: ``(position in data, bytes)`` for each line that was cut short, where the bytes
            would follow.
        final: Whether nothing follows.
        ends: Whether no other stretch of the chunk follows.
    """

    index: int
    offset: int
    data: bytes
    dropped: tuple[tuple[int, int], ...] = ()
    final: bool = False
    ends: bool = True


class _Run(NamedTuple):
    """Whole lines of a stream, or no bytes where a line begins whose end has not come yet.

    Attributes:
        offset: Where the first line begins in the stream.
        data: The lines.
        n_dropped: Bytes that were dropped before the newline, if this is one line over the limit.
    """

    offset: int
    data: bytes
    n_dropped: int = 0

    @property
    def dropped_at(self) -> int:
        """Position in ``data`` where the dropped bytes would follow."""
        return len(self.data) - self.data.endswith(b"\n")


def _iter_runs(pieces: Iterable[bytes], max_row_bytes: int, offset: int) -> Iterator[_Run]:
    """Yield the lines of a stream, all that a piece ends at once; each byte is copied once."""
    held: list[bytes] = []  # pieces of the line without an end
    n_held = n_dropped = 0
    for piece in pieces:
        if n_dropped:
            newline = piece.find(b"\n")
            if newline < 0:
                n_dropped += len(piece)
                continue
            yield _Run(offset, held[0] + b"\n", n_dropped + newline)
            offset += n_held + n_dropped + newline + 1
            held, n_held, n_dropped, piece = [], 0, 0, piece[newline + 1 :]
        end = piece.rfind(b"\n") + 1
        if end:
            yield _Run(offset, b"".join([*held, piece[:end]]))
            offset += n_held + end
            held, n_held, piece = [], 0, piece[end:]
        if piece:
            held.append(piece)
            n_held += len(piece)
            if n_held > max_row_bytes:
                line = b"".join(held)
                mark = len(BOM) if offset == 0 and line.startswith(BOM) else 0  # no part of a line
                if n_held - mark > max_row_bytes:
                    line, n_dropped = line[: mark + SNIPPET_BYTES], n_held - mark - SNIPPET_BYTES
                held, n_held = [line], len(line)
            yield _Run(offset, b"")
    if held:
        yield _Run(offset, b"".join(held), n_dropped)


def cut_lines(
    pieces: Iterable[bytes],
    max_row_bytes: int,
    *,
    first_index: int = 0,
    offset: int = 0,
    chunk_bytes: int = CHUNK_BYTES,
    stretch_bytes: int | None = None,
) -> Iterator[LineChunk]:
    """Cut a stream into chunks of whole lines, or those into stretches.

    Args:
        pieces: The bytes from ``offset`` on, where a line begins.
        max_row_bytes: Longer lines are cut short and noted in ``dropped``.
        first_index: Number of the chunk that contains ``offset``.
        offset: Where the pieces begin in the stream.
        chunk_bytes: Bytes of stream that a chunk's lines begin in.
        stretch_bytes: Hand out a chunk's lines as soon as they are about so many bytes; None to
            hand it out whole.

    Yields:
        Chunks in order, empty ones too where one line spans several; the last is ``final``.
    """
    stretch = _Stretch(first_index, offset)
    for run in _iter_runs(pieces, max_row_bytes, offset):
        while (border := (stretch.index + 1) * chunk_bytes - run.offset) < max(1, len(run.data)):
            # The chunk ends before the first line that begins at the border or behind it.
            end = run.data.find(b"\n", border - 1) + 1 if border > 0 else 0
            if border > 0 and end in (0, len(run.data)):  # no such line has come yet
                break
            stretch.take(_Run(run.offset, run.data[:end]))
            yield stretch.cut()
            run = _Run(run.offset + end, run.data[end:], run.n_dropped)
        stretch.take(run)
        if stretch_bytes is not None and stretch.n_bytes >= stretch_bytes:
            yield stretch.cut(ends=False)
    yield stretch.cut(final=True)


class _Stretch:
    """Lines of one chunk, gathered until they are handed out."""

    def __init__(self, index: int, offset: int) -> None:
        self.index = index
        self.n_bytes = 0
        self._offset = offset
        self._data: list[bytes] = []
        self._dropped: list[tuple[int, int]] = []

    def take(self, run: _Run) -> None:
        """Append lines."""
        if run.n_dropped:
            self._dropped.append((self.n_bytes + run.dropped_at, run.n_dropped))
        self._data.append(run.data)
        self.n_bytes += len(run.data)

    def cut(self, final: bool = False, ends: bool = True) -> LineChunk:
        """Hand out the lines and begin the next stretch, of the next chunk if this one ``ends``."""
        data, dropped = b"".join(self._data), tuple(self._dropped)
        chunk = LineChunk(self.index, self._offset, data, dropped, final, ends)
        self._offset += len(data) + sum(n_bytes for _, n_bytes in dropped)
        self.index += ends
        self.n_bytes, self._data, self._dropped = 0, [], []
        return chunk


def iter_whole_lines(pieces: Iterable[bytes], max_row_bytes: int) -> Iterator[LineChunk]:
    """Yield the lines of a stream as soon as they are whole, whatever chunk they belong to."""
    for run in _iter_runs(pieces, max_row_bytes, 0):
        if run.data:
            stretch = _Stretch(0, run.offset)
            stretch.take(run)
            yield stretch.cut(final=not run.data.endswith(b"\n"))


def read_chunk(
    file: BufferedIOBase,
    index: int,
    max_row_bytes: int,
    *,
    n_bytes: int,
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[LineChunk]:
    """Read one chunk of a plain file by seeking to it, in stretches."""
    start, end = index * chunk_bytes, (index + 1) * chunk_bytes
    final = end >= n_bytes
    if start:
        file.seek(start - 1)
        start = _skip_line(file, start - 1, end)
    if start >= end and not final:
        yield LineChunk(index, start, b"")
        return
    file.seek(start)
    # One read of the file each: of a file behind a URL, no range is fetched that nothing needs.
    pieces = iter(lambda: file.read1(_READ_BYTES), b"")
    for stretch in cut_lines(
        pieces,
        max_row_bytes,
        first_index=index,
        offset=start,
        chunk_bytes=chunk_bytes,
        stretch_bytes=STRETCH_BYTES,
    ):
        yield replace(stretch, final=final and stretch.ends)
        if stretch.ends:
            return


def _skip_line(file: BufferedIOBase, start: int, end: int) -> int:
    """Offset after the first newline at or after ``start``; at least ``end`` if none is before."""
    while start < end:
        piece = file.read1(1 << 16)
        if not piece:
            return start
        newline = piece.find(b"\n")
        if newline >= 0:
            return start + newline + 1
        start += len(piece)
    return start
