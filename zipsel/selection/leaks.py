"""Texts that hold a target example, or one of a benchmark that must not leak.

A text copied from the target compresses to almost nothing given the target, so a targeted selector
ranks it first. A text is a leak when its normalized form equals an example's, or when enough of
the word n-grams of one example stand in it: in the manner of the GPT-3 paper's overlap analysis
(Brown et al. 2020, appendix C; 13-grams), but counted against the example, so that a short item
buried in a long page is found. An example of fewer words than n, but at least eight, leaks when it
stands in the text whole.

Only the examples' n-grams are kept, as 64-bit hashes of word numbers: memory follows the target.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from zipsel.scorers.profile import ProfileFile, load_cached
from zipsel.selection.settings import LeakRule

#: Shorter examples are phrases, which innocent texts have too.
_SHORTEST_WORDS = 8

_REMEMBERED = 4096

#: Words that are looked up together to rule a text out.
_SEED_WORDS = 4

_WORD = re.compile(r"\w+")
_SPACE = re.compile(r"\s")

#: Characters of a text whose words are held at once, about.
_STRETCH_CHARACTERS = 1 << 20
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Leak(NamedTuple):
    """What a text holds.

    Attributes:
        source: ``target``, or the name of the file to keep out.
        example: Number of the example there, from 0.
        overlap: Share of the example's n-grams that the text has; 1 for a copy.
    """

    source: str
    example: int
    overlap: float


def normalize(text: str) -> str:
    """Case and white space do not count."""
    return " ".join(text.casefold().split())


def words_of(text: str) -> list[str]:
    """Runs of letters, digits and underscores, case-folded."""
    return _WORD.findall(text.casefold())


def _stretches(text: str) -> Iterator[str]:
    """Cut a text at white space, so that the words of a long one are never held all at once."""
    start = 0
    while space := _SPACE.search(text, start + _STRETCH_CHARACTERS):
        yield text[start : space.start()]
        start = space.start()
    yield text[start:]


class LeakIndex:
    """Finds examples, ``(source, number, text)``, in texts."""

    def __init__(
        self, sources: Sequence[str], examples: Iterable[tuple[int, int, str]], rule: LeakRule
    ) -> None:
        self.sources = list(sources)
        self.rule = rule
        self._copies: dict[bytes, tuple[int, int]] = {}
        self._numbers: dict[str, int] = {}
        self._places: list[tuple[int, int]] = []
        self._found: dict[bytes, Leak | None] = {}
        grams: dict[int, list[tuple[NDArray[np.uint64], int]]] = {}
        totals: list[int] = []
        #: Numbers of words that examples have, and all their runs of ``_seed_words`` words.
        self._n_words: set[int] = set()
        self._seeds: set[tuple[str, ...]] = set()
        self._seed_words = min(_SEED_WORDS, rule.ngram)
        for source, number, text in examples:
            self._copies.setdefault(_digest(text), (source, number))
            words = words_of(text)
            numbers = self._number(words)
            self._n_words.add(len(words))
            length = min(rule.ngram, len(numbers))
            if length < min(_SHORTEST_WORDS, rule.ngram):
                continue
            self._seeds.update(zip(*(words[i:] for i in range(self._seed_words)), strict=False))
            starts = np.arange(len(numbers) - length + 1)
            hashes = np.unique(_hash_windows(numbers, length, starts))
            grams.setdefault(length, []).append((hashes, len(self._places)))
            self._places.append((source, number))
            totals.append(len(hashes))
        self._totals = np.array(totals, np.int64)
        #: Window length → sorted hashes and the example of each.
        self._tables = {length: _merge(found) for length, found in sorted(grams.items())}

    def _number(self, words: list[str]) -> NDArray[np.uint64]:
        """Numbers of an example's words, from 1, new ones as they come."""
        numbers = self._numbers
        return np.array([numbers.setdefault(word, len(numbers) + 1) for word in words], np.uint64)

    def find(self, text: str) -> Leak | None:
        """The example that a text holds most of, if it holds enough."""
        words = words_of(text) if len(text) <= _STRETCH_CHARACTERS else None
        if words is None or len(words) in self._n_words:
            copy = self._copies.get(_digest(text))
            if copy is not None:
                return Leak(self.sources[copy[0]], copy[1], 1.0)
        if words is not None and not self._may_hold_ngram(words):
            return None
        get = self._numbers.get
        numbers = np.concatenate(
            [
                np.array([get(word, 0) for word in some], np.uint64)
                for some in ([words] if words is not None else map(words_of, _stretches(text)))
            ]
        )
        best: Leak | None = None
        for length, (hashes, examples) in self._tables.items():
            if len(numbers) < length:
                break
            needed = self.rule.overlap if length == self.rule.ngram else 1.0
            for example, overlap in self._overlaps(numbers, length, hashes, examples):
                if overlap >= needed and (best is None or overlap > best.overlap):
                    source, number = self._places[example]
                    best = Leak(self.sources[source], number, round(overlap, 4))
        return best

    def _may_hold_ngram(self, words: list[str]) -> bool:
        """Whether words could hold an n-gram of an example.

        A run of as many words as the shortest n-gram has contains a seed that begins at a multiple
        of the stride, so that only these seeds are looked up.
        """
        n, seeds = self._seed_words, self._seeds
        stride = min(self._tables, default=n) - n + 1
        starts = range(0, len(words) - n + 1, stride)
        return any(tuple(words[i : i + n]) in seeds for i in starts)

    def find_again(self, digest: bytes, text: str) -> Leak | None:
        """As ``find``, remembering the last few thousand texts by digest: pools hold copies."""
        if digest not in self._found:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[digest] = self.find(text)
        return self._found[digest]

    def _overlaps(
        self,
        numbers: NDArray[np.uint64],
        length: int,
        hashes: NDArray[np.uint64],
        examples: NDArray[np.int64],
    ) -> list[tuple[int, float]]:
        """Examples with n-grams in the text, and the share of theirs that are there."""
        # A word that no example has (number 0) cannot be part of a shared n-gram.
        known = np.convolve(numbers != 0, np.ones(length, np.int64), "valid") == length
        if not known.any():
            return []
        found = np.unique(_hash_windows(numbers, length, np.flatnonzero(known)))
        starts = np.searchsorted(hashes, found, side="left")
        ends = np.searchsorted(hashes, found, side="right")
        hits = [examples[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True) if a < b]
        if not hits:
            return []
        which, counts = np.unique(np.concatenate(hits), return_counts=True)
        shares = counts / self._totals[which]
        return list(zip(which.tolist(), shares.tolist(), strict=True))


