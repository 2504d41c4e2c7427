"""The rows of a CSV or TSV stream → chunks of whole rows.

Since a newline in quotes ends no row, one process cuts the stream from its beginning. As for
JSONL, chunk i holds the rows that *begin* in its i-th ``CHUNK_BYTES``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zipsel.errors import ShardError
from zipsel.readers.csv_rows import RawRow, RowStream
from zipsel.readers.rows import Reason, TextSpec
from zipsel.texts import CHUNK_BYTES


@dataclass(frozen=True)
class CsvChunk:
    """Whole rows of a stream.

    Attributes:
        index: Which chunk of the shard, from 0.
        header: Names of the columns.
        delimiter: Between fields, one byte.
        data: The rows end to end, blank ones left out.
        ends: Where each ends in ``data``, int64 ``(n_rows,)``.
        offsets: Where each begins in the stream, int64 ``(n_rows,)``.
        refused: Position of a row of which only the beginning is here → why.
        final: Whether nothing follows.
    """

    index: int
    header: tuple[str, ...]
    delimiter: bytes
    data: bytes
    ends: NDArray[np.int64]
    offsets: NDArray[np.int64]
    refused: dict[int, Reason] = field(default_factory=dict)
    final: bool = False

    @property
    def offset(self) -> int:
        """Where its first row begins in the stream."""
        return int(self.offsets[0]) if len(self.offsets) else 0


def check_header(header: tuple[str, ...], path: str, spec: TextSpec) -> None:
    """Raise unless the text's columns exist, and every column has a name of its own.

    Raises:
        ShardError: Naming the columns that there are.
    """
    shown = ", ".join(header) or "none"
    double = [name for name in header if header.count(name) > 1]
    if double:
        raise ShardError(
            path, f"has {header.count(double[0])} columns named {double[0]!r}; name each its own"
        )
    if spec.kind == "chat":
        raise ShardError(path, f"holds no chats, only texts; its columns are {shown}")
    for name in spec.paths:
        if "." in name:
            raise ShardError(
                path, f"has no columns inside columns, as {name!r} asks for; it has {shown}"
            )
        if name not in header:
            raise ShardError(path, f"has no column {name!r}; it has {shown}")


def cut_rows(rows: RowStream, *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[CsvChunk]:
    """Cut a stream into chunks of whole rows.

    Yields:
        Chunks in order, empty ones too where one row spans several; the last is ``final``.

    Raises:
        ShardError: As the stream.
    """
    index = 0
    held: list[RawRow] = []
    for row in rows:
        while row.offset >= (index + 1) * chunk_bytes:
            yield _join(rows, index, held, final=False)
            index, held = index + 1, []
        held.append(row)
    yield _join(rows, index, held, final=True)


def _join(rows: RowStream, index: int, held: list[RawRow], *, final: bool) -> CsvChunk:
    lengths = np.fromiter((len(row.data) for row in held), np.int64, len(held))
    return CsvChunk(
        index,
        rows.header,
        rows.delimiter,
        b"".join(row.data for row in held),
        np.cumsum(lengths),
        np.fromiter((row.offset for row in held), np.int64, len(held)),
        {i: row.refused for i, row in enumerate(held) if row.refused is not None},
        final,
    )
