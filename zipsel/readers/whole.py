"""A shard from beginning to end, whatever its format, in one process."""

from __future__ import annotations

from collections.abc import Iterator

from zipsel.readers import ReadOptions, RowBatch
from zipsel.readers.streams import iter_pieces
from zipsel.readers.text import cut_shard, iter_rows
from zipsel.row_parser import RowParser
from zipsel.rows import TextSpec
from zipsel.shards import Shard, open_raw


def iter_shard(shard: Shard, spec: TextSpec, options: ReadOptions) -> Iterator[RowBatch]:
    """Yield the rows of a shard in order, in bounded batches.

    Raises:
        ShardError: If the shard cannot be read to its end.
    """
    if shard.is_table:
        from zipsel.readers import tables

        yield from tables.iter_shard(shard, spec, options)
        return
    parser = RowParser(spec, options.group_field)
    with open_raw(shard) as file:
        pieces = iter_pieces(file, shard.path, shard.compression, long_windows=options.long_windows)
        for chunk in cut_shard(shard, pieces, spec, options):
            yield from iter_rows(chunk, parser, options)
