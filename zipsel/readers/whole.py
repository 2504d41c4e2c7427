"""A shard from beginning to end, whatever its format, in one process."""

from __future__ import annotations

from collections.abc import Iterator

from zipsel.readers import ReadOptions, RowBatch
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import cut_lines
from zipsel.readers.streams import iter_pieces
from zipsel.rows import RowParser, TextSpec
from zipsel.shards import Shard, open_raw


def iter_shard(shard: Shard, spec: TextSpec, options: ReadOptions) -> Iterator[RowBatch]:
    """Yield the rows of a JSONL or Parquet shard in order, in bounded batches.

    Raises:
        ShardError: If the shard cannot be read to its end.
    """
    if shard.format == "parquet":
        from zipsel.readers import parquet

        n_groups = parquet.open_parquet(shard).metadata.num_row_groups
        chunk = parquet.GroupChunk(0, 0, n_groups, 0)
        yield from parquet.iter_rows(shard, chunk, spec, options)
        return
    parser = RowParser(spec)
    with open_raw(shard) as file:
        pieces = iter_pieces(file, shard.path, shard.compression, long_windows=options.long_windows)
        for lines in cut_lines(pieces, options.max_row_bytes):
            yield from iter_rows(lines, parser, options)
