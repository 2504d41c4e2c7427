"""A shard from beginning to end, whatever its format, in one process."""

from __future__ import annotations

from collections.abc import Iterator

from zipsel.pool.shards import Shard, open_raw
from zipsel.readers.decompress import iter_pieces
from zipsel.readers.json_rows import RowParser
from zipsel.readers.rows import Reading, RowBatch
from zipsel.readers.text import cut_shard, iter_rows


def iter_shard(shard: Shard, reading: Reading) -> Iterator[RowBatch]:
    """Yield the rows of a shard in order, in bounded batches.

    Raises:
        ShardError: If the shard cannot be read to its end.
    """
    if shard.is_table:
        from zipsel.readers import tables

        yield from tables.iter_shard(shard, reading)
        return
    parser = RowParser(reading.text, reading.group_field)
    with open_raw(shard) as file:
        pieces = iter_pieces(file, shard.path, shard.compression, zstd_long=reading.zstd_long)
        for chunk in cut_shard(shard, pieces, reading):
            yield from iter_rows(chunk, parser, reading)
