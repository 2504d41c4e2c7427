"""JSONL: chunks of whole lines → batches of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard, open_raw
from zipsel.readers.decompress import open_pieces
from zipsel.readers.json_rows import MAX_DEPTH, RowParser, is_too_deep
from zipsel.readers.lines import BOM, LineChunk, cut_lines, read_chunk
from zipsel.readers.reading import Reading
from zipsel.readers.rows import SNIPPET_BYTES, Chunk, Lines, Reason, RowBatch, RowError, Taken
from zipsel.storage.remote import is_remote
from zipsel.texts import BATCH_BYTES, TextBatch

#: Of a file behind a URL, what is asked for where a single line begins.
_LINE_RANGE_BYTES = 1 << 14


def iter_rows(chunk: LineChunk, parser: RowParser, reading: Reading) -> Iterator[RowBatch]:
    """Parse a chunk's lines, about ``BATCH_BYTES`` at a time.

    Blank lines are no rows. Carriage returns before the newline and a byte-order mark at the
    stream's beginning are ignored.
    """
    data, position = chunk.data, 0
    if chunk.offset == 0 and data.startswith(BOM):
        position = len(BOM)
    while position < len(data):
        end = data.rfind(b"\n", position, position + BATCH_BYTES) + 1
        if end == 0:
            end = data.find(b"\n", position) + 1 or len(data)
        uniform = _parse_uniform(chunk, position, end, parser, reading)
        yield uniform or _parse_lines(chunk, position, end, parser, reading)
        position = end


def _parse_uniform(
    chunk: LineChunk, start: int, end: int, parser: RowParser, reading: Reading
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
    if (ends - starts).max() > reading.max_row_bytes:
        return None
    lines = memoryview(chunk.data)[start:end]
    if not _is_utf8(lines):
        return None
    parsed = parser.parse_lines(lines, len(ends))
    if parsed is None:
        return None
    texts = TextBatch.from_texts(parsed[0])
    if _is_any_deep(lines, starts, ends, texts):
        return None
    return RowBatch(
        offsets=starts + start + chunk.offset,
        texts=texts,
        accepted=np.arange(len(texts)),
        rejects={},
        groups=parsed[1],
        lines=Lines(chunk.data, starts + start, ends + start),
    )


def _is_utf8(data: memoryview) -> bool:
    """Whether a stretch is UTF-8, in strings that the parser passes over too."""
    import pyarrow as pa

    buffers = [None, pa.py_buffer(np.array([0, len(data)])), pa.py_buffer(data)]
    try:
        pa.Array.from_buffers(pa.large_string(), 1, buffers).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _is_any_deep(
    data: memoryview, starts: NDArray[np.int64], ends: NDArray[np.int64], texts: TextBatch
) -> bool:
    """Whether any line nests too deep: only one with enough bytes beside its text can."""
    beside = ends - starts - texts.n_bytes
    return any(
        is_too_deep(bytes(data[starts[i] : ends[i]])) for i in np.flatnonzero(beside > MAX_DEPTH)
    )


def _parse_lines(
    chunk: LineChunk, start: int, end: int, parser: RowParser, reading: Reading
) -> RowBatch:
    """Parse lines one by one; a line over the limit is refused even if what is left is blank."""
    n_dropped = dict(chunk.dropped)
    offset = chunk.offset + sum(n_bytes for at, n_bytes in chunk.dropped if at <= start)
    parse = parser.parse if _is_utf8(memoryview(chunk.data)[start:end]) else parser.parse_slowly
    places: list[tuple[int, int, int]] = []  # of each row: offset, first byte, last byte
    found: list[tuple[int, str, str | None]] = []  # of each accepted row: number, text, group
    rejects: dict[int, tuple[Reason, bytes]] = {}
    fields = ""
    position = start
    taken = Taken()
    for line in chunk.data[start:end].split(b"\n"):
        line_end = position + len(line)
        is_long = len(line) > reading.max_row_bytes or line_end in n_dropped
        if is_long or (line and not line.isspace()):
            try:
                if is_long:
                    raise RowError(Reason.TOO_LONG)
                found.append((len(places), *parse(line, taken)))
            except RowError as error:
                rejects[len(places)] = (error.reason, line[:SNIPPET_BYTES])
                fields = fields or error.found
            places.append((offset + position, position, line_end))
        offset += n_dropped.get(line_end, 0)
        position = line_end + 1
    offsets, starts, ends = np.array(places, np.int64).reshape(-1, 3).T
    return RowBatch(
        offsets=offsets,
        texts=TextBatch.from_encoded([text.encode() for _, text, _ in found]),
        accepted=np.array([i for i, _, _ in found], np.int64),
        rejects=rejects,
        groups=[group for _, _, group in found] if reading.group_field is not None else [],
        lines=Lines(chunk.data, starts, ends),
        found=fields,
        taken=taken,
    )


_parser_of = lru_cache(maxsize=4)(RowParser)


class _JsonLines:
    """Reads JSONL; see ``zipsel.readers.Reader``. A plain file is cut at bytes, by seeking."""

    def plan(
        self, shard: Shard, reading: Reading, chunk_bytes: int, *, salvage: bool = False
    ) -> list[Chunk] | None:
        """Chunks of a plain file; None for a compressed one."""
        if not shard.seekable:
            return None
        count = max(1, -(-shard.n_bytes // chunk_bytes))  # one, empty, for an empty file
        return [
            Chunk(i, f"rows from byte {i * chunk_bytes}", chunk_bytes, final=i == count - 1)
            for i in range(count)
        ]

    def cut(
        self,
        shard: Shard,
        reading: Reading,
        chunk_bytes: int,
        *,
        stretch_bytes: int | None = None,
        salvage: bool = False,
    ) -> Iterator[Chunk]:
        """Yield the lines of a stream, chunk by chunk."""
        damage: list[str] = []
        # Without stretches only the beginning may be asked for; salvage keeps every piece it gets.
        at_once = stretch_bytes is not None and not salvage
        with open_pieces(shard, reading, damage if salvage else None, at_once=at_once) as pieces:
            for lines in cut_lines(
                pieces,
                reading.max_row_bytes,
                chunk_bytes=chunk_bytes,
                stretch_bytes=stretch_bytes,
            ):
                yield Chunk(
                    lines.index,
                    f"rows from byte {lines.offset} to {lines.offset + len(lines.data)}",
                    lines,
                    lines.final,
                    "".join(damage),
                )

    def read(
        self, shard: Shard, chunk: Chunk, reading: Reading, *, salvage: bool = False
    ) -> Iterator[RowBatch]:
        """Yield the rows of a chunk; of a plain file in stretches, which bounds memory."""
        parser = _parser_of(reading.text, reading.group_field)
        if isinstance(chunk.place, LineChunk):
            yield from iter_rows(chunk.place, parser, reading)
            return
        with open_raw(shard, end=(chunk.index + 1) * chunk.place) as file:
            for stretch in read_chunk(
                file,
                chunk.index,
                reading.max_row_bytes,
                n_bytes=shard.n_bytes,
                chunk_bytes=chunk.place,
            ):
                yield from iter_rows(stretch, parser, reading)

    def take(self, shard: Shard, places: NDArray[Any], reading: Reading) -> Iterator[bytes]:
        """Yield the lines that begin at ascending byte offsets, without their newlines.

        Damage behind the last wanted line is ignored: pass one has reported it.
        """
        if shard.seekable:
            for stretch in _stretches(shard, places):
                end = int(stretch[-1]) + 1
                with open_raw(shard, end=end, first_range=_LINE_RANGE_BYTES) as file:
                    for offset in stretch.tolist():
                        file.seek(offset)
                        yield _clean(file.readline(), offset)
            return
        damage: list[str] = []
        n_lines = 0
        with open_pieces(shard, reading, damage, at_once=True) as pieces:
            for line in _lines_at(pieces, map(int, places)):
                yield line
                n_lines += 1
        if n_lines < len(places):
            problem = damage[0] if damage else "ends before a row that was scored"
            raise ShardError(shard.path, problem)

    def check(self, shard: Shard, reading: Reading) -> None:
        """Every line speaks for itself."""


def _stretches(shard: Shard, places: NDArray[Any]) -> list[NDArray[Any]]:
    """Places of lines that are read together: of a file behind a URL, lines near each other."""
    if len(places) == 0:
        return []
    if not is_remote(shard.path):
        return [places]
    return np.split(places, np.flatnonzero(np.diff(places) > _LINE_RANGE_BYTES) + 1)


def _lines_at(pieces: Iterator[bytes], offsets: Iterable[int]) -> Iterator[bytes]:
    """Yield the lines that begin at ascending offsets; each byte of a line is copied once."""
    held, start = b"", 0
    for offset in offsets:
        while start + len(held) <= offset:
            start += len(held)
            held = next(pieces, b"")
            if not held:
                return
        position = offset - start
        line: list[bytes] = []
        while (newline := held.find(b"\n", position)) < 0:
            line.append(held[position:])
            start, position = start + len(held), 0
            held = next(pieces, b"")
            if not held:
                break
        else:
            line.append(held[position:newline])
        yield _clean(b"".join(line), offset)


def _clean(line: bytes, offset: int) -> bytes:
    line = line.removesuffix(b"\n")
    return line.removeprefix(BOM) if offset == 0 else line


READER = _JsonLines()
