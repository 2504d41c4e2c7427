"""How often a subset holds each n-gram of the target, and what one more text would gain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zipsel.scorers.target_ngrams import TargetNgrams

#: n-grams of the pool that the subset's code starts from, for each byte of a stage.
PRIOR_STRENGTH = 1.0

#: What gains are whole numbers of: fine enough for any choice, coarse enough that the sum over the
#: n-grams of a text is exact in float64.
_RESOLUTION = 2.0**-20


class SubsetCode:
    """How often the subset holds each n-gram of the target, and what one more text would gain.

    log((c + 1) / c) is 1 / (c + 1/2) but for terms of third order, and a quotient is the same on
    every machine, which a logarithm is not.

    Args:
        ngrams: The target's n-grams.
    """

    def __init__(self, ngrams: TargetNgrams) -> None:
        self._ngrams = ngrams
        self._counts = np.zeros(len(ngrams))
        #: Number of texts taken when the n-gram was first held; 0 while the subset lacks it.
        self.first_rank = np.zeros(len(ngrams), np.int64)
        self.n_taken = 0
        self.strength = 0.0
        #: ``strength`` times the gain of one more text with an n-gram, in ``_RESOLUTION``: a
        #: numerator over the texts that hold it and the pool's share.
        self.gains = np.zeros(len(ngrams))
        self._numerators = np.zeros(len(ngrams))
        self._shares = np.zeros(len(ngrams))

    def begin_stage(self, end_bytes: int) -> None:
        """Give the pool the strength that it has in the stage that ends there."""
        self.strength = PRIOR_STRENGTH * end_bytes
        self._numerators = self.strength * self._ngrams.weights / _RESOLUTION
        self._shares = self.strength * self._ngrams.shares
        self.gains = np.rint(self._numerators / (self._counts + self._shares + 0.5))

    def gain_of(self, numbers: NDArray[np.uint32]) -> float:
        """What a text with these n-grams, each once, would gain."""
        return float(np.add.reduce(self.gains.take(numbers)))

    def add(self, numbers: NDArray[np.uint32]) -> None:
        """Take a text with these n-grams, each once."""
        self.n_taken += 1
        counts = self._counts.take(numbers) + 1
        self._counts.put(numbers, counts)
        gains = self._numerators.take(numbers) / (counts + self._shares.take(numbers) + 0.5)
        self.gains.put(numbers, np.rint(gains))
        self.first_rank.put(numbers[counts == 1], self.n_taken)

    def to_bits(self, gain: float) -> float:
        """A gain of this stage in bits per n-gram of the target."""
        return gain * _RESOLUTION / self.strength / _NATS_PER_BIT


_NATS_PER_BIT = float(np.log(2))
