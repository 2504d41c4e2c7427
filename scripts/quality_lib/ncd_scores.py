"""ZIP-FIT's alignment, computed faster than by its package and equal to it.

The package `zip-fit` 1.0.9 scores a pool text x by 1 minus the mean over target examples y of

    NCD(x, y) = (C(x ⊕ y) - min(C(x), C(y))) / max(C(x), C(y))

(arXiv 2410.18194, algorithm 1). Here C(x) and C(y) are computed once, and gzip's level 0, which
the package takes by default and which stores without compressing, comes from a table of lengths.
`compare_with_package` checks the equality on a sample.
"""

import gzip
import zlib
from collections.abc import Callable, Sequence

import lz4.frame
import numpy as np
from numpy.typing import NDArray

# Accept gzip's container: window of 2**15 bytes, plus 16 for the header and trailer.
GZIP_WINDOW_BITS = 31
Size = Callable[[bytes], int]


def gzip_9_size(text: bytes) -> int:
    """Bytes of `text` in a gzip container at level 9."""
    return len(zlib.compress(text, 9, GZIP_WINDOW_BITS))


def lz4_0_size(text: bytes) -> int:
    """Bytes of `text` in an lz4 frame at level 0."""
    return len(lz4.frame.compress(text, compression_level=0))


def _combine(
    c_x: float, c_y: NDArray[np.float64], c_xy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """NCD of one pool text to every example, from compressed sizes in bytes."""
    return (c_xy - np.minimum(c_x, c_y)) / np.maximum(c_x, c_y)


def compute_alignments(
    texts: Sequence[bytes], examples: Sequence[bytes], size: Size
) -> NDArray[np.float64]:
    """ZIP-FIT alignment of each text, shape `(n_texts,)`, with the codec behind `size`."""
    c_y = np.array([size(example) for example in examples], dtype=np.float64)
    alignments = np.empty(len(texts))
    for i, text in enumerate(texts):
        c_xy = np.array([size(text + example) for example in examples], dtype=np.float64)
        alignments[i] = 1 - _combine(size(text), c_y, c_xy).mean()
    return alignments


def compute_stored_alignments(
    texts: Sequence[bytes], examples: Sequence[bytes]
) -> NDArray[np.float64]:
    """ZIP-FIT alignment at gzip's level 0, where a size depends on the length alone."""
    x_lengths = np.array(list(map(len, texts)))
    y_lengths = np.array(list(map(len, examples)))
    n_longest = int(x_lengths.max() + y_lengths.max())
    stored = np.array([len(gzip.compress(bytes(n), 0)) for n in range(n_longest + 1)], float)
    of_length = {
        n: 1 - _combine(stored[n], stored[y_lengths], stored[n + y_lengths]).mean()
        for n in np.unique(x_lengths).tolist()
    }
    return np.array([of_length[n] for n in x_lengths.tolist()])


def compare_with_package(
    texts: Sequence[bytes], examples: Sequence[bytes], codec: str, level: int
) -> dict[str, float]:
    """Largest difference between our alignments and those of `zip-fit` on the same sample.

    The package returns texts with scores; the sample must hold no text twice.
    """
    from zip_fit import ZIPFIT

    package = ZIPFIT("", "", len(texts), compression_algorithm=codec, compress_level=level)
    theirs = dict(
        package.rank_sequences_by_alignment(
            [text.decode() for text in texts], [example.decode() for example in examples]
        )
    )
    if level == 0 and codec == "gzip":
        ours = compute_stored_alignments(texts, examples)
    else:
        size = {"gzip": gzip_9_size, "lz4": lz4_0_size}[codec]
        ours = compute_alignments(texts, examples, size)
    gaps = [
        abs(float(theirs[text.decode()]) - score) for text, score in zip(texts, ours, strict=True)
    ]
    return {"n_texts": len(texts), "n_examples": len(examples), "largest_difference": max(gaps)}
