"""Moore-Lewis selection (ACL 2010): cross-entropy difference of two word 5-gram models.

A text's score is what it costs in bits per word under a model of a random sample of the pool, as
large as the target, less what it costs under a model of the target. As in the paper both models
know the words that the target has at least twice and one word for all others.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quality_lib.kneser_ney import N_SPECIAL, UNKNOWN, NgramModel, Texts, Words

WORD = re.compile(r"\w+|[^\w\s]+")
MIN_COUNT = 2
BLOCK_TEXTS = 5000


def split_words(text: bytes) -> list[str]:
    """Lower-cased words and runs of punctuation, as in DSIR's features."""
    return WORD.findall(text.decode().lower())


@dataclass(frozen=True)
class PoolWords:
    """The pool's texts as numbers of words.

    Attributes:
        number_of: Word to number.
        texts: Words of each text.
    """

    number_of: dict[str, int]
    texts: list[Words]

    @classmethod
    def read(cls, texts: Sequence[bytes]) -> "PoolWords":
        """Split and number all texts."""
        number_of: dict[str, int] = {}
        numbered = [
            np.array([number_of.setdefault(w, len(number_of)) for w in split_words(text)], np.int32)
            for text in texts
        ]
        return cls(number_of, numbered)


def score_texts(pool: PoolWords, examples: Sequence[bytes], seed: int = 0) -> NDArray[np.float64]:
    """Bits per word that the target's model saves over the pool's, shape `(n_texts,)`."""
    split = [split_words(example) for example in examples]
    counts = Counter(word for words in split for word in words)
    frequent = [word for word, count in counts.items() if count >= MIN_COUNT]
    number_of = {word: i for i, word in enumerate(frequent, N_SPECIAL)}
    n_words = N_SPECIAL + len(frequent)
    # Pool's number of a word to the models' own.
    renumbered = np.full(len(pool.number_of), UNKNOWN, np.int64)
    for word, number in number_of.items():
        if word in pool.number_of:
            renumbered[pool.number_of[word]] = number
    target = [np.array([number_of.get(word, UNKNOWN) for word in words], int) for words in split]
    order = np.random.default_rng(seed).permutation(len(pool.texts))
    n_read = np.cumsum([len(pool.texts[i]) for i in order])
    n_drawn = 1 + int(np.searchsorted(n_read, sum(map(len, target))))
    sample = [renumbered[pool.texts[i]] for i in order[:n_drawn]]
    near, far = NgramModel(Texts.join(target), n_words), NgramModel(Texts.join(sample), n_words)
    scores = []
    for first in range(0, len(pool.texts), BLOCK_TEXTS):
        texts = Texts.join([renumbered[t] for t in pool.texts[first : first + BLOCK_TEXTS]])
        saved = near.log2_probabilities(texts) - far.log2_probabilities(texts)
        n_predicted = np.diff(np.append(texts.starts, len(texts.words))) - 1
        scores.append(np.add.reduceat(saved, texts.starts) / n_predicted)
    return np.concatenate(scores)
