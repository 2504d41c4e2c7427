"""What is decompressed at once is what its pieces are, and ends with the same error."""

import pytest
import zstandard

from zipsel.errors import ShardError
from zipsel.pool.shards import open_shard
from zipsel.readers.decompress import open_pieces
from zipsel.readers.reading import Reading

LINES = b"".join(b'{"text": "row %d"}\n' % i for i in range(100_000))
FRAME = zstandard.ZstdCompressor(write_checksum=True).compress(LINES)
#: A frame that decoders pass over (RFC 8878, section 3.1.2).
SKIPPABLE = bytes.fromhex("502a4d18 04000000 01020304")

STORED = {
    "one-frame": FRAME,
    "skippable-frame-behind": FRAME + SKIPPABLE,
    "skippable-frame-before": SKIPPABLE + FRAME,
    "two-frames": FRAME + FRAME,
    "size-unknown": zstandard.ZstdCompressor(write_content_size=False).compress(LINES),
    "large": zstandard.compress(LINES * 20),
    "truncated": FRAME[:-10],
    "checksum-cut-off": FRAME[:-4],
    "checksum-wrong": FRAME[:-4] + b"none",
    "changed": FRAME[:1000] + bytes(100) + FRAME[1100:],
    "something-behind": FRAME + b"something",
}


def read(shard, **options):
    """The bytes up to the end or to the damage, the problem, and the number of pieces."""
    found = []
    try:
        with open_pieces(shard, Reading(), **options) as pieces:
            found.extend(pieces)
    except ShardError as error:
        return b"".join(found), error.problem, len(found)
    return b"".join(found), "", len(found)


@pytest.mark.parametrize("name", STORED)
def test_at_once_gives_what_pieces_give(tmp_path, name):
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(STORED[name])
    shard = open_shard(str(path), 0)
    data, problem, n_pieces = read(shard)
    assert read(shard, at_once=True)[:2] == (data, problem)
    assert problem or n_pieces > 1
    assert (problem == "") == (name in list(STORED)[:6])


def test_a_small_frame_is_one_piece(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(FRAME)
    assert read(open_shard(str(path), 0), at_once=True) == (LINES, "", 1)
