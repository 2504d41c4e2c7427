"""DSIR: log importance weights from hashed n-grams, a peer to hold zipsel's own scorers against.

Xie et al. 2023, "Data Selection for Language Models via Importance Resampling"
(arXiv 2302.03169). The tokens of a lowercased text, and its pairs of neighbouring tokens, are
hashed to 10,000 buckets; its log importance weight is the sum over all of them of

    log(p_target + 1e-8) - log(p_pool + 1e-8)

with p the share of the bucket among all n-grams of the target or the pool. The weights are
those of ``HashedNgramDSIR`` (``p-lambda/dsir``, PyPI ``data-selection`` 1.0.x) to rounding.

Differences from the reference:

- The pool model is fitted on the sample that the caller passes. The reference counts the pool
  itself, from the head of each file until about 10**9 n-grams.
- ``per_token`` divides by the number of tokens. The reference never does: its weights grow with
  the length of a text, in either direction.
- Nothing is dropped or drawn here. The reference leaves out texts under 100 tokens
  when it resamples, which ``n_tokens`` allows a selection to do; otherwise a text without
  tokens weighs 0, more than most of a pool.
- A word is what the standard library's ``re`` takes for one, as in NLTK before 3.10, with which
  the reference was published. NLTK 3.10 uses the ``regex`` package, to which combining marks
  are letters and "²" is punctuation, so the reference's own weights of such texts have moved.
  Here they follow the Unicode version of the running Python.
- A target or pool sample without tokens is refused, where the reference goes on with NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from zipsel.errors import UsageError
from zipsel.pool.shards import CHUNK_BYTES
from zipsel.scorers import ScoreColumns, State
from zipsel.scorers.word_ngrams import N_BUCKETS, iter_ngram_buckets
from zipsel.texts import TextBatch, join_batches

if TYPE_CHECKING:
    from zipsel.scorers.fit import FitSettings

#: Added to every share; keeps the weight of one n-gram within about ±18.4 nats.
SMOOTHING = 1e-8


@dataclass(frozen=True, eq=False)  # eq: arrays have no truth value to compare by
class DsirScorer:
    """Log importance weights of texts for a target against a pool.

    Attributes:
        log_ratio: Weight of one n-gram of each bucket in nats, shape ``(N_BUCKETS,)``.
        per_token: Whether ``alignment`` is the weight divided by the number of tokens.
    """

    name: ClassVar[str] = "dsir"
    takes: ClassVar[frozenset[str]] = frozenset({"per_token"})
    needs_sample: ClassVar[bool] = True
    chunk_bytes: ClassVar[int] = CHUNK_BYTES
    columns: ClassVar[dict[str, str]] = {
        "alignment": "float64",
        "log_weight": "float64",
        "n_tokens": "int32",
    }

    log_ratio: NDArray[np.float64]
    per_token: bool = False

    @classmethod
    def fit(
        cls, examples: Mapping[str, TextBatch], sample: TextBatch, settings: FitSettings
    ) -> DsirScorer:
        """Compare target and pool sample by n-grams; a ``UsageError`` if either has no token."""
        target_shares = _measure_shares(join_batches(list(examples.values())), "target")
        pool_shares = _measure_shares(sample, "pool sample")
        log_ratio = np.log(target_shares + SMOOTHING) - np.log(pool_shares + SMOOTHING)
        return cls(log_ratio, settings.per_token)

    def score(self, batch: TextBatch) -> ScoreColumns:
        """Score each text by itself.

        The weight of a text is one float64 sum in the order of its tokens, each added together
        with the bigram that it begins. So neither the other texts of the batch nor where the
        batch was cut change a bit of it.

        Returns:
            Arrays of shape ``(n_texts,)``: ``log_weight`` in nats; ``n_tokens``, which counts
            unigrams only (n tokens are 2n - 1 n-grams); and ``alignment``, the log weight or,
            with ``per_token``, its quotient by ``n_tokens`` (0 for a text without tokens).
        """
        weights, lengths = [], []
        for n_per_text, texts, unigrams, bigrams, inside in iter_ngram_buckets(batch):
            terms = self.log_ratio.take(unigrams)
            terms[:-1] += np.where(inside, self.log_ratio.take(bigrams), 0.0)
            # bincount adds one term after the other; reduceat and sum may regroup them.
            # Of no terms at all it makes integers.
            sums = np.bincount(texts, terms, minlength=len(n_per_text))
            weights.append(sums.astype(np.float64, copy=False))
            lengths.append(n_per_text)
        log_weight, n_tokens = np.concatenate(weights), np.concatenate(lengths)
        return {
            "alignment": log_weight / np.maximum(n_tokens, 1) if self.per_token else log_weight,
            "log_weight": log_weight,
            "n_tokens": n_tokens.astype(np.int32),
        }

    def state(self) -> State:
        """What a profile file has to keep."""
        return {"log_ratio": self.log_ratio, "per_token": self.per_token}

    @classmethod
    def from_state(cls, state: State) -> DsirScorer:
        """Restore a scorer from its `state`."""
        return cls(state["log_ratio"], state["per_token"])


def _measure_shares(batch: TextBatch, role: str) -> NDArray[np.float64]:
    counts = np.zeros(N_BUCKETS, dtype=np.int64)
    for ngrams in iter_ngram_buckets(batch):
        counts += np.bincount(ngrams.unigrams, minlength=N_BUCKETS)
        counts += np.bincount(ngrams.bigrams[ngrams.inside], minlength=N_BUCKETS)
    if not counts.any():
        raise UsageError(
            f"the {role} has no token in its {len(batch)} texts, DSIR needs at least one: "
            "give texts that hold letters, digits or punctuation"
        )
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares
