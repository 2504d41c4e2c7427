"""Stand-in for the command line of zipsel: `conditional`, `ngram` and `fused` in a few lines."""

import numpy as np
import zstandard
from numpy.typing import NDArray

from quality_lib.data import Task
from quality_lib.peers import Bench, Scores, task_examples

N, MU, BITS, SAMPLE_BYTES = 6, 100.0, 18, 8_000_000
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def conditional(bench: Bench, task: Task, level: int = 3) -> Scores:
    d = zstandard.ZstdCompressionDict(
        b"\n".join(task_examples(task)), dict_type=zstandard.DICT_TYPE_RAWCONTENT
    )
    d.precompute_compress(level=level)
    kw = dict(level=level, write_content_size=False, write_checksum=False, write_dict_id=False)
    plain, given = zstandard.ZstdCompressor(**kw), zstandard.ZstdCompressor(dict_data=d, **kw)
    return np.array([1 - len(given.compress(t)) / len(plain.compress(t)) for t in bench.pool.texts])


def hashes(text: bytes) -> NDArray[np.int64]:
    buffer = np.frombuffer(text + bytes(8), dtype=np.uint8)
    n = max(len(text) - N + 1, 0)
    words = np.lib.stride_tricks.as_strided(buffer, (n, 8), (1, 1)).copy().view(np.uint64)[:, 0]
    shifted = (words << np.uint64(64 - 8 * N)) * MULTIPLIER
    return (shifted >> np.uint64(64 - BITS)).astype(np.int64)


def ngram(bench: Bench, task: Task, mu: float = MU) -> Scores:
    size = 1 << BITS
    c_t = np.zeros(size)
    for y in task_examples(task):
        c_t += np.bincount(hashes(y), minlength=size)
    c_b, read = np.zeros(size), 0
    for i in np.random.default_rng(0).permutation(len(bench.pool)):
        c_b += np.bincount(hashes(bench.pool.texts[i]), minlength=size)
        read += len(bench.pool.texts[i])
        if read > SAMPLE_BYTES:
            break
    p_b = (c_b + 0.5) / (c_b + 0.5).sum()
    n_t = c_t.sum()
    m = mu * n_t
    w = np.log2((c_t + m * p_b) / ((n_t + m) * p_b))
    return np.array([w[hashes(t)].sum() / len(t) for t in bench.pool.texts])


def fused(bench: Bench, task: Task, level: int = 3) -> Scores:
    a, b = conditional(bench, task, level), ngram(bench, task)
    return 0.5 * ((a - a.mean()) / a.std() + (b - b.mean()) / b.std())


PROTOTYPES = {
    "fused": fused,
    "conditional-1": lambda b, t: conditional(b, t, 1),
    "conditional-3": conditional,
    "conditional-9": lambda b, t: conditional(b, t, 9),
    "conditional-19": lambda b, t: conditional(b, t, 19),
    "ngram": ngram,
}
