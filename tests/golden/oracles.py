"""METHOD's formulas in plain Python, one text and one n-gram at a time.

Nothing here is shared with the package: it is what the package is held against.
"""

import gzip
import math
from collections import Counter

import zstandard

_WEIGHT_STEP = 2.0**-16


def ncd_alignment(x, targets, size):
    """ZIP-FIT: 1 - mean NCD, pool text first, whole containers."""
    distances = []
    for y in targets:
        c_x, c_y, c_xy = size(x), size(y), size(x + y)
        distances.append((c_xy - min(c_x, c_y)) / max(c_x, c_y))
    return 1 - math.fsum(distances) / len(distances)


def gzip_size(level):
    return lambda data: len(gzip.compress(data, level))


def conditional_sizes(x, dictionary, level):
    """C(x) and C(x | T): one zstd call each, the second primed with the dictionary."""
    raw = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    raw.precompute_compress(level=level)
    frame = {"write_content_size": False, "write_checksum": False, "write_dict_id": False}
    alone = zstandard.ZstdCompressor(level=level, **frame)
    primed = zstandard.ZstdCompressor(level=level, dict_data=raw, **frame)
    return len(alone.compress(x)), len(primed.compress(x))


def ngrams(text, n, bits):
    """Buckets of a text's n-grams: the n bytes, little-endian, times an odd constant, top bits."""
    for i in range(len(text) - n + 1):
        gram = int.from_bytes(text[i : i + n], "little") << (64 - 8 * n)
        yield (gram * 0x9E3779B97F4A7C15 % 2**64) >> (64 - bits)


def ngram_alignments(texts, targets, pool, n=6, bits=18, mu=100.0):
    """Moore-Lewis over hashed n-grams, Dirichlet smoothing to the pool."""
    in_target = Counter(g for text in targets for g in ngrams(text, n, bits))
    in_pool = Counter(g for text in pool for g in ngrams(text, n, bits))
    n_target = sum(in_target.values())
    n_pool = sum(in_pool.values()) + 0.5 * 2**bits
    m = mu * n_target

    def w(g):
        p_pool = (in_pool[g] + 0.5) / n_pool
        bits_saved = math.log2((in_target[g] + m * p_pool) / ((n_target + m) * p_pool))
        return round(bits_saved / _WEIGHT_STEP) * _WEIGHT_STEP

    return [math.fsum(w(g) for g in ngrams(x, n, bits)) / len(x) for x in texts]


def standardize(values, sample):
    mean = math.fsum(sample) / len(sample)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in sample) / len(sample))
    return [(v - mean) / deviation for v in values]