def _digest(text: str) -> bytes:
    digest, gap = blake2b(digest_size=16), b""
    for stretch in _stretches(text):
        if normalized := normalize(stretch):
            digest.update(gap + normalized.encode())
            gap = b" "
    return digest.digest()


def _hash_windows(
    numbers: NDArray[np.uint64], length: int, starts: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Hash of each run of ``length`` words that begins at one of ``starts``, uint64."""
    hashes = np.zeros(len(starts), np.uint64)
    for i in range(length):
        hashes = (hashes ^ numbers[starts + i]) * _MULTIPLIER
        hashes ^= hashes >> np.uint64(29)
    return hashes


def _merge(
    found: list[tuple[NDArray[np.uint64], int]],
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    hashes = np.concatenate([each for each, _ in found])
    examples = np.concatenate([np.full(len(each), example) for each, example in found])
    order = np.argsort(hashes, kind="stable")
    return hashes[order], examples[order]


@dataclass(frozen=True)
class LeakSources:
    """Where the examples come from, as a task can carry it.

    Attributes:
        profile: The profile, whose target must not leak.
        exclude_path: A file of further texts; None for none.
        exclude_digest: Of those texts; the same path holds others in another run.
        rule: When a text is a leak.
    """

    profile: ProfileFile
    exclude_path: str | None
    exclude_digest: str
    rule: LeakRule


@lru_cache(maxsize=1)
def load_index(sources: LeakSources) -> LeakIndex:
    """Build the index, once per process."""
    examples = [
        (0, number, text)
        for number, text in enumerate(load_cached(sources.profile).target.iter_texts())
    ]
    names = ["target"]
    if sources.exclude_path is not None:
        with open(sources.exclude_path, "rb") as file:
            excluded: list[tuple[str, list[str]]] = msgspec.msgpack.decode(file.read())
        for name, texts in excluded:
            examples.extend((len(names), number, text) for number, text in enumerate(texts))
            names.append(name)
    return LeakIndex(names, examples, sources.rule)
