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
        self.strength = 0.0
        #: ``strength`` times the gain of one more text with an n-gram, in ``_RESOLUTION``: a
        #: numerator over the texts that hold it and the pool's share.
        self.gains = np.zeros(len(ngrams))
        self._numerators = np.zeros(len(ngrams))
        self._priors = np.zeros(len(ngrams))

    def begin_stage(self, end_bytes: int) -> None:
        """Give the pool the strength that it has in the stage that ends there."""
        self.strength = PRIOR_STRENGTH * end_bytes
        self._numerators = self.strength * self._ngrams.weights / _RESOLUTION
        self._priors = self.strength * self._ngrams.shares + 0.5
        self.gains = np.rint(self._numerators / (self._counts + self._priors))

    def gain_of(self, numbers: NDArray[np.int64]) -> float:
        """What a text with these n-grams, each once, would gain."""
        return float(np.add.reduce(self.gains[numbers]))

    def add(self, numbers: NDArray[np.int64]) -> None:
        """Take a text with these n-grams, each once."""
        counts = self._counts[numbers]
        counts += 1
        self._counts[numbers] = counts
        counts += self._priors[numbers]
        self.gains[numbers] = np.rint(self._numerators[numbers] / counts)

    def to_bits(self, gain: float) -> float:
        """A gain of this stage in bits per n-gram of the target."""
        return gain * _RESOLUTION / self.strength / _NATS_PER_BIT


_NATS_PER_BIT = float(np.log(2))
