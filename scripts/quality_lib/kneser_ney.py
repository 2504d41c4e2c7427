"""Word n-gram models with interpolated modified Kneser-Ney smoothing (Chen & Goodman 1998).

The package `kenlm` asks models but does not estimate them from Python, and `nltk.lm` has neither
the modified discounts nor the speed for 50 MB of text, so the estimate stands here. n-grams are
nodes: one of k words is the node of its first k - 1 words and its last word, so that a text is
followed through all orders with one search in a sorted table for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Words that every model knows: the beginning of a text (never predicted), its end, all others.
BEGIN, END, UNKNOWN = 0, 1, 2
N_SPECIAL = 3
# Discounts where an order has too few n-grams to estimate them from.
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)

Words = NDArray[np.int64]


@dataclass(frozen=True)
class Texts:
    """Texts as numbers of words, each from `BEGIN` to `END`.

    Attributes:
        words: All texts, one after another.
        places: Place of each word in its text; 0 is `BEGIN`.
    """

    words: Words
    places: Words

    @classmethod
    def join(cls, texts: Sequence[Words]) -> "Texts":
        """From the words of each text."""
        framed = [np.concatenate([[BEGIN], text, [END]]) for text in texts]
        places = [np.arange(len(text)) for text in framed]
        return cls(np.concatenate(framed).astype(np.int64), np.concatenate(places))

    @property
    def starts(self) -> Words:
        """Where each text begins."""
        return np.flatnonzero(self.places == 0)


@dataclass(frozen=True)
class Order:
    """The n-grams of one length.

    Attributes:
        keys: Node of all words but the last, times the number of words, plus the last; sorted.
        discounted: Count of each less its discount.
        totals: Sum of the counts of each node as a context.
        shares: Probability that each context leaves to the next shorter one.
    """

    keys: Words
    discounted: NDArray[np.float64]
    totals: NDArray[np.float64]
    shares: NDArray[np.float64]

    def find(self, keys: Words) -> Words:
        """Node of each key; -1 where there is none."""
        if len(self.keys) == 0:
            return np.full(len(keys), -1)
        nodes = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[nodes] == keys, nodes, -1)


def estimate_discounts(counts: Words) -> tuple[float, float, float]:
    """Discounts of n-grams that were counted once, twice, and more often."""
    n = [int((counts == i).sum()) for i in range(5)]
    if min(n[1:]) == 0:
        return FALLBACK_DISCOUNTS
    part = n[1] / (n[1] + 2 * n[2])
    one, two, more = (i - (i + 1) * part * n[i + 1] / n[i] for i in (1, 2, 3))
    fits = 0 <= one <= 1 and 0 <= two <= 2 and 0 <= more <= 3
    return (one, two, more) if fits else FALLBACK_DISCOUNTS


def _make_order(keys: Words, counts: Words, n_contexts: int, n_words: int) -> Order:
    discounts = np.array([0.0, *estimate_discounts(counts)])[np.minimum(counts, 3)]
    contexts = keys // n_words
    totals = np.bincount(contexts, counts, n_contexts)
    taken = np.bincount(contexts, discounts, n_contexts)
    shares = np.divide(taken, totals, out=np.ones(n_contexts), where=totals > 0)
    return Order(keys, counts - discounts, totals, shares)


class NgramModel:
    """P(word | up to `n - 1` words before it).

    Args:
        texts: What is learned.
        n_words: Words there are, special ones included.
        n: Longest n-grams.
    """

    def __init__(self, texts: Texts, n_words: int, n: int = 5) -> None:
        self._n_words = n_words
        self._orders: list[Order] = []
        nodes, n_nodes = np.zeros(len(texts.words), np.int64), 1
        tables: list[tuple[Words, Words, int]] = []
        for k in range(1, n + 1):
            # Where an n-gram of k words ends; its first k - 1 words end one place before.
            ends = np.flatnonzero(texts.places >= k - 1)
            contexts = nodes[ends - 1] if k > 1 else np.zeros(len(ends), np.int64)
            keys, first, inverse, counts = np.unique(
                contexts * n_words + texts.words[ends],
                return_index=True,
                return_inverse=True,
                return_counts=True,
            )
            if tables:
                # Shorter n-grams count the words seen before them, but for the beginnings of
                # texts, before which there is none.
                shorter, raw, n_contexts = tables.pop()
                seen = np.bincount(nodes[ends[first]], minlength=len(shorter))
                tables.append((shorter, np.where(seen > 0, seen, raw), n_contexts))
                self._orders.append(_make_order(*tables.pop(), n_words))
            tables.append((keys, counts, n_nodes))
            if k == 1:  # a text's beginning is given and not predicted
                tables[-1][1][keys == BEGIN] = 0
            nodes = np.full(len(texts.words), -1)
            nodes[ends] = inverse
            n_nodes = len(keys)
        self._orders.append(_make_order(*tables.pop(), n_words))

    def log2_probabilities(self, texts: Texts) -> NDArray[np.float64]:
        """Of every word but `BEGIN`, whose place holds 0."""
        probabilities = np.full(len(texts.words), 1 / (self._n_words - 1))
        nodes = np.zeros(len(texts.words), np.int64)
        ends = np.arange(len(texts.words))
        for k, order in enumerate(self._orders, 1):
            if k > 1:
                ends = ends[texts.places[ends] >= k - 1]
                ends = ends[nodes[ends - 1] >= 0]
            contexts = nodes[ends - 1] if k > 1 else nodes
            found = order.find(contexts * self._n_words + texts.words[ends])
            counts = np.where(found >= 0, order.discounted[found], 0.0)
            shorter = order.shares[contexts] * probabilities[ends]
            probabilities[ends] = counts / np.maximum(order.totals[contexts], 1) + shorter
            nodes = np.full(len(texts.words), -1)
            nodes[ends] = found
        return np.where(texts.places == 0, 0.0, np.log2(probabilities))
