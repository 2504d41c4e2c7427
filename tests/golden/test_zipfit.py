"""Compressed sizes and ranks against PyPI `zip-fit`, the reference implementation.

Skipped where the extra `peers` is not installed.
"""

import random
import warnings

import pytest
from made_up import fit

from zipsel.scorers.codecs import size_function
from zipsel.texts import TextBatch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the libraries that the peer imports
    zip_fit = pytest.importorskip(
        "zip_fit",
        reason="the reference is not installed: pip install 'zipsel[peers]'",
        exc_type=ImportError,
    )

LEVELS = [("gzip", 1), ("gzip", 6), ("gzip", 9), ("lz4", 0), ("zstd", 3)]
#: The reference passes these no level.
FIXED = [("brotli", 11), ("lzma", 6)]
N_PAIRS = 300


def reference(codec, level, k=1):
    return zip_fit.ZIPFIT("", "", k, compression_algorithm=codec, compress_level=level)


@pytest.mark.parametrize(("codec", "level"), [*LEVELS, *FIXED])
def test_every_size_is_the_references(real_pool, real_target, codec, level):
    pytest.importorskip("lz4" if codec == "lz4" else "brotli" if codec == "brotli" else "zlib")
    size, theirs = size_function(codec, level), reference(codec, level)
    pairs = [(x, y) for x in real_pool for y in real_target]
    pairs = random.Random(0).sample(pairs, N_PAIRS if (codec, level) in LEVELS else 40)

    for text in [part for x, y in pairs for part in (x, y, x + y)]:
        assert size(text) == theirs.compress(text.decode()), (codec, level, text[:60])


@pytest.mark.parametrize(("codec", "level"), LEVELS)
def test_alignments_are_the_references_but_for_its_rounding(real_pool, real_target, codec, level):
    """Its ``np.mean`` and our ``fsum`` may differ in the last bits; its ranks do not follow."""
    ours = fit("ncd", real_target, codec=codec, level=level).score(
        TextBatch.from_encoded(real_pool)
    )["alignment"]
    theirs = rank(reference(codec, level, len(real_pool)), real_pool, real_target)

    assert len(theirs) == len(real_pool)
    by_text = dict(theirs)
    for text, alignment in zip(real_pool, ours.tolist(), strict=True):
        assert alignment == pytest.approx(by_text[text.decode()], rel=0, abs=1e-14)
    order = sorted(range(len(real_pool)), key=lambda i: -ours[i])
    best = [real_pool[i].decode() for i in order[:20]]
    assert best == [text for text, _ in theirs[:20]]


def rank(zipfit, texts, targets):
    """``ZIPFIT.rank_sequences_by_alignment`` in this process: its own forks a pool of workers."""

    class Serial:
        def __init__(self, _n_processes):
            self.map = lambda function, data, chunksize: list(map(function, data))
            self.imap_unordered = lambda function, data, chunksize: map(function, data)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    module = zip_fit.zipfit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "Pool", Serial)
        return zipfit.rank_sequences_by_alignment(
            [text.decode() for text in texts], [text.decode() for text in targets]
        )
