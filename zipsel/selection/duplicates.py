"""Copies: exact by digest, near by MinHash; the better-ranked one stays.

Near-duplicates share most of their word 5-grams. MinHash with locality-sensitive hashing (Broder
1997; Leskovec, Rajaraman & Ullman, chapter 3) comes from ``rensa`` (extra ``dedup``), which takes
18 microseconds a text where ``datasketch`` takes 330 (128 permutations, 1 KB texts). Only
candidates are looked at, so the cost follows the budget and not the pool.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zipsel.errors import UsageError
from zipsel.selection.leaks import words_of
from zipsel.selection.settings import DEFAULT_NEAR_THRESHOLD, DedupMode
from zipsel.storage.columns import IN_MEMORY, Columns

_N_PERMUTATIONS = 128
#: Least probability that a pair at the threshold meets in a band; those that meet are then
#: compared in full.
_LEAST_RECALL = 0.999
_SHINGLE_WORDS = 5
_SEED = 42

#: Of a table of digests: bits of its first size, places beyond the last hash, bytes of an entry,
#: and places that are moved at once.
_FIRST_BITS, _TAIL, _ENTRY_BYTES, _MOVED = 10, 1 << 10, 24, 1 << 12

_NO_NUMBER = bytes(8)
_MAX_UINT64 = 2**64 - 1
#: Of a hash: 2^64 over the golden ratio (Knuth, TAOCP 3, section 6.4).
_MULTIPLIER = 0x9E3779B97F4A7C15


def require_rensa() -> Any:
    """The library, or a ``UsageError``."""
    try:
        import rensa
    except ImportError:
        raise UsageError("--dedup near needs a library: pip install 'zipsel[dedup]'") from None
    return rensa


def sketch(text: str) -> Any:
    """A MinHash of a text's word 5-grams; of all its words, or of itself, where it has fewer."""
    words = words_of(text) or [text]
    n_shingles = max(1, len(words) - _SHINGLE_WORDS + 1)
    shingles = {" ".join(words[i : i + _SHINGLE_WORDS]) for i in range(n_shingles)}
    minhash = require_rensa().RMinHash(num_perm=_N_PERMUTATIONS, seed=_SEED)
    minhash.update(sorted(shingles))
    return minhash


def pack_sketch(minhash: Any) -> bytes:
    """The bytes of a MinHash."""
    packed: bytes = minhash.__getstate__()
    return packed


def unpack_sketch(packed: bytes) -> Any:
    """The MinHash of ``pack_sketch``'s bytes."""
    minhash = require_rensa().RMinHash(num_perm=_N_PERMUTATIONS, seed=_SEED)
    minhash.__setstate__(packed)
    return minhash


def count_bands(threshold: float) -> int:
    """The fewest bands in which pairs at a threshold still meet: 32 of 4 values at 0.7."""
    for n_rows in (16, 8, 4, 2):
        n_bands = _N_PERMUTATIONS // n_rows
        if 1 - (1 - threshold**n_rows) ** n_bands >= _LEAST_RECALL:
            return n_bands
    return _N_PERMUTATIONS


class Duplicates:
    """Remembers what was taken and recognizes copies of it.

    Args:
        mode: ``exact``, ``near`` (which includes exact) or ``none``.
        threshold: Jaccard similarity of 5-gram sets from which texts are near-duplicates.
        columns: Holds digests.
    """

    def __init__(
        self,
        mode: DedupMode,
        threshold: float = DEFAULT_NEAR_THRESHOLD,
        columns: Columns = IN_MEMORY,
    ) -> None:
        self.mode = mode
        self.threshold = threshold
        self._digests = DigestMap(columns)
        self._sketches: dict[int, Any] = {}
        self._near: Any = None
        if mode == "near":
            n_bands = count_bands(threshold)
            self._near = require_rensa().RMinHashLSH(threshold, _N_PERMUTATIONS, n_bands)

    def find(self, digest: bytes, minhash: Any) -> int | None:
        """The key of something taken that this is a copy of."""
        if self.mode == "none":
            return None
        key = self._digests.get(digest)
        if key is not None or self._near is None:
            return key
        for near in sorted(self._near.query(minhash)):
            if self._sketches[near].jaccard(minhash) >= self.threshold:
                return int(near)
        return None

    def add(self, key: int, digest: bytes, minhash: Any) -> None:
        """Remember something that was taken."""
        if self.mode == "none":
            return
        self._digests.add(digest, key)
        if self._near is not None:
            self._near.insert(key, minhash)
            self._sketches[key] = minhash


