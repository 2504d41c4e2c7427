"""The PPM judge: how well does a model that has read a subset predict held-out examples?

Bits per byte of held-out target examples y under a PPMd model (variant I, order 8) that has read
the subset S:

    8 · Σ_y (|ppmd(S ⊕ y)| - |ppmd(S)|) / Σ_y |y|

Lower is better. It ranks subsets nearly as a language model trained on them does, in seconds and
without training. The idea is that of compression as prediction (Cleary & Witten 1984, PPM;
Shkarin 2002, PPMd); `pyppmd` (the extra `eval`) does the coding.

What is judged is a set: it is read in seeded random orders (`draw_orders`), whatever the order of
its rows. What to compare: sets cut at equal bytes, beside random texts of the same size, on
examples that the selection never saw (`find_contained_examples`). Every example keeps its own
bits, so that an interval can be bootstrapped over examples; give the difference of two subsets'
bits for the much narrower interval of a paired comparison.

Two things differ from calling `pyppmd.compress` for every S ⊕ y:

- The model gets memory in proportion to the subset. With the library's default of 16 MiB it
  starts over in silence after 1 to 2 MB of text and so has forgotten most of the subset.
- S is read once. The encoder cannot be copied, but a forked process is such a copy: one child per
  example encodes that example alone and reports the size. The sizes are the same to the byte, at
  about one fiftieth of the time for 4 MB.
"""

import heapq
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zipsel.errors import UsageError

MAX_ORDER = 8
#: Model memory in bytes per byte of text. Every text tried needs at most 16, random bytes among
#: them; what is not needed is never touched.
MEMORY_PER_BYTE = 32
MIN_MEMORY_BYTES = 16 << 20
# The coder's offsets have 32 bits.
MAX_MEMORY_BYTES = (4 << 30) - (1 << 20)
RECORD_END = b"\n"
# Orders that a set is read in. PPM weighs what it read last more, so one order of 1 MB moves bits
# per byte by 0.004 to 0.02; the mean of three agrees with the order of a language model better
# than one order does (rank correlation 0.988 against 0.980, three targets, seven selectors).
N_ORDERS = 3


def join_records(texts: Iterable[bytes], limit_bytes: int | None = None) -> bytes:
    """One subset from its UTF-8 texts, a line feed after each.

    It is cut at `limit_bytes`, between two characters, so up to three bytes may be missing. The
    last record may be cut: cutting between records would make subsets of long records smaller.
    """
    joined = b"".join(text + RECORD_END for text in texts)
    return joined if limit_bytes is None else cut_text(joined, limit_bytes)


def ppm_bits(
    subset: bytes, examples: Sequence[bytes], *, n_workers: int = 1
) -> NDArray[np.float64]:
    """Bits that each example costs under a PPMd model that has read the subset.

    Args:
        subset: UTF-8 text the model reads first (`join_records`); may be empty.
        examples: UTF-8 texts, each coded by itself after the subset.
        n_workers: Examples coded at the same time.

    Returns:
        Bits, shape `(n_examples,)`, each a multiple of 8 since the coder writes whole bytes. They
        depend on neither `n_workers` nor the other examples.

    Raises:
        UsageError: If `pyppmd` is not installed.
    """
    n_longest_bytes = max(map(len, examples), default=0)
    encoder = _make_encoder(len(subset) + n_longest_bytes)
    c_read = len(encoder.encode(subset))
    tails = _measure_tails(encoder, examples, n_workers)
    c_subset = c_read + len(encoder.flush())
    return 8.0 * (c_read + np.array(tails, dtype=np.float64) - c_subset)


def bits_per_byte(bits: NDArray[np.float64], n_bytes: NDArray[np.int64]) -> float:
    """Total bits over total bytes of the examples; both arrays have shape `(n_examples,)`.

    Raises:
        ValueError: If the examples have no bytes.
    """
    total_bytes = int(n_bytes.sum())
    if total_bytes == 0:
        raise ValueError("bits per byte of no bytes: give at least one example that is not empty")
    return float(bits.sum() / total_bytes)


def bootstrap_interval(
    bits: NDArray[np.float64],
    n_bytes: NDArray[np.int64],
    *,
    seed: int = 0,
    level: float = 0.95,
    n_resamples: int = 1000,
) -> tuple[float, float]:
    """Percentile bootstrap interval of `bits_per_byte` over examples.

    Args:
        bits: Bits of each example, or the difference of two subsets' bits, shape `(n_examples,)`.
        n_bytes: Bytes of each example, none empty, shape `(n_examples,)`.
        seed: Same seed, same interval.
        level: Share of the resamples inside the interval, between 0 and 1.
        n_resamples: How often as many examples are drawn with replacement.

    Returns:
        Lower and upper end, bits per byte.
    """
    n_examples = len(bits)
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(n_examples, np.full(n_examples, 1 / n_examples), n_resamples)
    resampled = (counts @ bits) / (counts @ n_bytes)
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def draw_orders(
    texts: Iterable[bytes], limit_bytes: int, seed: int = 0
) -> tuple[list[list[bytes]], int]:
    """Put a set of texts into `N_ORDERS` seeded random orders.

    A text's place is a seeded hash of the text and of the number of its copies before, so the
    result does not depend on the order in which texts come, and every beginning of an order is a
    random subset of the set. Memory is bounded by `limit_bytes` and some 100 bytes a distinct text.

    Args:
        texts: UTF-8 texts.
        limit_bytes: Each order ends with the text that reaches so many bytes, a line feed after
            each text counted.
        seed: Same seed, same set, same orders.

    Returns:
        The orders, and the bytes of the whole set.
    """
    kept: list[list[tuple[int, bytes]]] = [[] for _ in range(N_ORDERS)]
    sizes = [0] * N_ORDERS
    keys = [b"%d:%d" % (seed, i) for i in range(N_ORDERS)]
    n_copies: Counter[bytes] = Counter()
    n_bytes = 0
    for text in texts:
        n_bytes += len(text) + len(RECORD_END)
        digest = blake2b(text, digest_size=16).digest()
        n_copies[digest] += 1
        identity = digest + n_copies[digest].to_bytes(8)
        for i, key in enumerate(keys):
            place = int.from_bytes(blake2b(identity, digest_size=8, key=key).digest())
            # The heap's top has the last place: it goes first once the rest fills the limit.
            heapq.heappush(kept[i], (-place, text))
            sizes[i] += len(text) + len(RECORD_END)
            while sizes[i] - len(kept[i][0][1]) - len(RECORD_END) >= limit_bytes:
                sizes[i] -= len(heapq.heappop(kept[i])[1]) + len(RECORD_END)
    return [[text for _, text in sorted(heap, reverse=True)] for heap in kept], n_bytes


def find_contained_examples(subset: bytes, examples: Sequence[bytes]) -> list[int]:
    """Positions of the examples whose text, without outer white space, is in the subset.

    Their bits say that they leaked, nothing about quality.
    """
    stripped = (example.strip() for example in examples)
    return [i for i, example in enumerate(stripped) if example and example in subset]


def _make_encoder(n_text_bytes: int) -> Any:
    """A PPMd encoder with memory for `n_text_bytes` bytes of text."""
    try:
        from pyppmd import Ppmd8Encoder
    except ImportError as error:
        raise UsageError(
            "the PPM judge needs the package pyppmd: pip install 'zipsel[eval]'"
        ) from error
    wanted = max(MIN_MEMORY_BYTES, MEMORY_PER_BYTE * n_text_bytes)
    return Ppmd8Encoder(MAX_ORDER, min(wanted, MAX_MEMORY_BYTES))


def _measure_tail(encoder: Any, example: bytes) -> int:
    """Compressed bytes that the example and the end of the stream add; uses the encoder up."""
    return len(encoder.encode(example)) + len(encoder.flush())


def _measure_tails(encoder: Any, examples: Sequence[bytes], n_workers: int) -> list[int]:
    """`_measure_tail` of each example with a copy of the encoder, which stays as it was."""
    tails = []
    for start in range(0, len(examples), n_workers):
        children = [_fork_tail(encoder, e) for e in examples[start : start + n_workers]]
        tails += [_receive_tail(*child) for child in children]
    return tails


def _fork_tail(encoder: Any, example: bytes) -> tuple[int, int]:
    """Start a child that measures one tail: its process id and the pipe it will write to."""
    receiving, sending = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads, such as those of OpenBLAS. The child takes no
        # lock that another thread could hold: it codes, writes to its pipe and is gone.
        warnings.simplefilter("ignore", DeprecationWarning)
        process_id = os.fork()
    if process_id == 0:
        try:
            os.write(sending, b"%d" % _measure_tail(encoder, example))
        finally:
            os._exit(0)
    os.close(sending)
    return process_id, receiving


def _receive_tail(process_id: int, receiving: int) -> int:
    """The size that a child reports; a ``MemoryError`` if the system killed it before."""
    with os.fdopen(receiving, "rb") as pipe:
        reported = pipe.read()
    os.waitpid(process_id, 0)
    if not reported:
        raise MemoryError(
            "a process of the PPM judge ended early: use fewer workers or smaller subsets"
        )
    return int(reported)


def cut_text(text: bytes, n_bytes: int) -> bytes:
    """At most the first `n_bytes` bytes of UTF-8 text, ending with a whole character."""
    if len(text) <= n_bytes:
        return text
    while n_bytes > 0 and text[n_bytes] & 0xC0 == 0x80:
        n_bytes -= 1
    return text[:n_bytes]
