"""Read a Parquet file with each of its footer's bytes changed; a process of its own, lest it end.

Usage: python flipping.py FILE FOLDER
"""

import sys
from pathlib import Path

from zipsel.errors import ShardError
from zipsel.pool.shards import CHUNK_BYTES, open_shard
from zipsel.readers import parquet as reader
from zipsel.readers.reading import Reading


def read_flipped(data, offset, path):
    """Flip the last bit of a byte and read; how many rows came, or -1 if the file was refused."""
    flipped = bytearray(data)
    flipped[offset] ^= 1
    path.write_bytes(flipped)
    n_rows = 0
    try:
        shard = open_shard(str(path), 0)
        for chunk in reader.READER.plan(shard, Reading(), CHUNK_BYTES):
            for rows in reader.READER.read(shard, chunk, Reading()):
                n_rows += rows.n_rows
    except ShardError:
        return -1
    return n_rows


def main(file, folder):
    data = Path(file).read_bytes()
    footer_bytes = int.from_bytes(data[-8:-4], "little")
    offsets = range(len(data) - 8 - footer_bytes, len(data))
    results = [read_flipped(data, offset, Path(folder) / "flipped.parquet") for offset in offsets]
    sys.stdout.write(f"{sum(n < 0 for n in results)} of {len(results)} refused\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
