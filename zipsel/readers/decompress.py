"""Decompressed bytes of a file or pipe, with bounded memory and no silent truncation.

zstandard's ``stream_reader`` ends a truncated file without a word; a ``decompressobj`` knows
whether its frame has ended. Input goes in by small pieces, since a hostile zstd block expands
4 bytes to 128 KB. A small frame that tells its size is decompressed at once, which takes half the
time of decompressing it by pieces between which rows are scored.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard, open_raw
from zipsel.readers.reading import Reading

Item = TypeVar("Item")
_READ_BYTES = 1 << 18
#: At most 128 MB come out of one piece of a zstd bomb, 4 MB of a deflate bomb.
_ZSTD_PIECE_BYTES = 1 << 12
_DEFLATE_OUT_BYTES = 1 << 18
_ZSTD_OUT_BYTES = 1 << 15
#: libzstd refuses larger windows by default; ``--long`` allows what ``zstd --long=31`` writes.
_DEFAULT_WINDOW_BYTES = 1 << 27
_LONG_WINDOW_BYTES = 1 << 31
#: What is decompressed at once has at most so many bytes, before and after.
_AT_ONCE_BYTES = 1 << 25


def iter_pieces(
    file: BinaryIO, path: str, compression: str, *, zstd_long: bool = False
) -> Iterator[bytes]:
    """Yield decompressed pieces of some 100 KB to 1 MB.

    Several frames or members in a row are one stream.

    Raises:
        ShardError: If the compressed data are corrupt or end early.
    """
    if compression == "zst":
        return _iter_zstd(file, path, zstd_long)
    if compression == "gz":
        return _iter_gzip(file, path)
    return _iter_plain(file, path)


@contextmanager
def open_pieces(
    shard: Shard, reading: Reading, damage: list[str] | None = None, *, at_once: bool = False
) -> Iterator[Iterator[bytes]]:
    """Open a shard's decompressed bytes.

    Args:
        shard: The shard.
        reading: Says whether large zstd windows are accepted.
        damage: To salvage: takes what ended the stream, which then ends without an error.
        at_once: Let a small shard be one piece, because all of it will be read.

    Raises:
        ShardError: If the shard cannot be opened; later, if its data are corrupt or end early.
    """
    with open_raw(shard) as file:
        if at_once and shard.compression == "zst" and shard.n_bytes <= _AT_ONCE_BYTES:
            pieces = _iter_small_zstd(file, shard.path, reading.zstd_long)
        else:
            pieces = iter_pieces(file, shard.path, shard.compression, zstd_long=reading.zstd_long)
        yield until_damage(pieces, damage)


def until_damage(pieces: Iterator[Item], damage: list[str] | None) -> Iterator[Item]:
    """Pass items on; a damaged stream ends, and ``damage`` gets the problem unless it has one.

    With None for ``damage`` the error is raised.
    """
    try:
        yield from pieces
    except ShardError as error:
        if damage is None:
            raise
        if not damage:
            damage.append(error.problem)


def _iter_plain(file: BinaryIO, path: str) -> Iterator[bytes]:
    try:
        while piece := file.read(_READ_BYTES):
            yield piece
    except OSError as error:
        raise ShardError(path, f"read failed: {error.strerror or error}") from None


def _iter_zstd(file: BinaryIO, path: str, zstd_long: bool) -> Iterator[bytes]:
    import zstandard

    window = _LONG_WINDOW_BYTES if zstd_long else _DEFAULT_WINDOW_BYTES
    decompressor = zstandard.ZstdDecompressor(max_window_size=window)
    frame = None
    gathered: list[bytes] = []
    n_gathered = 0
    problem = ""
    try:
        for data in _iter_plain(file, path):
            for start in range(0, len(data), _ZSTD_PIECE_BYTES):
                rest = data[start : start + _ZSTD_PIECE_BYTES]
                while rest:
                    if frame is None or frame.eof:
                        frame = decompressor.decompressobj(write_size=_ZSTD_OUT_BYTES)
                    out = frame.decompress(rest)
                    rest = frame.unused_data if frame.eof else b""
                    gathered.append(out)
                    n_gathered += len(out)
                if n_gathered >= _READ_BYTES:
                    yield b"".join(gathered)
                    gathered, n_gathered = [], 0
        if frame is not None and not frame.eof:
            problem = "truncated: the last zstd frame has no end"
    except zstandard.ZstdError as error:
        problem = _zstd_problem(error)
    if n_gathered:  # also what came before the damage, for those who salvage
        yield b"".join(gathered)
    if problem:
        raise ShardError(path, problem)


def _iter_small_zstd(file: BinaryIO, path: str, zstd_long: bool) -> Iterator[bytes]:
    """Yield all that one small frame holds; anything else as ``_iter_zstd`` does."""
    stored = b"".join(_iter_plain(file, path))
    whole = _decompress_frame(stored)
    if whole is None:
        yield from _iter_zstd(io.BytesIO(stored), path, zstd_long)
    else:
        yield whole


def _decompress_frame(stored: bytes) -> bytes | None:
    """Decompress a frame that tells its size; None if it is large, damaged or not the only one.

    Arrow's function accepts nothing behind the frame but frames without content, which
    zstandard's would pass over together with anything else.
    """
    import pyarrow as pa
    import zstandard

    try:
        n_bytes = zstandard.frame_content_size(stored)
        if not 0 < n_bytes <= _AT_ONCE_BYTES:
            return None
        whole: bytes = pa.decompress(stored, n_bytes, "zstd", asbytes=True)
    except (zstandard.ZstdError, OSError):
        return None
    return whole


def _zstd_problem(error: Exception) -> str:
    if "too much memory" in str(error):
        return "its zstd window is larger than 128 MiB; allow it (and its memory): --long"
    return f"corrupt zstd data: {str(error).removeprefix('zstd decompressor error: ')}"


def _iter_gzip(file: BinaryIO, path: str) -> Iterator[bytes]:
    """Members by zlib itself: the gzip module hides where a member ends."""
    member = None
    try:
        for data in _iter_plain(file, path):
            rest = data
            while rest:
                if member is None or member.eof:
                    rest = rest.lstrip(b"\0") if member is not None else rest  # tape padding
                    if not rest:
                        break
                    member = zlib.decompressobj(wbits=31)
                out = member.decompress(rest, _DEFLATE_OUT_BYTES)
                rest = member.unused_data if member.eof else member.unconsumed_tail
                if out:
                    yield out
        while member is not None and not member.eof:
            out = member.decompress(b"", _DEFLATE_OUT_BYTES)
            if not out:
                raise ShardError(path, "truncated: the last gzip member has no end")
            yield out
    except zlib.error as error:
        raise ShardError(path, f"corrupt gzip data: {error}") from None
