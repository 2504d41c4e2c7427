"""``conditional``: the fraction of a text's size that a dictionary of the target saves.

With C(x) the zstd size of a text in bytes, and C(x | T) its size when the compressor begins with
the target examples T as its window (a raw-content dictionary)::

    alignment(x) = 1 - C(x | T) / C(x)

0: the target tells nothing about x; 1: everything in x is already in the target. One dictionary
takes the place of ZIP-FIT's n pairs, so that the cost is O(|x|) and not O(n |x|). CDM (Keogh et al.
2004) and FTCC classify texts in the same way.

A larger dictionary gains nothing beyond noise inside ``fused`` (measured 2026-11-23, two targets of
2 MB against a pool of 20,000 records, 0.4 MB chosen, bits per byte of the PPM judge).
Sizes from 64 KB to everything, zstd 9, larger match tables, examples chosen to cover n-grams, their
order and de-duplication lie within 0.02; two random dictionaries of 110 KB differ by up to 0.01;
the most typical examples were worst. Four dictionaries averaged gained 0.02 on one target and
nothing on the other, at 3.6 times the cost. So there is one dictionary, an even spread of the
examples up to ``DICTIONARY_BYTES``, and ``ngram`` counts them all. At level 3 zstd would load the
last 1 MB of a larger one only.

Level: inside ``fused`` zstd 1, 3 and 9 differ by 0.002; alone, 9 is 0.009 better than 3 at three
times the cost, and 1 is 0.007 worse. Subtracting the 9 bytes of a frame changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zipsel.errors import UsageError
from zipsel.pool.shards import CHUNK_BYTES
from zipsel.scorers import Parts, ScoreColumns, State
from zipsel.scorers.codecs import CODECS, check_codec
from zipsel.texts import TextBatch, join_batches

if TYPE_CHECKING:
    from zipsel.scorers.fit import FitSettings

#: A dictionary larger than this gains little and costs cache misses on every text.
DICTIONARY_BYTES = 1 << 19


def check_zstd(codec: str | None, level: int | None) -> int:
    """Return the zstd level to use.

    Raises:
        UsageError: If another codec is asked for, or the level is out of zstd's range.
    """
    if codec not in (None, "zstd"):
        raise UsageError(
            f"--codec {codec} goes with --scorer ncd; this scorer compresses with zstd"
        )
    return check_codec("zstd", level)


def make_dictionary(target: TextBatch, limit_bytes: int = DICTIONARY_BYTES) -> bytes:
    """Target examples joined by newlines, each distinct text once.

    Beyond the limit, only an even spread of the examples is used.
    """
    distinct = list(dict.fromkeys(target.iter_encoded()))
    total = sum(map(len, distinct)) + len(distinct)
    if total > limit_bytes:
        n_kept = max(1, len(distinct) * limit_bytes // total)
        distinct = [distinct[i * len(distinct) // n_kept] for i in range(n_kept)]
    return b"\n".join(distinct)[-limit_bytes:]


@dataclass(frozen=True)
class ConditionalScorer:
    """Fraction of each text's compressed size that the target saves.

    Attributes:
        dictionary: Bytes of the target, which zstd takes for the beginning of its window.
        level: zstd level of both compressions.
    """

    name: ClassVar[str] = "conditional"
    takes: ClassVar[frozenset[str]] = frozenset({"codec", "level"})
    needs_sample: ClassVar[bool] = False
    chunk_bytes: ClassVar[int] = CHUNK_BYTES
    columns: ClassVar[dict[str, str]] = {
        "alignment": "float64",
        "c_x": "int32",
        "c_x_given_t": "int32",
    }

    dictionary: bytes
    level: int = CODECS["zstd"].default

    @classmethod
    def check(cls, settings: FitSettings) -> None:
        """Refuse a level that zstd does not have (``UsageError``)."""
        check_zstd(settings.codec, settings.level)

    @classmethod
    def fit(
        cls, examples: Mapping[str, TextBatch], sample: TextBatch, settings: FitSettings
    ) -> ConditionalScorer:
        """Make the dictionary."""
        target = join_batches(list(examples.values()))
        return cls(make_dictionary(target), check_zstd(settings.codec, settings.level))

    @cached_property
    def _compressors(self) -> tuple[Any, Any]:
        import zstandard

        frame: dict[str, Any] = {
            "level": self.level,
            "write_content_size": False,
            "write_checksum": False,
            "write_dict_id": False,
        }
        dictionary = zstandard.ZstdCompressionDict(
            self.dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT
        )
        # The level given here wins over the compressor's own.
        dictionary.precompute_compress(level=self.level)
        return (
            zstandard.ZstdCompressor(**frame),
            zstandard.ZstdCompressor(**frame, dict_data=dictionary),
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields only: the compressors do not pickle."""
        return {"dictionary": self.dictionary, "level": self.level}

    def sizes(
        self, batch: TextBatch, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """``(c_x, c_x_given_t)`` of the texts at ``rows``, bytes, int32 ``(len(rows),)`` each.

        An empty text has sizes of 1, so that its alignment is 0.
        """
        import zstandard

        c_x, c_x_given_t = np.ones(len(rows), np.int32), np.ones(len(rows), np.int32)
        n_bytes = batch.n_bytes[rows]
        filled = np.flatnonzero(n_bytes)
        if len(filled):
            segments = np.empty((len(filled), 2), np.uint64)
            segments[:, 0] = batch.offsets[:-1][rows[filled]]
            segments[:, 1] = n_bytes[filled]
            texts = zstandard.BufferWithSegments(batch.buffer.data, segments.tobytes())
            for compressor, sizes in zip(self._compressors, (c_x, c_x_given_t), strict=True):
                frames = compressor.multi_compress_to_buffer(texts)
                sizes[filled] = np.fromiter(map(len, frames), np.int32, len(filled))
        return c_x, c_x_given_t

    def score(self, batch: TextBatch) -> ScoreColumns:
        """Score texts by both sizes, which are columns of their own."""
        c_x, c_x_given_t = self.sizes(batch, np.arange(len(batch)))
        return {"alignment": 1 - c_x_given_t / c_x, "c_x": c_x, "c_x_given_t": c_x_given_t}

    def parts(self, batch: TextBatch) -> Sequence[Parts]:
        """As ``Explainable.parts``: the scorer itself."""
        return [Parts(self, None)] * len(batch)

    def state(self) -> State:
        """As ``Scorer.state``."""
        return {"dictionary": self.dictionary, "level": self.level}

    @classmethod
    def from_state(cls, state: State) -> ConditionalScorer:
        """As ``Scorer.from_state``."""
        return cls(state["dictionary"], state["level"])
