"""Standard input: JSONL, plain or compressed, read once and by one option.

A pipe has no suffix, so its first bytes say what it carries. gzip and zstd are decompressed as
they come; everything else that is not JSONL is refused with the command that converts it.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator
from functools import cache
from typing import BinaryIO, cast

from zipsel.errors import UsageError
from zipsel.pool.formats import COMPRESSIONS
from zipsel.readers.decompress import iter_pieces
from zipsel.readers.json_rows import RowParser
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import iter_whole_lines
from zipsel.readers.reading import Reading
from zipsel.readers.rows import RowBatch

#: How messages call it.
STDIN_NAME = "standard input"

#: The longest magic number below.
_HEAD_BYTES = 6

_READ_BYTES = 1 << 20

_UTF32 = ("UTF-32 text", "convert it: iconv -f UTF-32 -t UTF-8 FILE | zipsel ... -")

#: First bytes → what they are of, and what to do; a mark that begins another one comes after it.
_FOREIGN = {
    b"BZh": ("bzip2 data", "decompress them: bzip2 -dc FILE | zipsel ... -"),
    b"\xfd7zXZ": ("xz data", "decompress them: xz -dc FILE | zipsel ... -"),
    b"\x04\x22\x4d\x18": ("lz4 data", "decompress them: lz4 -dc FILE | zipsel ... -"),
    b"PK\x03\x04": ("a zip archive", "unpack it: unzip -p FILE | zipsel ... -"),
    b"PAR1": ("a Parquet file", "name the file in place of -"),
    b"ARROW1": ("an Arrow file", "name the file in place of -"),
    b"\xff\xff\xff\xff": ("an Arrow stream", "save it as a file that ends in .arrow and name that"),
    codecs.BOM_UTF32_LE: _UTF32,
    codecs.BOM_UTF32_BE: _UTF32,
    b"\xff\xfe": ("UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8 FILE | zipsel ... -"),
    b"\xfe\xff": ("UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8 FILE | zipsel ... -"),
    b"[": ("one JSON array", "write one object a line: jq -c '.[]' FILE | zipsel ... -"),
}


class Stdin:
    """Standard input, its first bytes looked at.

    Attributes:
        compression: ``gz``, ``zst`` or empty.
        is_empty: Whether it ended before its first byte.

    Raises:
        UsageError: If it is closed, or carries something that is not read.
    """

    def __init__(self) -> None:
        self._descriptor = _descriptor()
        head = b""
        while len(head) < _HEAD_BYTES and b"\n" not in head:  # a pipe gives what it has
            try:
                piece = os.read(self._descriptor, _READ_BYTES)
            except OSError as error:
                raise UsageError(f"{STDIN_NAME} cannot be read: {error.strerror}") from None
            if not piece:
                break
            head += piece
        self._head = head
        self.is_empty = not head
        self.compression = _compression_of(head)

    def read(self, n_bytes: int) -> bytes:
        """Return up to ``n_bytes`` bytes as soon as any are there; none at the end."""
        if self._head:
            piece, self._head = self._head[:n_bytes], self._head[n_bytes:]
            return piece
        return os.read(self._descriptor, n_bytes)

    def iter_pieces(self, *, zstd_long: bool = False) -> Iterator[bytes]:
        """Yield decompressed bytes as soon as they are there.

        Raises:
            ShardError: If reading fails, or compressed data are corrupt or end early.
        """
        return iter_pieces(cast(BinaryIO, self), STDIN_NAME, self.compression, zstd_long=zstd_long)


def iter_stdin_rows(reading: Reading) -> Iterator[RowBatch]:
    """Yield the rows of standard input in order, in bounded batches."""
    parser = RowParser(reading.text)
    pieces = Stdin().iter_pieces(zstd_long=reading.zstd_long)
    for chunk in iter_whole_lines(pieces, reading.max_row_bytes):
        yield from iter_rows(chunk, parser, reading)


@cache
def read_stdin() -> bytes:
    """All of standard input, decompressed; kept, since a run may ask for its target again."""
    return b"".join(Stdin().iter_pieces(zstd_long=True))


def read_text_of_stdin() -> str:
    """Standard input as one plain text.

    Raises:
        UsageError: If it is closed, has no text, or is no UTF-8.
    """
    _descriptor()
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{STDIN_NAME} is no UTF-8 text (byte {error.start}); "
            "convert it: iconv -f UTF-16 -t UTF-8, or from what encoding it is in"
        ) from None
    if not text.strip():
        raise UsageError(f"{STDIN_NAME} has no text")
    return text


def _descriptor() -> int:
    """The file descriptor of standard input.

    Raises:
        UsageError: If the program was started without one.
    """
    if sys.stdin is None:
        raise UsageError(
            "standard input is closed, as cron and some services do; name a file in place of -, "
            "or redirect one: zipsel ... - < pool.jsonl"
        )
    return sys.stdin.fileno()


def _compression_of(head: bytes) -> str:
    """The compression that the first bytes are of; empty for plain text.

    Raises:
        UsageError: If they are of something that is not read.
    """
    for compression in COMPRESSIONS:
        if head.startswith(compression.magic):
            return compression.name
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    for magic, (found, remedy) in _FOREIGN.items():
        if head.startswith(magic) or text[:1] == b"[" == magic:
            raise UsageError(f"{STDIN_NAME} carries {found} where JSONL is read; {remedy}")
    return ""
