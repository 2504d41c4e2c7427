"""Compressed sizes are those of the libraries' own calls, whatever is done to get them faster."""

import gzip
import lzma
import random

import pytest
import zstandard

from zipsel.errors import UsageError
from zipsel.scorers.codecs import CODECS, check_codec, gzip_size, pair_size_function, size_function

TEXTS = [
    *(b"".join(random.Random(n).choices([b"to ", b"be ", b"or "], k=n)) for n in (0, 1, 80, 11000)),
    *(
        random.Random(n).randbytes(n)
        for n in (1, 250, 251, 255, 256, 762, 763, 32505, 32506, 70000)
    ),
    b"a" * 100_000,
]


@pytest.mark.parametrize("level", range(1, 10))
def test_a_small_window_gives_the_size_of_a_large_one(level):
    for text in TEXTS:
        assert gzip_size(text, level) == len(gzip.compress(text, level)), len(text)


@pytest.mark.parametrize("level", range(1, 10))
def test_a_text_that_is_read_once_gives_the_sizes_of_one_that_is_read_again(level):
    sizes = pair_size_function("gzip", level)
    others = [TEXTS[i] for i in (1, 2, 5, 7, 12)]  # below, at and above what deflate looks ahead
    for text in TEXTS:
        alone, together = sizes(text, others)
        assert alone == len(gzip.compress(text, level))
        assert together == [len(gzip.compress(text + other, level)) for other in others]


def test_window_edges_give_the_size_of_a_large_one():
    """Around every power of two, where the window's size changes, and a text ends as it begins."""
    noise, ends = random.Random(0).randbytes(1 << 15), random.Random(1).randbytes(40)
    for edge in (512, 1024, 2048, 4096, 8192, 16384, 32768):
        for n in (*range(edge - 262 - 3, edge - 262 + 4), edge - 100, *range(edge - 2, edge + 3)):
            text = ends + noise[: n - 80] + ends
            assert gzip_size(text, 9) == len(gzip.compress(text, 9)), n


@pytest.mark.parametrize(
    ("codec", "level", "compress"),
    [
        ("zstd", 3, lambda data: zstandard.ZstdCompressor(level=3).compress(data)),
        ("lzma", 6, lambda data: lzma.compress(data, preset=6)),
    ],
)
def test_sizes_are_whole_containers(codec, level, compress):
    size = size_function(codec, level)
    for text in TEXTS[:8]:
        assert size(text) == len(compress(text))


@pytest.mark.parametrize(
    ("codec", "module", "extra"),
    [("lz4", "lz4.frame", "lz4"), ("brotli", "brotli", "brotli")],
)
def test_optional_codecs_compress_or_name_their_extra(codec, module, extra, monkeypatch):
    pytest.importorskip(module, reason=f"needs the extra {extra}")
    size = size_function(codec)
    assert 0 < size(b"to be or " * 500) < 500

    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(UsageError, match=rf"zipsel\[{extra}\]"):
        size_function(codec)


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_has_a_default_level_and_limits(codec):
    limits = CODECS[codec]
    assert check_codec(codec, None) == limits.default
    assert check_codec(codec, limits.highest) == limits.highest
    with pytest.raises(UsageError, match=f"{codec} takes --level"):
        check_codec(codec, limits.highest + 1)


def test_what_is_no_codec_is_refused():
    with pytest.raises(UsageError, match="not one of gzip"):
        check_codec("zip", None)
    with pytest.raises(UsageError, match="stores without compressing"):
        check_codec("gzip", 0)
