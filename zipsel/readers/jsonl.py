"""JSONL: chunks of whole lines → batches of rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from zipsel.readers.json_rows import MAX_DEPTH, RowParser, is_too_deep
from zipsel.readers.lines import BOM, LineChunk
from zipsel.readers.rows import SNIPPET_BYTES, Lines, Reading, Reason, RowBatch, RowError
from zipsel.texts import BATCH_BYTES, TextBatch


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
    lines = chunk.data[start:end].split(b"\n")
    if not lines[-1]:
        lines.pop()
    lengths = np.fromiter(map(len, lines), np.int64, len(lines))
    positions = np.cumsum(lengths + 1) - lengths - 1 + start
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
    parse = parser.parse if _is_utf8(memoryview(chunk.data)[start:end]) else parser.parse_slowly
    for i, line in enumerate(lines):
        try:
            if len(line) > reading.max_row_bytes or i in cut_short:
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
        offsets, positions, lengths = (
            np.delete(of_lines, blank) for of_lines in (offsets, positions, lengths)
        )
        kept = moved[kept]
        rejects = {int(moved[i]): reject for i, reject in rejects.items()}
    return RowBatch(
        offsets=offsets,
        texts=TextBatch.from_encoded(texts),
        accepted=kept,
        rejects=rejects,
        groups=groups if reading.group_field is not None else [],
        lines=Lines(chunk.data, positions, positions + lengths),
    )
