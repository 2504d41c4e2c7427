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

import os
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zipsel.scorers.target_ngrams import TargetNgrams
from zipsel.selection.offers import Offers, stage_of
from zipsel.selection.spool import SpooledRows, ngrams_path
from zipsel.storage.columns import IN_MEMORY, Columns

#: n-grams of the pool that the subset's code starts from, for each byte of a stage.
PRIOR_STRENGTH = 1.0

#: Gain, as a share of the best one, from which on a text is taken.
_DESCENT = 0.9

#: What gains are whole numbers of: fine enough for any choice, coarse enough that the sum over the
#: n-grams of a text is exact in float64.
_RESOLUTION = 2.0**-20

#: Bits of the place of an n-gram in its file.
_FILE_SHIFT = 40

#: Candidates of which there are Python numbers at once.
_SLICE = 1 << 12

#: Mapped files of n-grams; a process may map some 65,000.
_OPEN_FILES = 1024

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


class NgramFiles:
    """The n-grams of a block of candidates, in the files beside their spool files."""

    def __init__(self, first: int, spooled: SpooledRows, columns: Columns) -> None:
        rows = spooled.rows
        self._first = first
        self._rows = rows
        self._paths = [ngrams_path(path) for path, _ in spooled.files]
        places = rows["file"].astype(np.int64)
        places <<= _FILE_SHIFT
        places += rows["ngrams"]
        self._in_files = columns.zeros(len(rows), np.int64)
        self._in_files[:] = np.argsort(places)
        self._ends = np.cumsum(np.bincount(rows["file"], minlength=len(self._paths)))
        self._map = lru_cache(maxsize=_OPEN_FILES)(_map_numbers)

    def of(self, position: int) -> NDArray[np.uint32]:
        """n-grams of one candidate."""
        row = self._rows[position - self._first]
        numbers, start = self._map(self._paths[int(row["file"])]), int(row["ngrams"])
        return numbers[start : start + int(row["n_ngrams"])]

    def iter_sums(
        self, gains: NDArray[np.float64], entered: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Yield candidates and the sums of the gains of their n-grams, some at a time.

        Args:
            gains: Gain of each n-gram.
            entered: Which candidates of all are wanted; others may come with them.
        """
        start = 0
        for path, end in zip(self._paths, self._ends.tolist(), strict=True):
            positions = self._in_files[start:end] + self._first
            places = np.flatnonzero(entered[positions])
            if len(places):
                positions = positions[: int(places[-1]) + 1]
                lengths = self._rows["n_ngrams"][positions - self._first].astype(np.int64)
                yield from _iter_sums(gains, self._map(path), positions, lengths)
            start = end


def _map_numbers(path: str) -> NDArray[np.uint32]:
    """All n-grams of a file; the system reads them as they are used."""
    if os.path.getsize(path) == 0:  # which cannot be mapped
        return np.zeros(0, np.uint32)
    return np.memmap(path, np.uint32, "r").view(np.ndarray)


def _iter_sums(
    gains: NDArray[np.float64],
    numbers: NDArray[np.uint32],
    positions: NDArray[np.int64],
    lengths: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield candidates that stand at the beginning of a file, block by block, with their sums."""
    ends = np.cumsum(lengths)
    starts = ends - lengths
    first = 0
    while first < len(positions):
        limit = int(starts[first]) + _BLOCK_NGRAMS
        end = max(first + 1, int(np.searchsorted(ends, limit, "right")))
        of_block = gains[numbers[int(starts[first]) : int(ends[end - 1])]]
        sums = np.zeros(end - first)
        filled = np.flatnonzero(lengths[first:end])
        if len(filled):
            sums[filled] = np.add.reduceat(of_block, starts[first:end][filled] - starts[first])
        yield positions[first:end], sums
        first = end


def _iter_numbers(values: NDArray[np.int64]) -> Iterator[int]:
    """Yield numbers of an array, which are not all Python objects at once."""
    for start in range(0, len(values), _SLICE):
        yield from values[start : start + _SLICE].tolist()


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
        self.taken = array("q")
        self.gains = array("d")
        self._offers = Offers.join([], IN_MEMORY)
        self._firsts: list[int] = []
        self._files: list[NgramFiles] = []
        #: Gain per byte that a candidate cannot exceed, in units of the present stage.
        self._bounds = np.zeros(0)
        #: Whether a candidate was neither taken nor refused.
        self._left = np.zeros(0, bool)

    def offer(self, offers: Offers, spooled: SpooledRows, columns: Columns) -> None:
        """Append candidates."""
        n_before, n_new = len(self._left), len(offers.candidates)
        self._offers = Offers.join([self._offers, offers] if n_before else [offers], columns)
        self._bounds = np.append(self._bounds, np.full(n_new, np.inf))
        self._left = np.append(self._left, np.ones(n_new, bool))
        self._firsts.append(n_before)
        self._files.append(NgramFiles(n_before, spooled, columns))

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
        entered = self._offers.stage <= stage_of(end_bytes)
        entered &= self._left
        self._find_bounds(entered)
        part = self._offers.part
        while not is_full():
            waiting = (room > 0)[part]
            waiting &= entered
            waiting &= self._left
            highest = self._bounds.max(where=waiting, initial=-np.inf)
            if highest < 0:  # none is waiting
                return
            threshold = _DESCENT * float(highest)
            waiting &= self._bounds >= threshold
            for position in _iter_numbers(self._in_order(np.flatnonzero(waiting))):
                if room[part[position]] <= 0:
                    continue
                if self._is_taken(position, threshold, take):
                    room[part[position]] -= self._offers.candidates.n_bytes[position]
                if is_full():
                    return

    def _find_bounds(self, entered: NDArray[np.bool_]) -> None:
        """Compute the gains of all candidates in a stage."""
        n_bytes = self._offers.candidates.n_bytes
        for files in self._files:
            for positions, sums in files.iter_sums(self.code.gains, entered):
                self._bounds[positions] = sums / np.maximum(n_bytes[positions], 1)

    def _in_order(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions by bound, alignment, shard and row."""
        candidates, bounds = self._offers.candidates, self._bounds[positions]
        np.negative(bounds, out=bounds)
        order = np.argsort(bounds, kind="stable")
        bounds, ordered = bounds[order], positions[order]
        equal = bounds[1:] == bounds[:-1]
        tied = np.flatnonzero(np.append(equal, False) | np.append(False, equal))
        some = candidates.take(ordered[tied])
        keys = (some.row, some.shard, -some.alignment, bounds[tied])
        ordered[tied] = ordered[tied[np.lexsort(keys)]]
        return ordered

    def _is_taken(self, position: int, threshold: float, take: Callable[[int], bool]) -> bool:
        """Look at a candidate again and take it if its gain reaches the threshold."""
        numbers = self._files[bisect_right(self._firsts, position) - 1].of(position)
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
        bounds = np.where(self._left, self._bounds, -np.inf)
        if len(bounds) > n_candidates:
            bounds.partition(len(bounds) - n_candidates)
        least = bounds[-n_candidates:].min(initial=np.inf)
        left = np.flatnonzero(self._left & (self._bounds >= least))
        return self._in_order(left)[:n_candidates]
