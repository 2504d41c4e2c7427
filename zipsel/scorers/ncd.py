"""``ncd``: ZIP-FIT exactly (arXiv 2410.18194, algorithm 1; `stair-lab/ZIP-FIT`).

With C the compressed size in bytes, y_1 ... y_n the target examples and plain concatenation, pool
text first::

    NCD(x, y) = (C(xy) - min(C(x), C(y))) / max(C(x), C(y))
    alignment(x) = 1 - mean of NCD(x, y_j)

Differences from the reference: the mean is ``math.fsum``'s, so that the order of the target does
not matter; gzip level 0 is refused; ties have a total order; each C(y) is computed once per run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zipsel.errors import UsageError
from zipsel.pool.shards import CHUNK_BYTES
from zipsel.scorers import ScoreColumns, State
from zipsel.scorers.codecs import PairSizeFunction, check_codec, pair_size_function, size_function
from zipsel.texts import TextBatch, join_batches

if TYPE_CHECKING:
    from zipsel.scorers.fit import FitSettings

DEFAULT_CODEC = "gzip"


def ncd(c_x: int, c_y: NDArray[np.int64], c_xy: NDArray[np.int64]) -> NDArray[np.float64]:
    """Normalized compression distances of a text from others, by compressed sizes in bytes.

    0 is near-identical; may slightly exceed 1 and is never clamped.
    Cilibrasi & Vitányi 2005, eq. 6; ZIP-FIT (arXiv 2410.18194), algorithm 1.

    Args:
        c_x: Size of the text.
        c_y: Sizes of the others, int64 ``(n,)``.
        c_xy: Sizes of the text followed by each of them, int64 ``(n,)``.
    """
    distances: NDArray[np.float64] = (c_xy - np.minimum(c_x, c_y)) / np.maximum(c_x, c_y)
    return distances


@dataclass(frozen=True)
class NcdScorer:
    """Mean alignment with every target example, in UTF-8."""

    name: ClassVar[str] = "ncd"
    takes: ClassVar[frozenset[str]] = frozenset({"codec", "level"})
    needs_sample: ClassVar[bool] = False
    chunk_bytes: ClassVar[int] = CHUNK_BYTES >> 5
    columns: ClassVar[dict[str, str]] = {"alignment": "float64", "c_x": "int32"}

    target: tuple[bytes, ...]
    codec: str
    level: int

    @classmethod
    def check(cls, settings: FitSettings) -> None:
        """Refuse a codec or level that cannot be used (``UsageError``)."""
        size_function(settings.codec or DEFAULT_CODEC, settings.level)

    @classmethod
    def fit(
        cls, examples: Mapping[str, TextBatch], sample: TextBatch, settings: FitSettings
    ) -> NcdScorer:
        """Keep the examples; a ``UsageError`` if there is none."""
        target = join_batches(list(examples.values()))
        if len(target) == 0:
            raise UsageError("the target has no example")
        codec = settings.codec or DEFAULT_CODEC
        return cls(tuple(target.iter_encoded()), codec, check_codec(codec, settings.level))

    @cached_property
    def _sizes(self) -> PairSizeFunction:
        return pair_size_function(self.codec, self.level)

    @cached_property
    def _c_targets(self) -> NDArray[np.int64]:
        size = size_function(self.codec, self.level)
        return np.array([size(y) for y in self.target])

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields only: the rest is computed from them."""
        return {"target": self.target, "codec": self.codec, "level": self.level}

    def score(self, batch: TextBatch) -> ScoreColumns:
        """Score texts; their own compressed sizes are a column."""
        sizes_of, c_targets = self._sizes, self._c_targets
        alignments, sizes = np.empty(len(batch)), np.empty(len(batch), np.int32)
        for i, x in enumerate(batch.iter_encoded()):
            c_x, c_pairs = sizes_of(x, self.target)
            distances = ncd(c_x, c_targets, np.array(c_pairs)).tolist()
            alignments[i] = 1 - math.fsum(distances) / len(distances)
            sizes[i] = c_x
        return {"alignment": alignments, "c_x": sizes}

    def state(self) -> State:
        """As ``Scorer.state``."""
        return {
            "target": TextBatch.from_encoded(self.target).buffer,
            "offsets": TextBatch.from_encoded(self.target).offsets,
            "codec": self.codec,
            "level": self.level,
        }

    @classmethod
    def from_state(cls, state: State) -> NcdScorer:
        """As ``Scorer.from_state``."""
        target = TextBatch(state["target"], state["offsets"])
        return cls(tuple(target.iter_encoded()), state["codec"], state["level"])
