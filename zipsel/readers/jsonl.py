"""JSONL: a byte stream → chunks of whole lines → batches of rows.

Chunk i of a stream holds the lines that *begin* in its i-th ``CHUNK_BYTES``. The rule needs no
index and gives the same chunks whether a worker seeks into a plain file or a stream is cut as it
comes, so sidecar parts match however they were made. A line longer than the row limit is never
held: its head is kept, the rest is dropped up to the next newline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from zipsel.readers import SNIPPET_BYTES, ReadOptions, RowBatch
from zipsel.records import BATCH_BYTES, CHUNK_BYTES, TextBatch
from zipsel.rows import MAX_DEPTH, Reason, RowError, RowParser

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class LineChunk:
    """Whole lines of a stream.

    Attributes:
        index: Which chunk of the shard, from 0.
        offset: Where ``data`` begins in the stream, in bytes.
        data: The lines; each but the stream's last ends in a newline.
        dropped: ``(position in data, bytes)`` for each line that was cut short, where the bytes
            would follow.
        final: Whether nothing follows.
    """

    index: int
    offset: int
    data: bytes
    dropped: tuple[tuple[int, int], ...] = ()
    final: bool = False


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
        if self.offset == start == 0 and self.data.startswith(_BOM):
            start = len(_BOM)  # is no part of the first line
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

    def cut(self, position: int, index: int, final: bool) -> LineChunk:
        """Take everything before ``position`` as a chunk."""
        dropped = tuple(entry for entry in self.dropped if final or entry[0] < position)
        data = bytes(memoryview(self.data)[:position])
        chunk = LineChunk(index, self.offset, data, dropped, final)
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
) -> Iterator[LineChunk]:
    """Cut a stream into chunks of whole lines.

    Args:
        pieces: The bytes from ``offset`` on, where a line begins.
        max_row_bytes: Longer lines are cut short and noted in ``dropped``.
        first_index: Number of the chunk that ``offset`` lies in.
        offset: Where the pieces begin in the stream.
        chunk_bytes: Bytes of stream that a chunk's lines begin in.

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
                    break
                position = buffer.data.find(b"\n", last) + 1
            if position == len(buffer.data):  # perhaps the end: wait for one byte more
                break
            yield buffer.cut(position, index, final=False)
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
            yield buffer.cut(buffer.line_start, 0, final=False)
    if buffer.data:
        yield buffer.cut(len(buffer.data), 0, final=True)


