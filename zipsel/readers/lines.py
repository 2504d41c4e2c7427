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
from typing import BinaryIO

from zipsel.readers.rows import SNIPPET_BYTES
from zipsel.texts import CHUNK_BYTES

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


class _Buffer:
    """Bytes gathered until a chunk is whole, without any line over the limit."""

    def __init__(self, offset: int, max_row_bytes: int) -> None:
        self.data = bytearray()
        self.offset = offset
        self.dropped: list[tuple[int, int]] = []
        self.max_row_bytes = max_row_bytes
        self.line_start = 0  # of the last, perhaps unfinished, line in data
        self.skipping = False

    def append(self, piece: bytes) -> None:
        """Add bytes; inside a line over the limit only its newline is kept."""
        if self.skipping:
            newline = piece.find(b"\n")
            n_dropped = len(piece) if newline < 0 else newline
            position, before = self.dropped[-1]
            self.dropped[-1] = (position, before + n_dropped)
            if newline < 0:
                return
            self.skipping = False
            piece = piece[newline:]
        newline = piece.rfind(b"\n")
        if newline >= 0:
            self.line_start = len(self.data) + newline + 1
        self.data += piece
        start = self.line_start
        if self.offset == start == 0 and self.data.startswith(BOM):
            start = len(BOM)  # is no part of the first line
        if len(self.data) - start > self.max_row_bytes:
            keep = start + SNIPPET_BYTES
            self.dropped.append((keep, len(self.data) - keep))
            del self.data[keep:]
            self.skipping = True

    def true_position(self, stream_position: int) -> int:
        """Position in data of the first kept byte at or after a position of the stream."""
        position = stream_position - self.offset
        for at, n_bytes in self.dropped:
            if position <= at:
                break
            position = max(at, position - n_bytes)
        return position

    def cut(self, position: int, index: int, final: bool = False, ends: bool = True) -> LineChunk:
        """Take everything before ``position`` as a chunk, or as a stretch of one."""
        dropped = tuple(entry for entry in self.dropped if final or entry[0] < position)
        data = bytes(memoryview(self.data)[:position])
        chunk = LineChunk(index, self.offset, data, dropped, final, ends)
        del self.data[:position]
        self.offset += position + sum(n_bytes for _, n_bytes in dropped)
        self.dropped = [(at - position, n) for at, n in self.dropped if at >= position]
        self.line_start = max(0, self.line_start - position)
        return chunk


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
        first_index: Number of the chunk that ``offset`` lies in.
        offset: Where the pieces begin in the stream.
        chunk_bytes: Bytes of stream that a chunk's lines begin in.
        stretch_bytes: Hand out a chunk's lines as soon as they are about so many bytes; None to
            hand it out whole.

    Yields:
        Chunks in order, empty ones too where one line spans several; the last is ``final``.
    """
    buffer = _Buffer(offset, max_row_bytes)
    index = first_index
    for piece in pieces:
        buffer.append(piece)
        while True:
            boundary = (index + 1) * chunk_bytes
            if buffer.offset >= boundary:  # a line that began earlier reaches past this chunk
                position = 0
            else:
                last = buffer.true_position(boundary - 1)
                if buffer.line_start <= last:  # the line that spans the boundary goes on
                    if stretch_bytes is not None and buffer.line_start >= stretch_bytes:
                        yield buffer.cut(buffer.line_start, index, ends=False)
                    break
                position = buffer.data.find(b"\n", last) + 1
            if position == len(buffer.data):  # perhaps the end: wait for one byte more
                break
            yield buffer.cut(position, index)
            index += 1
    yield buffer.cut(len(buffer.data), index, final=True)


def iter_whole_lines(pieces: Iterable[bytes], max_row_bytes: int) -> Iterator[LineChunk]:
    """Yield the lines of a stream as soon as they are whole, whatever chunk they belong to.

    Args:
        pieces: The stream from its beginning.
        max_row_bytes: As for ``cut_lines``.
    """
    buffer = _Buffer(0, max_row_bytes)
    for piece in pieces:
        buffer.append(piece)
        if buffer.line_start:
            yield buffer.cut(buffer.line_start, 0)
    if buffer.data:
        yield buffer.cut(len(buffer.data), 0, final=True)


def read_chunk(
    file: BinaryIO, index: int, max_row_bytes: int, *, n_bytes: int, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[LineChunk]:
    """Read one chunk of a plain file by seeking to it, in stretches.

    Args:
        file: Open for reading, seekable.
        index: Which chunk.
        max_row_bytes: As for ``cut_lines``.
        n_bytes: Size of the file.
        chunk_bytes: As for ``cut_lines``.
    """
    start, end = index * chunk_bytes, (index + 1) * chunk_bytes
    final = end >= n_bytes
    if start:
        file.seek(start - 1)
        start = _skip_line(file, start - 1, end)
    if start >= end and not final:
        yield LineChunk(index, start, b"")
        return
    file.seek(start)
    pieces = iter(lambda: file.read(_READ_BYTES), b"")
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


def _skip_line(file: BinaryIO, start: int, end: int) -> int:
    """Offset after the first newline at or after ``start``; at least ``end`` if none is before."""
    while start < end:
        piece = file.read(1 << 16)
        if not piece:
            return start
        newline = piece.find(b"\n")
        if newline >= 0:
            return start + newline + 1
        start += len(piece)
    return start


def n_chunks(n_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> int:
    """Number of chunks of a plain file; one, empty, for an empty file."""
    return max(1, -(-n_bytes // chunk_bytes))
