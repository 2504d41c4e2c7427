"""Compressed sizes in bytes, by the codecs that ZIP-FIT knows.

Sizes are those of whole containers (gzip: 18 bytes around the deflate stream; lz4: a frame), as
`stair-lab/ZIP-FIT` measures them, so that distances are equal to the last bit. Only the cost
differs. A deflate window no larger than the text needs gives the same tokens, hence the same size,
and spares zlib the clearing of 256 KB per call. A text that is compressed before many others is
read once: copying the state of deflate costs less than reading again (7 % faster at level 1, 16 %
at level 6, 19 % at level 9).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from zipsel.errors import UsageError

#: Compressed size in bytes of a text.
SizeFunction = Callable[[bytes], int]

#: Compressed sizes in bytes of a text, and of the text followed by each of some others.
PairSizeFunction = Callable[[bytes, Sequence[bytes]], tuple[int, list[int]]]

#: Deflate never matches within this many bytes of its window's end (zlib's MIN_LOOKAHEAD).
_MIN_LOOKAHEAD_BYTES = 262

#: Header and trailer of gzip around a deflate stream.
_GZIP_FRAME_BYTES = 18


@dataclass(frozen=True)
class CodecLimits:
    """The levels that a codec takes, both ends inclusive."""

    lowest: int
    highest: int
    default: int


CODECS = {
    "gzip": CodecLimits(0, 9, 9),
    "zstd": CodecLimits(1, 22, 3),
    "lz4": CodecLimits(0, 16, 0),
    "brotli": CodecLimits(0, 11, 11),
    "lzma": CodecLimits(0, 9, 6),
}


def check_codec(codec: str, level: int | None) -> int:
    """Return the level to use.

    Raises:
        UsageError: If the codec is unknown, the level out of range, or gzip's level is 0.
    """
    if codec not in CODECS:
        raise UsageError(f"codec {codec!r} is not one of {', '.join(CODECS)}")
    limits = CODECS[codec]
    level = limits.default if level is None else level
    if codec == "gzip" and level == 0:
        raise UsageError(
            "gzip level 0 stores without compressing, so the score would depend on the length of "
            "the texts alone; use --level 1 to 9"
        )
    if not limits.lowest <= level <= limits.highest:
        raise UsageError(f"{codec} takes --level {limits.lowest} to {limits.highest}, not {level}")
    return level


def size_function(codec: str, level: int | None = None) -> SizeFunction:
    """What gives a text's compressed size in bytes; ``UsageError`` without the codec's library."""
    return _FACTORIES[codec](check_codec(codec, level))


def pair_size_function(codec: str, level: int | None = None) -> PairSizeFunction:
    """Return the function that gives the sizes of a text and of the text followed by others."""
    if codec == "gzip":
        return partial(gzip_pair_sizes, level=check_codec(codec, level))
    size = size_function(codec, level)
    return lambda text, others: (size(text), [size(text + other) for other in others])


def _window_bits(n_bytes: int) -> int:
    return min(15, max(9, (n_bytes + _MIN_LOOKAHEAD_BYTES).bit_length()))


def gzip_size(data: bytes, level: int) -> int:
    """Size of ``gzip.compress(data, level)`` in bytes."""
    return len(zlib.compress(data, level, 16 + _window_bits(len(data))))


def gzip_pair_sizes(text: bytes, others: Sequence[bytes], level: int) -> tuple[int, list[int]]:
    """``gzip_size`` of a text, and of the text followed by each of some others."""
    longest = max(map(len, others), default=0)
    after_text = zlib.compressobj(level, zlib.DEFLATED, -_window_bits(len(text) + longest))
    n_before = len(after_text.compress(text)) + _GZIP_FRAME_BYTES
    sizes = []
    for other in others:
        state = after_text.copy()
        sizes.append(n_before + len(state.compress(other)) + len(state.flush()))
    return n_before + len(after_text.flush()), sizes


def _gzip(level: int) -> SizeFunction:
    return lambda data: gzip_size(data, level)


def _zstd(level: int) -> SizeFunction:
    import zstandard

    compress = zstandard.ZstdCompressor(level=level).compress
    return lambda data: len(compress(data))


def _lz4(level: int) -> SizeFunction:
    compress = _extra("lz4.frame", "lz4").compress
    return lambda data: len(compress(data, compression_level=level))


def _brotli(level: int) -> SizeFunction:
    compress = _extra("brotli", "brotli").compress
    return lambda data: len(compress(data, quality=level))


def _lzma(level: int) -> SizeFunction:
    import lzma

    return lambda data: len(lzma.compress(data, preset=level))


def _extra(module: str, extra: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise UsageError(
            f"this codec needs a library that is not installed: pip install 'zipsel[{extra}]'"
        ) from None


_FACTORIES: dict[str, Callable[[int], SizeFunction]] = {
    "gzip": _gzip,
    "zstd": _zstd,
    "lz4": _lz4,
    "brotli": _brotli,
    "lzma": _lzma,
}
