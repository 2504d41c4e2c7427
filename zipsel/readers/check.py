"""What is wrong with files that can be found without scoring them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard, open_raw
from zipsel.readers.decompress import iter_pieces
from zipsel.readers.rows import Reading
from zipsel.readers.text import cut_shard

#: Compressed bytes that are read through for no other purpose than to find damage: a second or
#: two. Damage in larger pools is found, all of it at once, when they are scored.
_READ_THROUGH_BYTES = 256 << 20


def find_damage(shards: Sequence[Shard], reading: Reading) -> list[ShardError]:
    """Errors of shards that are to be named beside those found already.

    Columns of all tables and headers of CSV are looked at; compressed streams are read to their
    end where that does not take long.
    """
    streams = [shard for shard in shards if shard.compression]
    if sum(shard.n_bytes for shard in streams) > _READ_THROUGH_BYTES:
        streams = []
    errors = []
    for shard in shards:
        try:
            if shard.is_table:
                from zipsel.readers import tables

                tables.check(shard, reading)
                continue
            if shard.is_delimited:
                _check_header(shard, reading)
            if shard in streams:
                _read_through(shard, reading)
        except ShardError as error:
            errors.append(error)
    return errors


def _read_through(shard: Shard, reading: Reading) -> None:
    with open_raw(shard) as file:
        pieces = iter_pieces(file, shard.path, shard.compression, zstd_long=reading.zstd_long)
        deque(pieces, maxlen=0)


def _check_header(shard: Shard, reading: Reading) -> None:
    with open_raw(shard) as file:
        pieces = iter_pieces(file, shard.path, shard.compression, zstd_long=reading.zstd_long)
        next(cut_shard(shard, pieces, reading, chunk_bytes=1), None)
