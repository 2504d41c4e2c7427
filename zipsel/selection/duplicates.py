"""Copies: exact by digest, near by MinHash; the better-ranked one stays.

Near-duplicates share most of their word 5-grams. MinHash with locality-sensitive hashing (Broder
1997; Leskovec, Rajaraman & Ullman, chapter 3) comes from ``rensa`` (extra ``dedup``), which takes
18 microseconds a text where ``datasketch`` takes 330 (128 permutations, 1 KB texts). Only
candidates are looked at, so the cost follows the budget and not the pool.
"""

from __future__ import annotations

from typing import Any

from zipsel.errors import UsageError
from zipsel.selection.leaks import words_of
from zipsel.selection.settings import DEFAULT_NEAR_THRESHOLD, DedupMode

_N_PERMUTATIONS = 128
#: Least probability that a pair at the threshold meets in a band; those that meet are then
#: compared in full.
_LEAST_RECALL = 0.999
_SHINGLE_WORDS = 5
_SEED = 42
_NUMBER_BYTES = 6

#: Bytes of a digest in its bucket, and its number's.
_ENTRY_BYTES = 14 + _NUMBER_BYTES


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
    """

    def __init__(self, mode: DedupMode, threshold: float = DEFAULT_NEAR_THRESHOLD) -> None:
        self.mode = mode
        self.threshold = threshold
        self._digests = DigestMap()
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
    """Digests of 16 bytes, each with a whole number below 2^48, in 20 bytes each.

    A set of Python objects would take five times as much. The first two bytes choose a bucket,
    which holds the other fourteen, and the number.
    """

    def __init__(self) -> None:
        self._buckets: dict[bytes, bytearray] = {}

    def get(self, digest: bytes) -> int | None:
        """The number of a digest; None if it was not added."""
        bucket, rest = self._buckets.get(digest[:2], b""), digest[2:]
        at = bucket.find(rest)
        while at >= 0 and at % _ENTRY_BYTES:  # the end of one entry and the beginning of the next
            at = bucket.find(rest, at + 1)
        if at < 0:
            return None
        return int.from_bytes(bucket[at + len(rest) : at + _ENTRY_BYTES], "little")

    def add(self, digest: bytes, number: int) -> None:
        """Add a digest that was not added yet."""
        bucket = self._buckets.setdefault(digest[:2], bytearray())
        bucket += digest[2:] + number.to_bytes(_NUMBER_BYTES, "little")


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
