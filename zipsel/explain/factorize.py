"""A text as a chain of stretches: found in the target, repeated from itself, or new.

This is the greedy LZ77 parse (Ziv & Lempel 1977) of a text whose window begins with the target's
dictionary: at each byte the longest match of at least ``MIN_MATCH`` bytes, or else a literal. zstd
parses alike, with shortcuts of its own, but does not report its matches, so this parse replaces
zstd's. The cost of each stretch is estimated with and without the dictionary. The estimates serve
only to divide the saving that zstd was measured to make.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from zipsel.scorers.ngram import words_at_every_byte
from zipsel.texts import SLACK_BYTES, TextBatch

#: Shortest match, in bytes: what zstd's middle levels use.
MIN_MATCH = 5

#: Places of the dictionary that are tried for one match: the last ones, which zstd tries first.
_MAX_TRIED = 64

_WORD_MASK = (1 << (8 * MIN_MATCH)) - 1

#: Rough costs in bits, of a literal after Huffman coding and of a match's length.
_LITERAL_BITS = 6.0

_LENGTH_BITS = 8.0


class Factor(NamedTuple):
    """A stretch of a text.

    Attributes:
        start: First byte.
        end: Byte after the last.
        kind: ``target`` if the dictionary has it, ``repeat`` if the text had it before, ``new``.
        source: Its position in the dictionary (``target``) or in the text (``repeat``); else -1.
    """

    start: int
    end: int
    kind: Literal["target", "repeat", "new"]
    source: int


class DictionaryIndex:
    """Finds ``MIN_MATCH`` bytes of some texts in a dictionary.

    Args:
        dictionary: The target's bytes.
        texts: The only texts that will be parsed: what they do not contain is left out.
    """

    def __init__(self, dictionary: bytes, texts: Sequence[bytes]) -> None:
        self.dictionary = dictionary
        wanted = np.unique(np.concatenate([np.zeros(0, np.uint64), *map(_words, texts)]))
        words = _words(dictionary)
        slots = np.minimum(np.searchsorted(wanted, words), max(0, len(wanted) - 1))
        places = np.flatnonzero(wanted[slots] == words) if len(wanted) else np.zeros(0, np.int64)
        slots = slots[places]
        order = np.argsort(slots, kind="stable")
        self._places = places[order]
        bounds = np.searchsorted(slots[order], np.arange(len(wanted) + 1))
        self._bounds = {
            word: (low, high)
            for word, low, high in zip(
                wanted.tolist(), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True
            )
            if low < high
        }

    def longest(self, text: bytes, start: int) -> tuple[int, int]:
        """``(length, place)`` of the longest match of the text from ``start``; (0, -1) if none."""
        word = int.from_bytes(text[start : start + MIN_MATCH], "little")
        low, high = self._bounds.get(word, (0, 0))
        best, place = 0, -1
        dictionary = self.dictionary
        for candidate in self._places[max(low, high - _MAX_TRIED) : high][::-1].tolist():
            # A longer match has to agree in this byte too, which it rarely does: compare it first.
            ahead = slice(candidate + best, candidate + best + 1)
            if best and dictionary[ahead] != text[start + best : start + best + 1]:
                continue
            length = match_length(text, start, dictionary, candidate)
            if length > best:
                best, place = length, candidate
        return best, place


def _words(data: bytes) -> np.ndarray:
    """The ``MIN_MATCH`` bytes at every position that has as many, as integers."""
    n_positions = len(data) - MIN_MATCH + 1
    if n_positions <= 0:
        return np.zeros(0, np.uint64)
    buffer = np.frombuffer(data + bytes(SLACK_BYTES), np.uint8)
    words: np.ndarray = words_at_every_byte(buffer, 0, n_positions) & np.uint64(_WORD_MASK)
    return words


def match_length(left: bytes, i: int, right: bytes, j: int) -> int:
    """How many bytes of ``left`` from ``i`` equal those of ``right`` from ``j``."""
    limit = min(len(left) - i, len(right) - j)
    step, length = 16, 0
    while (
        length < limit
        and left[i + length : i + length + step] == (right[j + length : j + length + step])
    ):
        length += step
        step *= 2
    length = min(length, limit)
    while step > 1:
        step //= 2
        if left[i + length : i + length + step] == right[j + length : j + length + step]:
            length = min(limit, length + step)
    return length


def factorize(text: bytes, index: DictionaryIndex | None) -> list[Factor]:
    """Parse a text; neighbouring new bytes are one factor.

    Args:
        text: What to parse.
        index: Of the dictionary; None to let the text match only itself.
    """
    factors: list[Factor] = []
    seen: dict[bytes, int] = {}
    start = new_from = 0
    while start < len(text):
        repeat = seen.get(text[start : start + MIN_MATCH], -1)
        length = match_length(text, start, text, repeat) if repeat >= 0 else 0
        kind: Literal["target", "repeat"] = "repeat"
        source = repeat
        if index is not None:
            of_target, place = index.longest(text, start)
            if of_target > length:
                length, kind, source = of_target, "target", place
        if length < MIN_MATCH:
            seen[text[start : start + MIN_MATCH]] = start
            start += 1
            continue
        if new_from < start:
            factors.append(Factor(new_from, start, "new", -1))
        factors.append(Factor(start, start + length, kind, source))
        for i in range(start, start + length):
            seen[text[i : i + MIN_MATCH]] = i
        start += length
        new_from = start
    if new_from < start:
        factors.append(Factor(new_from, start, "new", -1))
    return factors


def estimate_bits(factor: Factor, dictionary_bytes: int) -> float:
    """Roughly what a factor costs: its bytes if new, else its length and distance."""
    if factor.kind == "new":
        return _LITERAL_BITS * (factor.end - factor.start)
    behind = dictionary_bytes if factor.kind == "target" else 0
    return _LENGTH_BITS + math.log2(1 + behind + factor.start - factor.source)


def estimate_savings(text: bytes, factors: Sequence[Factor], dictionary_bytes: int) -> list[float]:
    """Roughly the bits that each factor costs less than in a parse without the dictionary.

    0 for factors that are not from the target, and for those that save nothing.
    """
    alone = np.zeros(len(text) + 1)
    for factor in factorize(text, None):
        per_byte = estimate_bits(factor, 0) / (factor.end - factor.start)
        alone[factor.start + 1 : factor.end + 1] = per_byte
    alone = np.cumsum(alone)
    return [
        max(0.0, alone[f.end] - alone[f.start] - estimate_bits(f, dictionary_bytes))
        if f.kind == "target"
        else 0.0
        for f in factors
    ]


#: Bytes shown before and after a stretch.
_CONTEXT_BYTES = 16

#: Longest excerpt, in bytes.
_EXCERPT_BYTES = 160


class ExampleFinder:
    """Names the target example at a place in the dictionary.

    The dictionary is examples in their order, some left out, each followed by one byte; its
    first may lack its beginning. Examples are laid along it in that order.
    """

    def __init__(self, dictionary: bytes, target: TextBatch) -> None:
        self.dictionary = dictionary
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._examples: list[int] = []
        position = 0
        for number, example in enumerate(target.iter_encoded()):
            if position >= len(dictionary):
                break
            end = self._end_of(example, position)
            if end is None:
                continue
            self._starts.append(position)
            self._ends.append(end)
            self._examples.append(number)
            position = end + 1

    def _end_of(self, example: bytes, position: int) -> int | None:
        """Where an example ends that begins at a position, whole or as the first's tail."""
        end = position + len(example)
        if self.dictionary.startswith(example, position):
            return end if self.dictionary[end : end + 1] in (b"", b"\n") else None
        return len(self.dictionary) if position == 0 and example.endswith(self.dictionary) else None

    def find(self, place: int, n_bytes: int) -> dict[str, Any]:
        """``example`` (-1 if the stretch is not inside one) and ``text``, an excerpt."""
        i = bisect_right(self._starts, place) - 1
        inside = i >= 0 and place + n_bytes <= self._ends[i]
        low, high = (self._starts[i], self._ends[i]) if inside else (0, len(self.dictionary))
        first = max(low, place - _CONTEXT_BYTES)
        last = min(high, place + min(n_bytes, _EXCERPT_BYTES) + _CONTEXT_BYTES)
        excerpt = self.dictionary[first:last].decode(errors="ignore")
        before = "…" if first > low else ""
        after = "…" if last < high else ""
        return {"example": self._examples[i] if inside else -1, "text": before + excerpt + after}
