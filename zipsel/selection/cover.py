"""``cover``: choose the set and not the records.

The best k alignments are many answers to one question, and a model learns from the set. What a
subset S is worth is how few bits the target's n-grams g would cost under a code of the subset's,
smoothed to the pool: it falls as ::

    F(S) = sum over g of q(g) log(c_S(g) + m p_B(g))

rises, where q(g) is the weight and p_B(g) the pool's share of g (``TargetNgrams``), c_S(g) the
number of texts of S that hold g, and m the strength of the pool. F is monotone and submodular, so
taking the text with the largest gain per byte again and again comes close to the best subset of
its size (Nemhauser, Wolsey & Fisher 1978; per byte: Khuller, Moss & Naor 1999). The aim is also
that of D4 (arXiv 2308.12284), fewer texts of a kind, without embeddings and without clusters: a
text that repeats what the subset holds gains little.

The order never asks how large the budget is: it is cut into stages by the bytes taken so far, and
each stage has its own m and its own candidates. So every beginning of the order is the choice for
a smaller budget. A stage that ends at s bytes has m = ``PRIOR_STRENGTH`` s, and its candidates are
the best by alignment, ``CANDIDATE_FACTOR`` s bytes of them (``offers``). Since m and the counts
only grow, the gain of a record only falls, within a stage and from one to the next.

Inside a stage thresholds descend (Badanidiyuru & Vondrák 2014): every text whose present gain is
at least ``DESCENT`` times the highest bound is taken, the highest bound first; then the threshold
follows the highest bound again. A gain that was computed earlier in the stage is an upper bound, so
a text whose bound is below the threshold is not looked at.

Gains are whole numbers (``SubsetCode``) and their sums are exact. The order depends on the texts,
their alignments and their places alone: not on workers, on how texts were batched, or on the order
in which they arrived. Ties go to the higher alignment, then to the earlier shard and row.

Cost and memory: candidates are at most 6 times the budget, and each is looked at a few times a
stage, so that time is linear in the budget. The tables hold 40 bytes for each n-gram of the target.
A candidate has 16 bytes of bounds, stages and parts, and as many more while bounds are compared.
Everything else of it, n-grams, places, scores, digests, stands in files, of which the operating
system keeps as much in memory as it has room for.

Tried on humaneval, proofnet, gsm8k and mbpp (geometric mean of the bits per byte of 200 held-out
examples at 0.4, 1 and 4 MB, PPM judge; the best alignments alone have 1.944, ``cover`` as it is
1.897, and differences under 0.004 are noise):

- pool strength 2: 1.902; in tables of 2^20 buckets 0.5, 1 and 2: 1.904, 1.900, 1.906;
- 3 times the budget of candidates: 1.902; with strength 2 and 2^20 buckets, where 4 times has
  1.906, 2 and 8 times: 1.913 and 1.914.

The same, each against 1.906: stages that double 1.905, first stages of 32 and 512 kB 1.908 and
1.906, thresholds instead of the exact heap 1.905 to 1.908, every occurrence in a text counted
instead of each n-gram once 1.906, n of 5 and 8 1.906 and 1.908, a term for the alignment, light and
heavy, 1.906 and 1.913, candidates by ``fused`` 1.906, and m for the whole budget from the
beginning, which gives up the prefixes, 1.906.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zipsel.scorers.target_ngrams import TargetNgrams
from zipsel.selection.blocks import Blocks
from zipsel.selection.candidates import Candidates
from zipsel.selection.descent import Descent
from zipsel.selection.ngram_files import NgramFiles, stretches_of, sums_of_each
from zipsel.selection.offers import Offers, stage_of
from zipsel.selection.spool import SpooledRows
from zipsel.selection.subset_code import SubsetCode
from zipsel.storage.columns import IN_MEMORY, Columns, Growing, stretches

#: Candidates of which there are Python objects at once, and of which most are taken next.
_SLICE = 1 << 15

_NO_NGRAMS = np.zeros(0, np.uint32)


class GreedyCover:
    """Takes candidates in the order of their gains; see the module.

    Args:
        ngrams: The target's n-grams.
        columns: Holds what is known of each candidate.

    Attributes:
        code: The n-grams of the texts taken.
        taken: Positions of the candidates taken, in order.
        gains: Gain of each when it was taken, in bits per n-gram of the target.
    """

    def __init__(self, ngrams: TargetNgrams, columns: Columns = IN_MEMORY) -> None:
        self.code = SubsetCode(ngrams)
        self.taken = Growing(columns, "q")
        self.gains = Growing(columns, "d")
        self._n_taken = self._taken_bytes = 0
        self._columns = columns
        self._offers = Offers.join([], columns)
        self._files: Blocks[NgramFiles] = Blocks()
        #: Gain per byte that a candidate cannot exceed, in units of the present stage.
        self._bounds = np.zeros(0)
        #: Whether a candidate was neither taken nor refused.
        self._left = np.zeros(0, bool)

    def offer(self, offers: Offers, spooled: SpooledRows) -> None:
        """Append candidates."""
        columns = self._columns
        n_before, n_new = len(self._left), len(offers.candidates)
        self._offers = Offers.join([self._offers, offers] if n_before else [offers], columns)
        unknown = columns.compute(n_new, np.float64, lambda _: np.inf)
        self._bounds = columns.concatenate([self._bounds, unknown], np.float64)
        self._left = np.append(self._left, np.ones(n_new, bool))
        self._files.append(NgramFiles(n_before, spooled, columns), n_new)

    @property
    def candidates(self) -> Candidates:
        """Everything that was offered."""
        return self._offers.candidates

    @property
    def has_candidates(self) -> bool:
        """Whether any candidate was neither taken nor refused."""
        return bool(self._left.any())

    def run_stage(
        self,
        end_bytes: int,
        room: NDArray[np.float64],
        considering: Callable[[NDArray[np.int64]], Callable[[int], bool]],
        is_full: Callable[[], bool],
    ) -> None:
        """Take candidates until each part has used its room, or nothing is left to take.

        Args:
            end_bytes: End of the stage.
            room: Bytes that each part of the budget may still take, float64 ``(n_parts,)``; a
                part takes texts while it has any. Changed in place.
            considering: Called with positions most of which are taken next. What it returns is
                called with the number of one of them to take it; False if it may not be taken, now
                or ever.
            is_full: Whether the budget is used up.
        """
        self.code.begin_stage(end_bytes)
        descent = Descent(
            self._enter(stage_of(end_bytes)), self._bounds, self._in_order, self._columns
        )
        while not is_full():
            threshold, positions = descent.next_round(room > 0, self._offers.part)
            if len(positions) == 0:
                return
            for start in range(0, len(positions), _SLICE):
                some = positions[start : start + _SLICE]
                self._take(some, threshold, room, considering, is_full)
                if is_full():
                    return
            descent.end_round(self._left)

    def _take(
        self,
        positions: NDArray[np.int64],
        threshold: float,
        room: NDArray[np.float64],
        considering: Callable[[NDArray[np.int64]], Callable[[int], bool]],
        is_full: Callable[[], bool],
    ) -> None:
        """Look at some candidates again, and take those whose gain reaches the threshold then.

        A gain only falls: those that do not reach it before the first was taken need not be known
        any better.
        """
        texts = self._ngrams_of(positions)
        may_reach = self._gains_per_byte(positions, texts) >= threshold
        take = considering(positions[may_reach])
        of_each = (
            positions,
            self._offers.part[positions],
            self.candidates.n_bytes[positions],
            np.cumsum(may_reach) - 1,
        )
        columns = (column.tolist() for column in of_each)
        for text, position, part, n_bytes, i in zip(texts, *columns, strict=True):
            if room[part] <= 0:
                continue
            numbers = text.astype(np.int64)
            gain = self.code.gain_of(numbers)
            self._bounds[position] = bound = gain / max(1, n_bytes)
            if bound < threshold:
                continue
            self._left[position] = False
            if take(i):
                self.taken.append(position)
                self.gains.append(self.code.to_bits(gain))
                self.code.add(numbers)
                room[part] -= n_bytes
                self._n_taken += 1
                self._taken_bytes += n_bytes
            if is_full():
                return

    def _gains_per_byte(
        self, positions: NDArray[np.int64], texts: Sequence[NDArray[np.uint32]]
    ) -> NDArray[np.float64]:
        """Present gain of each of some candidates, whose n-grams are given."""
        lengths = np.array(list(map(len, texts)), np.int64)
        gains = np.zeros(len(texts))
        for some in stretches_of(lengths):
            gains[some] = sums_of_each(self.code.gains, np.concatenate(texts[some]), lengths[some])
        return gains / np.maximum(self.candidates.n_bytes[positions], 1)

    def _ngrams_of(self, positions: NDArray[np.int64]) -> list[NDArray[np.uint32]]:
        texts = [_NO_NGRAMS] * len(positions)
        for files, which, places in self._files.split(positions):
            for i, numbers in zip(which.tolist(), files.of(places), strict=True):
                texts[i] = numbers
        return texts

    def count_taken(self) -> tuple[int, int, int]:
        """Candidates taken so far and their bytes, as ``Progress.under_way``."""
        return self._n_taken, self._taken_bytes, self._taken_bytes

    def first_ranks(self) -> NDArray[np.int64]:
        """As ``Taken.first_ranks``."""
        ranks, taken = np.zeros(len(self.code.gains), np.int64), self.taken.values()
        for end in range(len(taken), 0, -_SLICE):  # of several, the last to be written stays
            some = np.arange(max(0, end - _SLICE), end)[::-1]
            texts = self._ngrams_of(taken[some])
            for rank, numbers in zip((some + 1).tolist(), texts, strict=True):
                ranks[numbers] = rank
        return ranks

    def _enter(self, stage: int) -> NDArray[np.int64]:
        """Compute the gains of all candidates in a stage; returns their positions."""

        def are_in(some: slice) -> NDArray[np.bool_]:
            return (self._offers.stage[some] <= stage) & self._left[some]

        entered, n_bytes = IN_MEMORY.compute(len(self._left), bool, are_in), self.candidates.n_bytes
        for files in self._files:
            for positions, sums in files.iter_sums(self.code.gains, entered):
                self._bounds[positions] = sums / np.maximum(n_bytes[positions], 1)
        return self._columns.flatnonzero(entered)

    def _in_order(
        self, positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Positions, which ascend, by bound, alignment, shard and row; their bounds, negated."""
        columns = self._columns
        negated = columns.compute(
            len(positions), np.float64, lambda some: -self._bounds[positions[some]]
        )
        order = columns.argsort(negated)
        ordered = columns.take(positions, order)
        bounds = columns.take(negated, order)
        ones, others = ordered[:-1], ordered[1:]
        for pairs in stretches(len(ones)):
            equal = bounds[:-1][pairs] == bounds[1:][pairs]
            if self._are_swapped(ones[pairs][equal], others[pairs][equal]):
                break
        else:
            return ordered, bounds  # as in any one offer, which has the order of the ranking
        equal = bounds[1:] == bounds[:-1]
        tied = np.flatnonzero(np.append(equal, False) | np.append(False, equal))
        some = self.candidates.take(ordered[tied])
        keys = (some.row, some.shard, -some.alignment, bounds[tied])
        ordered[tied] = ordered[tied[np.lexsort(keys)]]
        return ordered, bounds

    def _are_swapped(self, ones: NDArray[np.int64], others: NDArray[np.int64]) -> bool:
        """Whether any of some positions comes after its other, which has the same bound."""
        a, b = self.candidates.take(ones), self.candidates.take(others)
        same, shard, row = a.alignment == b.alignment, a.shard, a.row
        later = (shard > b.shard) | ((shard == b.shard) & (row > b.row))
        return bool(((a.alignment < b.alignment) | (same & later)).any())

    def next_in_line(self, n_candidates: int) -> NDArray[np.int64]:
        """Positions of the candidates that would be taken next, as far as their bounds tell."""
        best = np.zeros(0)
        for some in stretches(len(self._left)):
            best = np.sort(np.append(best, self._bounds[some][self._left[some]]))[-n_candidates:]
        least = best.min(initial=np.inf)
        left = self._columns.flatnonzero(self._left & (self._bounds >= least))
        return self._in_order(left)[0][:n_candidates]
