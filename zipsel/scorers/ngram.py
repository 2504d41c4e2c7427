"""``ngram``: a byte n-gram code of the target against one of the pool.

Moore & Lewis (2010) choose texts by cross-entropy difference between two language models; here
the models are unigram codes over hashed byte n-grams, so that fitting is counting and scoring a
table look-up per byte. With g the n-grams of a text x in 2^b buckets, c_T their counts in the
target and p_B their smoothed share of a pool sample::

    w(g) = log2( (c_T(g) + m p_B(g)) / ((N_T + m) p_B(g)) ),  m = mu N_T
    alignment(x) = sum of w(g) over the n-grams of x / bytes of x

The unit is bits saved per byte; a text in which nothing is more frequent in the target than in
the pool is slightly below zero. Weights are multiples of 2^-16, so that sums in float64 are exact
for any text up to 2^33 bytes and scores do not depend on how texts were batched.

Differs from DSIR (arXiv 2302.03169) in bytes for words, n = 6 for 1 and 2, smoothing to the pool
instead of none, and normalization by length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from zipsel.pool.shards import CHUNK_BYTES
from zipsel.scorers import Parts, ScoreColumns, State
from zipsel.texts import BATCH_BYTES, TextBatch, join_batches

if TYPE_CHECKING:
    from zipsel.scorers.fit import FitSettings

#: Odd, with well mixed bits: 2^64 divided by the golden ratio (Knuth, TAOCP 3, section 6.4).
_MULTIPLIER = 0x9E3779B97F4A7C15

#: Bytes of text that are hashed at once: their 64-bit hashes stay in a second-level cache.
_BLOCK_BYTES = 1 << 17

_WEIGHT_RESOLUTION = 2.0**-16


@dataclass(frozen=True)
class NgramParameters:
    """Settings of the code.

    Attributes:
        n: Bytes in an n-gram, 1 to 8.
        table_bits: The table has 2^table_bits buckets.
        mu: Strength of smoothing to the pool, in multiples of the target's size.
    """

    n: int = 6
    table_bits: int = 18
    mu: float = 100.0


def bucket_words(
    words: NDArray[np.uint64], out: NDArray[np.uint64], parameters: NgramParameters
) -> None:
    """Bucket of the n-gram that each little-endian 8-byte word begins with, into ``out``."""
    # Multiplying by 2^(64 - 8n) as well drops the bytes past the n-gram.
    multiplier = (_MULTIPLIER << (64 - 8 * parameters.n)) & (2**64 - 1)
    np.multiply(words, np.uint64(multiplier), out=out)
    np.right_shift(out, np.uint64(64 - parameters.table_bits), out=out)


def words_at_every_byte(
    buffer: NDArray[np.uint8], start: int, n_positions: int
) -> NDArray[np.uint64]:
    """View the buffer as overlapping 8-byte words; it must reach 8 bytes past the last position."""
    first = buffer[start : start + 8].view(np.uint64)
    return np.lib.stride_tricks.as_strided(first, (n_positions,), (1,), writeable=False)


def boundary_positions(offsets: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Positions at which an n-gram would reach past the end of its text, each once."""
    positions = offsets[1:, None] - np.arange(1, n)
    inside: NDArray[np.int64] = positions[positions >= offsets[:-1, None]]
    return inside


def count_ngrams(batch: TextBatch, parameters: NgramParameters) -> NDArray[np.int64]:
    """Occurrences of each bucket, int64 ``(2^table_bits,)``; n-grams lie within one text."""
    size = 1 << parameters.table_bits
    counts = np.zeros(size, np.int64)
    n_positions = int(batch.offsets[-1])
    hashes = np.empty(min(BATCH_BYTES, n_positions), np.uint64)
    for start in range(0, n_positions, BATCH_BYTES):
        block = hashes[: n_positions - start]
        bucket_words(words_at_every_byte(batch.buffer, start, len(block)), block, parameters)
        counts += np.bincount(block.view(np.int64), minlength=size)
    outside = boundary_positions(batch.offsets, parameters.n)
    words = np.lib.stride_tricks.sliding_window_view(batch.buffer, 8)[outside].view(np.uint64)
    block = np.empty(len(outside), np.uint64)
    bucket_words(words.ravel(), block, parameters)
    counts -= np.bincount(block.view(np.int64), minlength=size)
    return counts


def log_ratio_weights(
    target_counts: NDArray[np.int64], pool_counts: NDArray[np.int64], mu: float
) -> NDArray[np.float32]:
    """The table of w(g) in bits, float32 ``(n_buckets,)``, smoothed to the pool (Dirichlet)."""
    n_target = int(target_counts.sum())
    smoothed = pool_counts + 0.5
    share = smoothed / smoothed.sum()
    strength = mu * max(1, n_target)
    weights = np.log2((target_counts + strength * share) / ((n_target + strength) * share))
    rounded: NDArray[np.float64] = np.round(weights / _WEIGHT_RESOLUTION) * _WEIGHT_RESOLUTION
    return rounded.astype(np.float32)


@dataclass(frozen=True)
class NgramScorer:
    """Bits per byte that a code of the target saves over one of the pool.

    Attributes:
        weights: w(g), float32 ``(2^table_bits,)``.
        parameters: The settings that it was fitted with.
    """

    name: ClassVar[str] = "ngram"
    takes: ClassVar[frozenset[str]] = frozenset()
    needs_sample: ClassVar[bool] = True
    chunk_bytes: ClassVar[int] = CHUNK_BYTES
    columns: ClassVar[dict[str, str]] = {"alignment": "float64"}

    weights: NDArray[np.float32]
    parameters: NgramParameters = NgramParameters()

    @classmethod
    def fit(
        cls, examples: Mapping[str, TextBatch], sample: TextBatch, settings: FitSettings
    ) -> NgramScorer:
        """Compare the n-grams of the target with those of the pool sample."""
        return cls.compare(join_batches(list(examples.values())), sample)

    @classmethod
    def compare(
        cls, target: TextBatch, sample: TextBatch, parameters: NgramParameters = NgramParameters()
    ) -> NgramScorer:
        """Make the code of a target against a sample of the pool."""
        weights = log_ratio_weights(
            count_ngrams(target, parameters), count_ngrams(sample, parameters), parameters.mu
        )
        return cls(weights, parameters)

    def position_weights(self, batch: TextBatch) -> NDArray[np.float32]:
        """The weight of the n-gram that begins at each byte, float32 ``(total bytes,)``.

        0 where the n-gram would reach past its text. These are what ``sums`` adds up.
        """
        weights = np.empty(int(batch.offsets[-1]), np.float32)
        for start, of_block in self._iter_weights(batch):
            weights[start : start + len(of_block)] = of_block
        return weights

    def buckets(self, batch: TextBatch) -> NDArray[np.int64]:
        """Bucket of every n-gram that lies within one text, int64."""
        hashes = np.empty(int(batch.offsets[-1]), np.uint64)
        bucket_words(words_at_every_byte(batch.buffer, 0, len(hashes)), hashes, self.parameters)
        inside = np.ones(len(hashes), bool)
        inside[boundary_positions(batch.offsets, self.parameters.n)] = False
        return hashes.view(np.int64)[inside]

    def _iter_weights(self, batch: TextBatch) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield ``(start, position weights)`` of blocks of ``_BLOCK_BYTES``.

        Blocks do not end where texts end, so that a long text takes no more memory than a short
        one. The next block overwrites the weights.
        """
        total, n = int(batch.offsets[-1]), self.parameters.n
        boundaries = np.sort(boundary_positions(batch.offsets, n))
        hashes = np.empty(min(_BLOCK_BYTES, total), np.uint64)
        weights = np.empty(len(hashes), np.float32)
        for start in range(0, total, _BLOCK_BYTES):
            of_block, words = weights[: total - start], hashes[: total - start]
            view = words_at_every_byte(batch.buffer, start, len(words))
            bucket_words(view, words, self.parameters)
            # "wrap" changes nothing, every hash being in range, but "raise" would buffer.
            self.weights.take(words.view(np.int64), out=of_block, mode="wrap")
            low, high = np.searchsorted(boundaries, [start, start + len(words)])
            of_block[boundaries[low:high] - start] = 0
            yield start, of_block

    def sums(self, batch: TextBatch) -> NDArray[np.float64]:
        """Sum of the weights of each text's n-grams in bits, exact, float64 ``(n_records,)``."""
        sums = np.zeros(len(batch))
        filled = np.flatnonzero(batch.n_bytes)
        starts = batch.offsets[:-1][filled]
        for start, of_block in self._iter_weights(batch):
            low = int(np.searchsorted(starts, start, side="right")) - 1
            high = int(np.searchsorted(starts, start + len(of_block)))
            within = np.maximum(starts[low:high] - start, 0)
            sums[filled[low:high]] += np.add.reduceat(of_block, within, dtype=np.float64)
        return sums

    def score(self, batch: TextBatch) -> ScoreColumns:
        """Alignment in bits per byte; 0 for an empty text."""
        return {"alignment": self.sums(batch) / np.maximum(batch.n_bytes, 1)}

    def parts(self, batch: TextBatch) -> Sequence[Parts]:
        """As ``Explainable.parts``: the scorer itself."""
        return [Parts(None, self)] * len(batch)

    def state(self) -> State:
        """As ``Scorer.state``."""
        parameters = self.parameters
        return {
            "weights": self.weights,
            "n": parameters.n,
            "table_bits": parameters.table_bits,
            "mu": parameters.mu,
        }

    @classmethod
    def from_state(cls, state: State) -> NgramScorer:
        """As ``Scorer.from_state``."""
        parameters = NgramParameters(state["n"], state["table_bits"], state["mu"])
        return cls(state["weights"], parameters)
