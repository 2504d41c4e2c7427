"""CSV and TSV: a byte stream → its header and its rows, one held at a time.

Quoting is RFC 4180's as ``pyarrow.csv`` reads it: a quote counts at the beginning of a field alone,
is written twice inside quotes, and what follows the closing one belongs to the field; a newline
inside quotes ends no row. A row over the limit is passed over without being held. A quote that is
never closed makes everything after it one row: that is damage, and no row.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from zipsel.errors import ShardError
from zipsel.readers.lines import BOM
from zipsel.readers.rows import SNIPPET_BYTES, Reason

DELIMITERS = {"csv": b",", "tsv": b"\t"}

#: pyarrow.csv counts the bytes of a block in 32 bits.
_MAX_ROW_BYTES = 1 << 30


@dataclass(frozen=True)
class RawRow:
    """A row as it stands in the stream.

    Attributes:
        offset: Where it begins.
        data: Its bytes with their line ending; the first few of a refused row.
        refused: Why it is, if it is.
    """

    offset: int
    data: bytes
    refused: Reason | None = None


def row_pattern(delimiter: bytes, *, at_end: bool = False) -> re.Pattern[bytes]:
    """Matches one row and its line ending, which at the end of a stream may be missing."""
    plain = rb"[^%s\r\n]*+" % re.escape(delimiter)
    one = rb'(?:"(?:[^"]++|"")*+"%s|(?!")%s)' % (plain, plain)
    ending = rb"(?:\r\n?|\n|\Z)" if at_end else rb"(?:\r\n?|\n)"
    return re.compile(one + rb"(?:" + re.escape(delimiter) + one + rb")*+" + ending)


_QUOTED = re.compile(rb'(?:[^"]++|"")*+')


class _LongRow:
    """Finds the end of a row that is not held; see ``feed``."""

    def __init__(self, delimiter: bytes) -> None:
        self.quoted = False
        self._at_start = True
        self._held = b""
        self._special = re.compile(rb"[%s\r\n]" % re.escape(delimiter))

    def feed(self, data: bytes) -> int:
        """Bytes of ``data`` that belong to the row, or -1 if all do and it goes on."""
        n_held = len(self._held)
        data, self._held = self._held + data, b""
        position = 0
        while position < len(data):
            if self.quoted:
                found = _QUOTED.match(data, position)
                position = found.end() if found else position
                if position == len(data) - 1:  # a quote: perhaps the first of two
                    self._held = data[position:]
                    return -1
                self.quoted = position == len(data)
                position += 1
            elif self._at_start and data[position] == ord('"'):
                self.quoted, self._at_start = True, False
                position += 1
            else:
                special = self._special.search(data, position)
                if special is None:
                    self._at_start = False
                    return -1
                if special.group() in b"\r\n":
                    return special.end() - n_held
                self._at_start = True
                position = special.end()
        return -1

    @property
    def is_open(self) -> bool:
        """Whether a stream that ends here ends inside quotes."""
        return self.quoted and not self._held


class RowStream:
    """The rows of a stream, one by one, held one at a time.

    Args:
        pieces: The bytes.
        path: The shard, for messages.
        format_name: ``csv`` or ``tsv``.
        max_row_bytes: Longer rows are refused.
        damage: To salvage: has, or takes, what ended the stream; the row that it ended in is
            refused then.
    """

    def __init__(
        self,
        pieces: Iterable[bytes],
        path: str,
        format_name: str,
        max_row_bytes: int,
        damage: list[str] | None = None,
    ) -> None:
        self.delimiter = DELIMITERS[format_name]
        self._pieces = iter(pieces)
        self._path = path
        self._limit = min(max_row_bytes, _MAX_ROW_BYTES)
        self._damage = damage
        self._held = next(self._pieces, b"")
        while len(self._held) < len(BOM) and (piece := next(self._pieces, b"")):
            self._held += piece
        self._start = 0
        if self._held.startswith(BOM):
            self._held, self._start = self._held[len(BOM) :], len(BOM)
        self._n_rows = 0
        self._rows = self._iter_rows()
        self.header = self._read_header()

    def __iter__(self) -> Iterator[RawRow]:
        """The rows below the header; blank lines are none.

        Raises:
            ShardError: If a quote is never closed and that is not to be salvaged.
        """
        return self._rows

    def _read_header(self) -> tuple[str, ...]:
        row = next(self._rows, None)
        self._n_rows = 0
        if row is None:
            raise ShardError(self._path, "is empty, without a header row that names its columns")
        if row.refused is not None:
            raise ShardError(self._path, f"its header row is refused: {row.refused}")
        try:
            text = row.data.decode()
        except UnicodeDecodeError:
            raise ShardError(self._path, "its header row is no UTF-8; convert the file") from None
        lines = io.StringIO(text, newline="")
        try:
            return tuple(next(csv.reader(lines, delimiter=self.delimiter.decode())))
        except csv.Error as error:
            raise ShardError(self._path, f"its header row is refused: {error}") from None

    def _iter_rows(self) -> Iterator[RawRow]:
        match = row_pattern(self.delimiter).match
        while True:
            position = 0
            while found := match(self._held, position):
                yield from self._finish(position, found.end())
                position = found.end()
            self._held, self._start = self._held[position:], self._start + position
            if len(self._held) > self._limit:
                yield from self._pass_over()
            elif not self._read_on():
                break
        yield from self._iter_last()

    def _read_on(self) -> bool:
        """Read at least as much as is held, so that a long row is looked at a few times only."""
        wanted, pieces = len(self._held), []
        n_bytes = 0
        for piece in self._pieces:
            pieces.append(piece)
            n_bytes += len(piece)
            if n_bytes >= wanted:
                break
        self._held = b"".join([self._held, *pieces])
        return bool(pieces)

    def _finish(self, start: int, end: int) -> Iterator[RawRow]:
        data = self._held[start:end]
        if data in (b"\n", b"\r\n", b"\r"):
            return
        refused = None
        if end - start > self._limit and len(data.rstrip(b"\r\n")) > self._limit:
            data, refused = data[:SNIPPET_BYTES], Reason.TOO_LONG
        self._n_rows += 1
        yield RawRow(self._start + start, data, refused)

    def _iter_last(self) -> Iterator[RawRow]:
        """The rows of what is held where the stream ends."""
        match = row_pattern(self.delimiter, at_end=not self._damage).match
        position = 0
        while position < len(self._held):
            found = match(self._held, position)
            if found is None:
                yield self._cut_off(self._start + position, self._held[position:])
                return
            yield from self._finish(position, found.end())
            position = found.end()

    def _pass_over(self) -> Iterator[RawRow]:
        row = RawRow(self._start, self._held[:SNIPPET_BYTES], Reason.TOO_LONG)
        long_row = _LongRow(self.delimiter)
        while (end := long_row.feed(self._held)) < 0:
            self._start += len(self._held)
            self._held = next(self._pieces, b"")
            if not self._held:
                break
        if end < 0 and long_row.is_open:
            yield self._cut_off(row.offset, row.data)
            return
        self._held, self._start = self._held[max(0, end) :], self._start + max(0, end)
        self._n_rows += 1
        yield row

    def _cut_off(self, offset: int, data: bytes) -> RawRow:
        """The row that the end of the stream cuts off.

        Raises:
            ShardError: If it is not to be salvaged.
        """
        if not self._damage:
            problem = (
                f"row {self._n_rows} (byte {offset}): a quote is opened and never closed; "
                'a quote inside quotes is written twice: ""'
            )
            if self._damage is None:
                raise ShardError(self._path, problem)
            self._damage.append(problem)
        self._n_rows += 1
        return RawRow(offset, data[:SNIPPET_BYTES], Reason.TRUNCATED)
