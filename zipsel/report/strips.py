"""Explanations cut down to what a report shows of a record."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zipsel.explain.explanation import explain_texts
from zipsel.explain.model import Explanation
from zipsel.report.shown import SHOWN_CHARACTERS, Saving, Strip
from zipsel.scorers import as_explainable
from zipsel.scorers.profile import Profile

#: What of a text is parsed for its strip: more than is shown, so that shares are of the record.
_PARSED_BYTES = 1024

#: n-gram weight, in bits, from which a byte has the most heat; weights rarely exceed it.
FULL_HEAT_BITS = 1.0


def make_strips(profile: Profile, texts: Sequence[str]) -> list[Strip | None]:
    """Strips of whole texts; None throughout where the scorer cannot be explained."""
    if as_explainable(profile.scorer) is None or not texts:
        return [None] * len(texts)
    explanations = explain_texts(profile, texts, [""] * len(texts), explained_bytes=_PARSED_BYTES)
    n = ngram_length(profile)
    return [
        strip_of(explanation, text[:SHOWN_CHARACTERS], n)
        for text, explanation in zip(texts, explanations, strict=True)
    ]


def strip_of(explanation: Explanation, text: str, n: int) -> Strip:
    """The strip of the beginning of a text, from the explanation of the whole text."""
    return Strip(
        ngram=explanation.ngram,
        conditional=explanation.conditional,
        c_x=explanation.c_x,
        c_x_given_t=explanation.c_x_given_t,
        heat=heat_digits(text, explanation.weights, n),
        savings=_savings(text, explanation),
    )


def ngram_length(profile: Profile) -> int:
    """Bytes in an n-gram of the profile's n-gram part; 1 where it has none."""
    explainable = as_explainable(profile.scorer)
    parts = explainable.parts(profile.target.take(np.arange(1))) if explainable is not None else ()
    return next((one.ngram.parameters.n for one in parts if one.ngram is not None), 1)


def character_starts(text: str) -> NDArray[np.int64]:
    """Where each character's bytes begin in UTF-8, and where the last ends, ``(len + 1,)``."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    lengths = 1 + (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)
    return np.concatenate([[0], np.cumsum(lengths)])


def heat_digits(text: str, weights: Sequence[float], n: int) -> str:
    """One digit a character: the mean weight of the n-grams that cover it, 0 to ``FULL_HEAT_BITS``.

    Args:
        text: The characters.
        weights: Of the n-gram that begins at each byte of the text (and past it), in bits.
        n: Bytes in an n-gram.
    """
    if not len(weights) or not text:
        return ""
    starts = character_starts(text)
    padded = np.zeros(max(int(starts[-1]), len(weights)))
    padded[: len(weights)] = weights
    covering = np.convolve(padded, np.full(n, 1 / n))[: len(padded)]
    sums = np.concatenate([[0.0], np.cumsum(covering)])
    means = (sums[starts[1:]] - sums[starts[:-1]]) / np.diff(starts)
    levels = np.clip(np.ceil(np.sqrt(np.maximum(means, 0) / FULL_HEAT_BITS) * 9 - 0.5), 0, 9)
    return "".join(map(str, levels.astype(int).tolist()))


def _savings(text: str, explanation: Explanation) -> list[Saving]:
    starts = character_starts(text)
    savings: list[Saving] = []
    for span in explanation.spans:
        if span.kind != "target" or not span.saved_bytes or span.source is None:
            continue
        first = int(np.searchsorted(starts, span.start, side="right")) - 1
        last = min(len(text), int(np.searchsorted(starts, span.end)))
        if first < last:
            savings.append(
                Saving(
                    start=max(first, savings[-1].end if savings else 0),
                    end=last,
                    saved_bytes=round(span.saved_bytes, 2),
                    example=span.source.example,
                    source=span.source.text,
                )
            )
    return [saving for saving in savings if saving.start < saving.end]
