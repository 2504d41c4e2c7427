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
at least ``_DESCENT`` times the highest bound is taken, the highest bound first; then the threshold
follows the highest bound again. A gain that was computed earlier in the stage is an upper bound, so
a text whose bound is below the threshold is not looked at.

Gains are whole numbers of ``_RESOLUTION`` and their sums are exact. The order depends on the texts,
their alignments and their places alone: not on workers, on how texts were batched, or on the order
in which they arrived. Ties go to the higher alignment, then to the earlier shard and row.

Cost and memory: candidates are at most 6 times the budget, and each is looked at a few times a
stage, so that time is linear in the budget. The tables hold 40 bytes for each n-gram of the target.
A candidate has 110 bytes of places, scores and bounds and some 250 of digests and other findings.
The candidates' n-grams stand in files, of which the operating system keeps as much in memory as it
has room for.

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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zipsel.scorers.target_ngrams import TargetNgrams
from zipsel.selection.offers import Offers

#: n-grams of the pool that the subset's code starts from, for each byte of a stage.
PRIOR_STRENGTH = 1.0

#: Gain, as a share of the best one, from which on a text is taken.
_DESCENT = 0.9

#: What gains are whole numbers of: fine enough for any choice, coarse enough that the sum over the
#: n-grams of a text is exact in float64.
_RESOLUTION = 2.0**-20

#: n-grams that are added up at once.
_BLOCK_NGRAMS = 1 << 20


class SubsetCode:
    """How often the subset holds each n-gram of the target, and what one more text would gain.

    Args:
        ngrams: The target's n-grams.
    """

    def __init__(self, ngrams: TargetNgrams) -> None:
        self._ngrams = ngrams
        self._counts = np.zeros(len(ngrams))
        #: Number of texts taken when the n-gram was first held; 0 while the subset lacks it.
        self.first_rank = np.zeros(len(ngrams), np.int64)
        self.n_taken = 0
        self.strength = 0.0
        self.gains = np.zeros(len(ngrams))

    def begin_stage(self, end_bytes: int) -> None:
        """Give the pool the strength that it has in the stage that ends there."""
        self.strength = PRIOR_STRENGTH * end_bytes
        self.gains = self._gains_at(slice(None))

    def _gains_at(self, numbers: slice | NDArray[np.uint32]) -> NDArray[np.float64]:
        """``strength`` times the gain of one more text with an n-gram, in ``_RESOLUTION``.

        log((c + 1) / c) is 1 / (c + 1/2) but for terms of third order, and a quotient is the same
        on every machine, which a logarithm is not.
        """
        held = self._counts[numbers] + self.strength * self._ngrams.shares[numbers] + 0.5
        gains: NDArray[np.float64] = self.strength * self._ngrams.weights[numbers] / held
        return np.rint(gains / _RESOLUTION)

    def add(self, numbers: NDArray[np.uint32]) -> None:
        """Take a text with these n-grams, each once."""
        self.n_taken += 1
        self._counts[numbers] += 1
        self.gains[numbers] = self._gains_at(numbers)
        first = self.first_rank[numbers]
        self.first_rank[numbers] = np.where(first == 0, self.n_taken, first)

    def to_bits(self, gain: float) -> float:
        """A gain of this stage in bits per n-gram of the target."""
        return gain * _RESOLUTION / self.strength / float(np.log(2))


