"""CSV and TSV: header and rows of a stream, cut from its beginning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from zipsel.pool.shards import Shard
from zipsel.readers import csv_chunks, csv_columns
from zipsel.readers.csv_rows import RowStream
from zipsel.readers.decompress import open_pieces
from zipsel.readers.rows import Chunk, Reading, RowBatch


class _Csv:
    """Reads CSV and TSV; see ``zipsel.readers.Reader``."""

    def plan(self, shard: Shard, reading: Reading, chunk_bytes: int, **_: Any) -> None:
        """None: where quotes begin is known only from the beginning on."""
        return None

    def cut(
        self,
        shard: Shard,
        reading: Reading,
        chunk_bytes: int,
        *,
        stretch_bytes: int | None = None,
        salvage: bool = False,
    ) -> Iterator[Chunk]:
        """Yield the rows of the stream, chunk by chunk."""
        damage: list[str] | None = [] if salvage else None
        with open_pieces(shard, reading, damage) as pieces:
            rows = RowStream(pieces, shard.path, shard.format, reading.max_row_bytes, damage)
            csv_chunks.check_header(rows.header, shard.path, reading.text)
            for chunk in csv_chunks.cut_rows(rows, chunk_bytes=chunk_bytes):
                where = f"rows from byte {chunk.offset}"
                yield Chunk(chunk.index, where, chunk, chunk.final, damage="".join(damage or ()))

    def read(self, shard: Shard, chunk: Chunk, reading: Reading, **_: Any) -> Iterator[RowBatch]:
        """Yield the rows of a chunk."""
        return csv_columns.iter_rows(chunk.place, reading)

    def take(self, shard: Shard, places: NDArray[Any], reading: Reading) -> Iterator[bytes]:
        """Yield rows by their byte offsets, as JSON objects of strings."""
        return csv_columns.iter_objects(shard, places, reading)

    def check(self, shard: Shard, reading: Reading) -> None:
        """Read the header and the first row."""
        next(self.cut(shard, reading, 1), None)


READER = _Csv()
