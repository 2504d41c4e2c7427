"""Shards of text, JSONL or CSV: a stream of bytes → chunks of whole rows → batches of rows."""

from __future__ import annotations

from collections.abc import Iterator

from zipsel.pool.shards import Shard
from zipsel.readers import csv_chunks, csv_rows, jsonl
from zipsel.readers.csv_chunks import CsvChunk
from zipsel.readers.json_rows import RowParser
from zipsel.readers.lines import LineChunk, cut_lines
from zipsel.readers.rows import Reading, RowBatch
from zipsel.texts import CHUNK_BYTES

TextChunk = LineChunk | CsvChunk


def cut_shard(
    shard: Shard,
    pieces: Iterator[bytes],
    reading: Reading,
    *,
    chunk_bytes: int = CHUNK_BYTES,
    stretch_bytes: int | None = None,
    damage: list[str] | None = None,
) -> Iterator[TextChunk]:
    """Cut a shard, read from its beginning, into chunks of whole rows.

    Args:
        shard: The shard.
        pieces: Its decompressed bytes.
        reading: How rows become texts.
        chunk_bytes: Bytes of stream that a chunk's rows begin in.
        stretch_bytes: Hand out lines of JSONL in stretches, as ``cut_lines`` does.
        damage: To salvage: has, or takes, what ended the stream.

    Raises:
        ShardError: If a header lacks a column, or a quote is never closed.
    """
    if not shard.is_delimited:
        yield from cut_lines(
            pieces, reading.max_row_bytes, chunk_bytes=chunk_bytes, stretch_bytes=stretch_bytes
        )
        return
    rows = csv_rows.RowStream(pieces, shard.path, shard.format, reading.max_row_bytes, damage)
    csv_chunks.check_header(rows.header, shard.path, reading.text)
    yield from csv_chunks.cut_rows(rows, chunk_bytes=chunk_bytes)


def iter_rows(chunk: TextChunk, parser: RowParser, reading: Reading) -> Iterator[RowBatch]:
    """Take the texts of a chunk's rows, in bounded batches."""
    if isinstance(chunk, CsvChunk):
        from zipsel.readers import csv_columns  # loads pyarrow

        return csv_columns.iter_rows(chunk, reading)
    return jsonl.iter_rows(chunk, parser, reading)