class DigestMap:
    """Digests of 16 bytes, each with a whole number, in a table that can stand in a file.

    The table is at most half full. A digest stands at the place that its hash names or, where that
    is taken, in the next free one (Knuth, TAOCP 3, section 6.4); places ascend with hashes, so that
    a table of twice the size is filled from its beginning to its end.

    Args:
        columns: Holds the table.
    """

    def __init__(self, columns: Columns = IN_MEMORY) -> None:
        self._columns = columns
        self._n_digests = 0
        self._open(_FIRST_BITS)

    def _open(self, n_bits: int) -> None:
        """Begin an empty table; an entry is a digest and its number plus one."""
        self._n_bits = n_bits
        self._table = self._columns.zeros(3 * ((1 << n_bits) + _TAIL), np.uint64).reshape(-1, 3)
        self._bytes = memoryview(self._table.reshape(-1).data).cast("B")

    def _place_of(self, digest: bytes) -> int:
        """Where a digest stands, or the free place where it would, in bytes."""
        mixed = int.from_bytes(digest[:8], "little") * _MULTIPLIER & _MAX_UINT64
        at = (mixed >> (64 - self._n_bits)) * _ENTRY_BYTES
        while (entry := self._bytes[at : at + _ENTRY_BYTES])[16:] != _NO_NUMBER:
            if entry[:16] == digest:
                break
            at += _ENTRY_BYTES
        return at

    def get(self, digest: bytes) -> int | None:
        """The number of a digest; None if it was not added."""
        at = self._place_of(digest)
        number = int.from_bytes(self._bytes[at + 16 : at + _ENTRY_BYTES], "little")
        return number - 1 if number else None

    def add(self, digest: bytes, number: int) -> None:
        """Add a digest that was not added yet."""
        at = self._place_of(digest)
        self._bytes[at : at + _ENTRY_BYTES] = digest + (number + 1).to_bytes(8, "little")
        self._n_digests += 1
        if 2 * self._n_digests > 1 << self._n_bits:
            self._grow()

    def _grow(self) -> None:
        """Move everything into a table of twice the size."""
        old, start, free = self._table, 0, 0
        self._open(self._n_bits + 1)
        while start < len(old):
            end = min(len(old), start + _MOVED)
            while end < len(old) and old[end, 2]:  # hashes ascend across a free place
                end += 1
            some = old[start:end][old[start:end, 2] > 0]
            home = (some[:, 0] * np.uint64(_MULTIPLIER)) >> np.uint64(64 - self._n_bits)
            by_home = np.argsort(home)
            count = np.arange(len(some))
            at = np.maximum(home[by_home].astype(np.int64) - count, free)
            at = np.maximum.accumulate(at) + count
            self._table[at] = some[by_home]
            free, start = int(at[-1]) + 1 if len(at) else free, end


class DigestSet:
    """Digests of 16 bytes, in 16 bytes each.

    A stream keeps one for every record that it has passed on, where a set of Python objects would
    take five times as much. The first two bytes choose a bucket, which holds the other fourteen.
    """

    def __init__(self) -> None:
        self._buckets: dict[bytes, bytearray] = {}

    def add(self, digest: bytes) -> bool:
        """Add a digest; False if it was there already."""
        bucket = self._buckets.setdefault(digest[:2], bytearray())
        rest = digest[2:]
        at = bucket.find(rest)
        while at >= 0 and at % len(rest):  # the end of one digest and the beginning of the next
            at = bucket.find(rest, at + 1)
        if at >= 0:
            return False
        bucket += rest
        return True