def read_chunk(
    file: BinaryIO, index: int, max_row_bytes: int, *, n_bytes: int, chunk_bytes: int = CHUNK_BYTES
) -> LineChunk:
    """Read one chunk of a plain file by seeking to it.

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
        return LineChunk(index, start, b"")
    file.seek(start)
    pieces = iter(lambda: file.read(1 << 20), b"")
    chunk = next(
        cut_lines(pieces, max_row_bytes, first_index=index, offset=start, chunk_bytes=chunk_bytes)
    )
    return LineChunk(index, chunk.offset, chunk.data, chunk.dropped, final)


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


def iter_rows(chunk: LineChunk, parser: RowParser, options: ReadOptions) -> Iterator[RowBatch]:
    """Parse a chunk's lines, about ``BATCH_BYTES`` at a time.

    Blank lines are no rows. Carriage returns before the newline and a byte-order mark at the
    stream's beginning are ignored.
    """
    data, position = chunk.data, 0
    if chunk.offset == 0 and data.startswith(_BOM):
        position = len(_BOM)
    while position < len(data):
        end = data.rfind(b"\n", position, position + BATCH_BYTES) + 1
        if end == 0:
            end = data.find(b"\n", position) + 1 or len(data)
        uniform = _parse_uniform(chunk, position, end, parser, options)
        yield uniform or _parse_lines(chunk, position, end, parser, options)
        position = end


def _parse_uniform(
    chunk: LineChunk, start: int, end: int, parser: RowParser, options: ReadOptions
) -> RowBatch | None:
    """Parse lines that all are acceptable objects, at once; None if any is not.

    Lines that begin with ``{`` and end with ``}`` cannot share a JSON value: nothing that may
    follow ``}`` inside a value begins with ``{``. So as many values as lines is one a line.
    """
    data = np.frombuffer(chunk.data, np.uint8, end - start, start)
    ends = np.flatnonzero(data == ord("\n"))
    if chunk.dropped or data[-1] != ord("\n"):
        return None
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (data[starts] != ord("{")).any() or (data[ends - 1] != ord("}")).any():
        return None
    if (ends - starts).max() > options.max_row_bytes:
        return None
    if not _is_utf8(chunk.data, start, end) or _may_be_deep(data, starts, ends):
        return None
    parsed = parser.parse_lines(memoryview(chunk.data)[start:end], len(ends))
    if parsed is None:
        return None
    texts, groups = parsed
    return RowBatch(
        offsets=starts + start + chunk.offset,
        texts=TextBatch.from_texts(texts),
        accepted=np.arange(len(texts)),
        rejects={},
        groups=groups,
    )


def _is_utf8(data: bytes, start: int, end: int) -> bool:
    """Whether a stretch is UTF-8, in strings that the parser passes over too."""
    try:
        data[start:end].decode()
    except UnicodeDecodeError:
        return False
    return True


def _may_be_deep(
    data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> bool:
    """Whether any line holds so many brackets that it might nest too deep."""
    opening = (data | np.uint8(ord("[") ^ ord("{"))) == ord("{")
    if np.count_nonzero(opening) - len(starts) < MAX_DEPTH:  # every line has one
        return False
    places = np.flatnonzero(opening)
    shortest = (places[MAX_DEPTH:] - places[:-MAX_DEPTH]).min()
    return bool(shortest < (ends - starts).max())


def _parse_lines(
    chunk: LineChunk, start: int, end: int, parser: RowParser, options: ReadOptions
) -> RowBatch:
    lines = chunk.data[start:end].split(b"\n")
    if not lines[-1]:
        lines.pop()
    lengths = np.fromiter(map(len, lines), np.int64, len(lines)) + 1
    positions = np.cumsum(lengths) - lengths + start
    offsets = positions + chunk.offset
    cut_short: set[int] = set()
    for at, n_bytes in chunk.dropped:
        offsets[positions >= at] += n_bytes
        if start < at <= end:
            cut_short.add(int(np.searchsorted(positions, at, side="right")) - 1)
    texts: list[bytes] = []
    accepted: list[int] = []
    groups: list[str | None] = []
    rejects: dict[int, tuple[Reason, bytes]] = {}
    blank: list[int] = []
    parse = parser.parse if _is_utf8(chunk.data, start, end) else parser.parse_slowly
    for i, line in enumerate(lines):
        try:
            if len(line) > options.max_row_bytes or i in cut_short:
                raise RowError(Reason.TOO_LONG)
            text, group = parse(line)
        except RowError as error:
            # A line cut short may have been anything past its head, so it is never blank.
            if error.reason != Reason.TOO_LONG and (line.isspace() or not line):
                blank.append(i)
            else:
                rejects[i] = (error.reason, line[:SNIPPET_BYTES])
            continue
        texts.append(text.encode())
        accepted.append(i)
        groups.append(group)
    kept = np.array(accepted, np.int64)
    if blank:
        moved = np.arange(len(lines)) - np.searchsorted(np.array(blank), np.arange(len(lines)))
        offsets = np.delete(offsets, blank)
        kept = moved[kept]
        rejects = {int(moved[i]): reject for i, reject in rejects.items()}
    return RowBatch(
        offsets=offsets,
        texts=TextBatch.from_encoded(texts),
        accepted=kept,
        rejects=rejects,
        groups=groups if options.group_field is not None else [],
    )
