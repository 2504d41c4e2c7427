"""Texts in bulk: a batch is one UTF-8 buffer and the offsets that cut it.

The shape is Arrow's ``large_string`` (values and offsets), so that scorers run over whole batches
in numpy and hand the very same bytes to zstandard without making a Python object per text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

#: Bytes that every buffer holds past its last text, so that a kernel may read an 8-byte word at
#: any byte of any text.
SLACK_BYTES = 8

#: Text that is scored at once: large enough to amortize Python, small enough for the cache.
BATCH_BYTES = 1 << 20


@dataclass(frozen=True)
class TextBatch:
    """Texts as UTF-8, end to end.

    Attributes:
        buffer: uint8, at least ``offsets[-1] + SLACK_BYTES`` long; only ``offsets`` says what
            is text.
        offsets: int64 ``(n_records + 1,)``, ``offsets[0] == 0``; text i is
            ``buffer[offsets[i]:offsets[i + 1]]``.
    """

    buffer: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    @classmethod
    def from_encoded(cls, texts: Sequence[bytes]) -> TextBatch:
        """Join texts that are UTF-8 already."""
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=offsets[1:])
        buffer = np.frombuffer(b"".join([*texts, b"\0" * SLACK_BYTES]), np.uint8)
        return cls(buffer, offsets)

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> TextBatch:
        """Encode and join texts.

        Raises:
            UnicodeEncodeError: If a text holds a lone surrogate.
        """
        import pyarrow as pa

        joined = pa.array([*texts, "\0" * SLACK_BYTES], pa.large_string())
        _, offsets, buffer = joined.buffers()
        return cls(np.frombuffer(buffer, np.uint8), np.frombuffer(offsets, np.int64)[: len(joined)])

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.offsets) - 1

    @property
    def n_bytes(self) -> NDArray[np.int64]:
        """UTF-8 length of each text, int64 ``(n_records,)``."""
        return np.diff(self.offsets)

    def iter_encoded(self) -> Iterator[bytes]:
        """Yield each text as UTF-8 bytes."""
        data = self.buffer.tobytes()
        for start, end in pairwise(self.offsets.tolist()):
            yield data[start:end]

    def iter_texts(self) -> Iterator[str]:
        """Yield each text as a string."""
        for encoded in self.iter_encoded():
            yield encoded.decode()

    def take(self, rows: NDArray[np.int64]) -> TextBatch:
        """The texts at the positions ``rows``, in that order, as a batch of their own."""
        data = self.buffer
        starts, ends = self.offsets[rows], self.offsets[rows + 1]
        return TextBatch.from_encoded(
            [data[a:b].tobytes() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        )


def join_batches(batches: Sequence[TextBatch]) -> TextBatch:
    """The texts of several batches, one batch after the other."""
    if len(batches) == 1:
        return batches[0]
    ends = np.cumsum([0, *(batch.offsets[-1] for batch in batches)])
    offsets = [batch.offsets[:-1] + end for batch, end in zip(batches, ends[:-1], strict=True)]
    buffers = [batch.buffer[: batch.offsets[-1]] for batch in batches]
    return TextBatch(
        np.concatenate([*buffers, np.zeros(SLACK_BYTES, np.uint8)]),
        np.concatenate([*offsets, ends[-1:]]),
    )
