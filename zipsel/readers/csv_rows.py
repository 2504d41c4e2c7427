"""CSV and TSV: a byte stream → its header, and pieces of whole rows.

Quoting is RFC 4180's: a quote mark counts at the beginning of a field alone, is written twice
inside quotes, and a newline inside quotes ends no row. ``pyarrow.csv`` accepts more, text after a
closing quote mark: a text that merely begins with a quote mark would silently swallow all rows up
to the next one. That is refused here, with the option that takes quote marks for text.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from zipsel.errors import ShardError
from zipsel.pool.heads import wide_encoding
from zipsel.readers.lines import BOM
from zipsel.readers.reading import Reading
from zipsel.readers.rows import SNIPPET_BYTES
from zipsel.texts import BATCH_BYTES

#: A row over the row limit is read, to be refused as a row; one longer by so much is taken
#: for a quote mark that is never closed.
_SPARE_BYTES = 16 << 20

#: Excel's first line that names the delimiter.
_SEP_LINE = re.compile(rb"sep=(.)\r?\n", re.IGNORECASE)

_NO_QUOTES = "if quote marks are plain text here, say so: --no-quotes"
_DELIMITERS = (",", "\t", ";", "|")


@dataclass(frozen=True)
class Piece:
    """Whole rows of a stream with their line endings, and the chunk that they are in."""

    data: bytes
    chunk: int


class _Grammar:
    """What rows look like."""

    def __init__(self, delimiter: bytes, quotes: bool) -> None:
        plain = rb"[^%s\r\n]*+" % re.escape(delimiter)
        field = rb'(?:"(?:[^"]++|"")*+"|(?!")%s)' % plain if quotes else plain
        fields = rb"%s(?:%s%s)*+" % (field, re.escape(delimiter), field)
        row = fields + rb"(?:\r\n?|\n)"
        self.row = re.compile(row)
        self.rows = re.compile(rb"(?:%s)*+" % row)
        self.fields = re.compile(fields)
        unfinished = rb"(?:%s%s)*+" % (field, re.escape(delimiter))
        self.unfinished = re.compile(unfinished + rb'(?:"(?:[^"]++|"")*+"?+|%s)' % plain)


class CsvStream:
    """The header of a stream, and its rows in pieces.

    Args:
        pieces: The decompressed bytes.
        path: The shard, for messages.
        delimiter: Between fields, where neither the file nor the user says otherwise.
        reading: How rows become texts.

    Raises:
        ShardError: If there is no header, or none that can be read.
    """

    def __init__(
        self, pieces: Iterable[bytes], path: str, delimiter: str, reading: Reading
    ) -> None:
        self._path = path
        self._limit = reading.max_row_bytes + _SPARE_BYTES
        self._pieces = _to_utf8(iter(pieces), path, reading.encoding)
        self._held = b""
        self._n_lines = 0
        self._read_on(BATCH_BYTES)
        self._start = 0
        self._drop(self._held.startswith(BOM) * len(BOM))
        separator = _SEP_LINE.match(self._held)
        if separator is not None:
            self._drop(separator.end())
            delimiter = separator[1].decode("latin-1")
        self.delimiter = reading.delimiter or delimiter
        self.quotes = reading.quotes
        self._grammar = _Grammar(self.delimiter.encode(), reading.quotes)
        self.header = self._read_header()

    def _drop(self, n_bytes: int) -> bytes:
        data, self._held = self._held[:n_bytes], self._held[n_bytes:]
        self._start += n_bytes
        self._n_lines += data.count(b"\n")
        return data

    def _read_on(self, n_bytes: int) -> bool:
        """Hold so many bytes more, if there are so many."""
        gathered = [self._held]
        for piece in self._pieces:
            gathered.append(piece)
            n_bytes -= len(piece)
            if n_bytes <= 0:
                break
        self._held = b"".join(gathered)
        return len(gathered) > 1

    def _read_header(self) -> tuple[str, ...]:
        encoding = wide_encoding(self._held)
        if encoding or b"\0" in self._held[:SNIPPET_BYTES]:
            encoding = encoding or "UTF-16"
            remedy = f"read it with --encoding {encoding.lower()}"
            raise ShardError(self._path, f"holds {encoding} text; {remedy}")
        at_end = False
        while (row := self._grammar.row.match(self._held)) is None or row[0].isspace():
            if row is not None:
                self._drop(row.end())
                continue
            if at_end and not self._held:
                problem = "is empty, without a header row that names its columns"
                raise ShardError(self._path, problem)
            self._check_rest(at_end)
            at_end = not self._read_on(max(BATCH_BYTES, len(self._held)))
            self._held += b"\n" if at_end and self._held else b""
        try:
            text = self._drop(row.end()).decode()
        except UnicodeDecodeError:
            raise ShardError(
                self._path,
                "its header row is no UTF-8; name its encoding, such as --encoding cp1252",
            ) from None
        return self._split(text)

    def _split(self, row: str) -> tuple[str, ...]:
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE
        lines = io.StringIO(row, newline="")
        try:
            return tuple(next(csv.reader(lines, delimiter=self.delimiter, quoting=quoting)))
        except csv.Error as error:
            raise ShardError(self._path, f"its header row is refused: {error}") from None

    def other_delimiter(self, name: str) -> str | None:
        """The delimiter by which one lone column would be several, ``name`` among them."""
        if len(self.header) > 1:
            return None
        return next((d for d in _DELIMITERS if name in self.header[0].split(d)), None)

    def iter_pieces(self, chunk_bytes: int) -> Iterator[Piece]:
        """Yield the rows below the header, about ``BATCH_BYTES`` at a time, in order.

        Chunk i has the rows that end in the i-th ``chunk_bytes`` of the stream. Every chunk has a
        piece, some of no rows.

        Raises:
            ShardError: If text follows a closing quote mark, a quote mark is never closed, or a
                row is far longer than the row limit.
        """
        chunk, at_end = 0, False
        while True:
            boundary = (chunk + 1) * chunk_bytes - self._start
            data = self._take_rows(boundary)
            yield Piece(data, chunk)
            if boundary <= len(data) + len(self._held):
                chunk += 1
            elif at_end:
                break
            else:
                self._check_rest()
                if not self._read_on(max(BATCH_BYTES, len(self._held))):
                    at_end = True
                    self._held += b"\n" if self._held else b""
        if self._held:
            self._check_rest(at_end=True)

    def _take_rows(self, boundary: int) -> bytes:
        """The whole rows that end before a byte of the buffer."""
        found = self._grammar.rows.match(self._held, 0, max(0, boundary))
        end = found.end() if found else 0
        if end > self._limit and any(self.long_rows(self._held[:end], self._limit)):
            raise self._too_long()
        return self._drop(end)

    def _check_rest(self, at_end: bool = False) -> None:
        """Raise unless the buffer may become a row with more bytes."""
        rest, line = self._held, self._n_lines + 1
        if self._grammar.unfinished.fullmatch(rest):
            if at_end or len(rest) > self._limit:
                raise self._too_long()
            return
        found = self._grammar.fields.match(rest)
        end = found.end() if found else 0
        last_line = line + rest.count(b"\n", 0, end)
        shown = rest[end : end + SNIPPET_BYTES // 4].decode(errors="replace")
        raise ShardError(
            self._path,
            f"line {line}: a quoted field ends in line {last_line} and {shown!r} follows; inside "
            f'quotes a quote mark is written twice: ""; {_NO_QUOTES}',
        )

    def _too_long(self) -> ShardError:
        problem = "a quote mark is opened and never closed"
        if len(self._held) > self._limit:
            problem += f", or a row has more than {self._limit:,} bytes: --max-row-bytes"
        return ShardError(self._path, f"line {self._n_lines + 1}: {problem}; {_NO_QUOTES}")

    def long_rows(self, data: bytes, limit: int) -> Iterator[tuple[int, int]]:
        """Yield ``(row, start)`` of rows over the limit in whole rows; blank lines are no rows."""
        position = n_rows = 0
        while found := self._grammar.row.match(data, position):
            n_bytes = len(found[0].rstrip(b"\r\n"))
            if n_bytes > limit:
                yield n_rows, position
            n_rows += n_bytes > 0
            position = found.end()


def _to_utf8(pieces: Iterator[bytes], path: str, encoding: str) -> Iterator[bytes]:
    """Bytes of another encoding as UTF-8; what cannot be decoded becomes what is no UTF-8."""
    if encoding == "utf-8":
        yield from pieces
        return
    try:
        decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        for piece in pieces:
            yield decoder.decode(piece).encode(errors="surrogatepass")
        yield decoder.decode(b"", True).encode(errors="surrogatepass")
    except UnicodeError as error:
        raise ShardError(path, f"is not {encoding} text: {error}; see --encoding") from None