@dataclass(frozen=True)
class NgramRun:
    """n-grams of candidates in one file.

    Attributes:
        path: The file, uint32 numbers end to end.
        positions: Position of each candidate among all, int64.
        lengths: n-grams of each, int64.
    """

    path: str
    positions: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Place of each candidate's first n-gram in ``numbers``."""
        starts: NDArray[np.int64] = np.cumsum(self.lengths) - self.lengths
        return starts

    @cached_property
    def numbers(self) -> NDArray[np.uint32]:
        """All n-grams; the system reads them from the file as they are used."""
        n_ngrams = int(self.lengths.sum())
        if n_ngrams == 0:  # which cannot be mapped
            return np.zeros(0, np.uint32)
        return np.memmap(self.path, np.uint32, "r", shape=(n_ngrams,)).view(np.ndarray)

    def of(self, place: int) -> NDArray[np.uint32]:
        """n-grams of one candidate."""
        start = int(self.starts[place])
        return self.numbers[start : start + int(self.lengths[place])]

    def iter_sums(
        self, gains: NDArray[np.float64], n_candidates: int
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield the sums of the gains of each of the first candidates' n-grams, block by block."""
        first, ends = 0, self.starts + self.lengths
        while first < n_candidates:
            limit = int(self.starts[first]) + _BLOCK_NGRAMS
            end = min(n_candidates, max(first + 1, int(np.searchsorted(ends, limit, "right"))))
            of_block = gains[self.numbers[int(self.starts[first]) : int(ends[end - 1])]]
            sums = np.zeros(end - first)
            filled = np.flatnonzero(self.lengths[first:end])
            if len(filled):
                starts = self.starts[first:end][filled] - self.starts[first]
                sums[filled] = np.add.reduceat(of_block, starts)
            yield slice(first, end), sums
            first = end


class GreedyCover:
    """Takes candidates in the order of their gains; see the module.

    Args:
        ngrams: The target's n-grams.

    Attributes:
        code: The n-grams of the texts taken.
        taken: Positions of the candidates taken, in order.
        gains: Gain of each when it was taken, in bits per n-gram of the target.
    """

    def __init__(self, ngrams: TargetNgrams) -> None:
        self.code = SubsetCode(ngrams)
        self.taken: list[int] = []
        self.gains: list[float] = []
        self._offers = Offers.none()
        self._runs: list[NgramRun] = []
        self._run_of = np.zeros(0, np.int32)
        self._place_of = np.zeros(0, np.int64)
        #: Gain per byte that a candidate cannot exceed, in units of the present stage.
        self._bounds = np.zeros(0)
        #: Whether a candidate was neither taken nor refused.
        self._left = np.zeros(0, bool)

    def offer(self, offers: Offers, runs: Sequence[NgramRun]) -> None:
        """Append candidates.

        Args:
            offers: The candidates.
            runs: Their n-grams; positions count from the first candidate of all.
        """
        n_new = len(offers.candidates)
        self._offers = Offers.join([self._offers, offers])
        self._run_of = np.append(self._run_of, np.zeros(n_new, np.int32))
        self._place_of = np.append(self._place_of, np.zeros(n_new, np.int64))
        self._bounds = np.append(self._bounds, np.full(n_new, np.inf))
        self._left = np.append(self._left, np.ones(n_new, bool))
        for run in runs:
            self._run_of[run.positions] = len(self._runs)
            self._place_of[run.positions] = np.arange(len(run.positions))
            self._runs.append(run)

    def place_of(self, position: int) -> tuple[int, int]:
        """Number of the run that holds a candidate, and the candidate's place there."""
        return int(self._run_of[position]), int(self._place_of[position])

    @property
    def has_candidates(self) -> bool:
        """Whether any candidate was neither taken nor refused."""
        return bool(self._left.any())

    def run_stage(
        self,
        end_bytes: int,
        room: NDArray[np.float64],
        take: Callable[[int], bool],
        is_full: Callable[[], bool],
    ) -> None:
        """Take candidates until each part has used its room, or nothing is left to take.

        Args:
            end_bytes: End of the stage.
            room: Bytes that each part of the budget may still take, float64 ``(n_parts,)``; a
                part takes texts while it has any. Changed in place.
            take: Called with a position; False if the candidate may not be taken, now or ever.
            is_full: Whether the budget is used up.
        """
        self.code.begin_stage(end_bytes)
        entered = self._left & (self._offers.enters <= end_bytes)
        self._find_bounds(entered)
        part = self._offers.part
        while not is_full():
            waiting = np.flatnonzero(entered & self._left & (room[part] > 0))
            if len(waiting) == 0:
                return
            bounds = self._bounds[waiting]
            threshold = _DESCENT * float(bounds.max())
            for position in self._in_order(waiting[bounds >= threshold]):
                if room[part[position]] <= 0:
                    continue
                if self._is_taken(position, threshold, take):
                    room[part[position]] -= self._offers.candidates.n_bytes[position]
                if is_full():
                    return

    def _find_bounds(self, entered: NDArray[np.bool_]) -> None:
        """Compute the gains of all candidates in a stage."""
        n_bytes = np.maximum(self._offers.candidates.n_bytes, 1)
        for run in self._runs:
            places = np.flatnonzero(entered[run.positions])
            n_candidates = int(places[-1]) + 1 if len(places) else 0
            for block, sums in run.iter_sums(self.code.gains, n_candidates):
                positions = run.positions[block]
                self._bounds[positions] = sums / n_bytes[positions]

    def _in_order(self, positions: NDArray[np.int64]) -> list[int]:
        """Positions by bound, alignment, shard and row."""
        candidates = self._offers.candidates.take(positions)
        keys = (
            candidates.row,
            candidates.shard,
            -candidates.alignment,
            -self._bounds[positions],
        )
        ordered: list[int] = positions[np.lexsort(keys)].tolist()
        return ordered

    def _is_taken(self, position: int, threshold: float, take: Callable[[int], bool]) -> bool:
        """Look at a candidate again and take it if its gain reaches the threshold."""
        run, place = self.place_of(position)
        numbers = self._runs[run].of(place)
        gain = float(self.code.gains[numbers].sum())
        bound = gain / max(1, int(self._offers.candidates.n_bytes[position]))
        self._bounds[position] = bound
        if bound < threshold:
            return False
        self._left[position] = False
        if not take(position):
            return False
        self.taken.append(position)
        self.gains.append(self.code.to_bits(gain))
        self.code.add(numbers)
        return True

    def next_in_line(self, n_candidates: int) -> NDArray[np.int64]:
        """Positions of the candidates that would be taken next, as far as their bounds tell."""
        left = np.flatnonzero(self._left)
        if len(left) > n_candidates:
            least = np.partition(self._bounds[left], -n_candidates)[-n_candidates]
            left = left[self._bounds[left] >= least]
        return np.array(self._in_order(left)[:n_candidates], np.int64)
