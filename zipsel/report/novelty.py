"""What each record of ``cover`` added: the gain along the ranking, and n-grams that were new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zipsel.evaluation.verdicts import Curve
from zipsel.report.strips import character_starts
from zipsel.scorers.target_ngrams import ABSENT, TargetNgrams
from zipsel.storage.columns import Columns, stretches
from zipsel.texts import TextBatch

#: Points of the curve, at most.
_N_POINTS = 200


def new_characters(
    ngrams: TargetNgrams, texts: Sequence[str], ranks: Sequence[int], first_ranks: NDArray[np.int64]
) -> list[str]:
    """Which characters of texts lie in an n-gram of the target that the subset did not hold.

    Args:
        ngrams: The target's n-grams.
        texts: The texts, or beginnings of them.
        ranks: Rank of each in the subset; 0 for those that were not taken.
        first_ranks: Rank of the first record that holds each n-gram; 0 where none does.

    Returns:
        One digit a character: 1 for those that were new when the record was taken.
    """
    if len(ngrams) == 0:  # of a target of very short examples
        return ["0" * len(text) for text in texts]
    batch = TextBatch.from_texts(texts)
    numbers = ngrams.at_every_byte(batch)
    found = []
    for i, (text, rank) in enumerate(zip(texts, ranks, strict=True)):
        of_text = numbers[batch.offsets[i] : batch.offsets[i + 1]]
        is_new = (of_text != ABSENT) & (first_ranks.take(of_text, mode="clip") == rank)
        covered = np.convolve(is_new, np.ones(ngrams.parameters.n, np.int64))[: len(of_text)]
        sums = np.concatenate([[0], np.cumsum(covered)])
        starts = character_starts(text)
        marked = sums[starts[1:]] > sums[starts[:-1]]
        found.append("".join("1" if one else "0" for one in marked.tolist()))
    return found


def gain_curve(
    n_bytes: NDArray[np.int64], gains: NDArray[np.float64], columns: Columns
) -> Curve | None:
    """The gain of all records up to each rank; None if nothing was chosen.

    Args:
        n_bytes: Bytes of each record's text, best first.
        gains: Gain of each, in bits per n-gram of the target.
        columns: Holds their sums.
    """
    if len(gains) < 2 or not gains.any():
        return None
    sizes, total = running_sum(n_bytes, columns), running_sum(gains, columns)
    at = turning_point(sizes, total)
    shown = np.unique(np.linspace(0, len(gains) - 1, min(_N_POINTS, len(gains))).astype(int))
    points = list(zip(sizes[shown].tolist(), total[shown].tolist(), strict=True))
    return Curve(
        title="Gain along the ranking",
        x_label="subset, bytes of text",
        y_label="Gain so far, bits per n-gram of the target",
        series={"gain": points},
        mark=float(sizes[at]),
        mark_name="returns diminish",
        note=f"What each record adds to those before it, added up. From the mark on "
        f"(record {at + 1:,}) a byte of text adds less than the average byte of the subset does.",
    )


def turning_point(x: NDArray[np.float64], y: NDArray[np.float64]) -> int:
    """Where a rising curve that flattens lies farthest above the line between its ends.

    Satopää et al. 2011 ("Kneedle") call it the knee.
    """
    high, wide = (max(float(of[-1] - of[0]), np.finfo(float).tiny) for of in (y, x))
    best, at = -np.inf, 0
    for some in stretches(len(x)):
        above = (y[some] - y[0]) / high - (x[some] - x[0]) / wide
        highest = int(np.argmax(above))
        if above[highest] > best:
            best, at = float(above[highest]), some.start + highest
    return at


def running_sum(values: NDArray[Any], columns: Columns) -> NDArray[np.float64]:
    """The sum of all values up to each."""
    sums, before = columns.zeros(len(values), np.float64), 0.0
    for some in stretches(len(values)):
        sums[some] = np.cumsum(np.append(before, values[some]))[1:]
        before = float(sums[some.stop - 1])
    return sums
