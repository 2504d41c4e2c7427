"""Hash buckets of the words and word pairs of texts, as DSIR counts them, many texts at once.

`zipsel.scorers.dsir` tells whose definition this is and where it deviates. The reference spends its
time on one SHA-256 per n-gram; here numpy finds the tokens of a block of texts at once and
looks n-grams up in exact, bounded caches, and only what is missing there is hashed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import cache, partial
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zipsel.scorers.exact_cache import ExactCache, Ints, Words
from zipsel.texts import TextBatch

N_BUCKETS = 10_000
_BLOCK_BYTES = 1 << 18  # of text at a time: the temporary arrays then stay near a core's L2 cache
_STEP_TOKENS = 1 << 18  # looked up at a time, however long a single text is
_TOKEN_SETS_LOG2, _BIGRAM_SETS_LOG2 = 20, 22  # 32 and 64 MB for each thread that counts
_SPACE, _WORD, _PUNCTUATION = 0, 1, 2
_CHUNK_BYTES = 7  # of a token in one 64-bit word, above a byte that tells how many there are
_CACHED_BYTES = 7 * _CHUNK_BYTES  # longer tokens (digests, base64) hardly ever return
_CHUNK_MASKS = np.array([(256 << 8 * min(n, 7)) - 256 for n in range(9)], dtype=np.uint64)

# The key of a token is its number (25 bits) above its bucket (14 bits). The cache of tokens holds
# it below the number of what precedes the token's last chunk; the cache of bigrams holds a bucket
# below two numbers. The highest number stays free, as the cache demands.
_BUCKET_BITS, _KEY_BITS = 14, 39

_TO_NUMBER, _TO_UPPER = np.uint64(_BUCKET_BITS), np.uint64(_KEY_BITS)
_ISSUE_LIMIT = (1 << 25) - 10 * _STEP_TOKENS  # a step issues at most eight numbers per token

# A digest is eight 32-bit words, the highest first. Their dot product with these powers of
# 2**32 is congruent to the digest and under 2**49, so one modulo gives the bucket.
_DIGEST_WEIGHTS = np.array([pow(2, 32 * i, N_BUCKETS) for i in range(7, -1, -1)], dtype=np.uint64)


class NgramBuckets(NamedTuple):
    """Buckets of the n-grams of some texts, in text order.

    Attributes:
        n_per_text: Tokens of each text, shape ``(n_texts,)``.
        texts: The text of each token, shape ``(n_tokens,)``.
        unigrams: Bucket of each token, shape ``(n_tokens,)``.
        bigrams: Bucket of each token and its successor, shape ``(n_tokens - 1,)``.
        inside: Whether both tokens are of one text; other bigrams must not count.
    """

    n_per_text: Ints
    texts: Ints
    unigrams: Ints
    bigrams: Ints
    inside: NDArray[np.bool_]


class _Tokens(NamedTuple):
    """Tokens by their place in the lowercased bytes of some texts."""

    data: bytes
    starts: Ints
    ends: Ints


def iter_ngram_buckets(batch: TextBatch) -> Iterator[NgramBuckets]:
    """Buckets of a batch, in blocks of whole texts; no text's depend on another's."""
    block: list[bytes] = []
    n_block_bytes = 0
    for start, stop in zip(batch.offsets[:-1].tolist(), batch.offsets[1:].tolist(), strict=True):
        block.append(batch.buffer[start:stop].tobytes())
        n_block_bytes += stop - start
        if n_block_bytes >= _BLOCK_BYTES:
            yield _count_block(block)
            block, n_block_bytes = [], 0
    yield _count_block(block)


def _count_block(block: list[bytes]) -> NgramBuckets:
    tokens, n_per_text = _tokenize(block)
    texts = np.arange(len(block)).repeat(n_per_text)
    unigrams, bigrams = _HASHER.hash_tokens(tokens)
    return NgramBuckets(n_per_text, texts, unigrams, bigrams, texts[1:] == texts[:-1])


@cache
def _code_point_kinds() -> NDArray[np.uint8]:
    """Space, word or punctuation for every code point, as ``re`` sees it."""
    code_points = np.arange(0x110000, dtype="<u4")
    code_points[0xD800:0xE000] = ord(" ")  # surrogates, which no UTF-8 text holds
    kinds = np.full(len(code_points), _PUNCTUATION, dtype=np.uint8)
    for run in re.finditer(r"(\w+)|\s+", code_points.tobytes().decode("utf-32-le")):
        kinds[run.start() : run.end()] = _WORD if run[1] else _SPACE
    return kinds


def _tokenize(texts: list[bytes]) -> tuple[_Tokens, Ints]:
    r"""Find the matches of ``\w+|[^\w\s]+``: the longest runs of one kind, spaces apart.

    Returns:
        All tokens, and how many of them each text has.
    """
    lowered = [x.lower() if x.isascii() else x.decode().lower().encode() for x in texts]
    # Spaces keep tokens inside their text; those at the end are for loads of eight bytes.
    data = b" ".join([b"", *lowered, b" " * 8])
    text_starts = np.cumsum([1, *(len(text) + 1 for text in lowered)])
    kind_of = _code_point_kinds()
    kinds = np.frombuffer(bytearray(data.translate(kind_of[:256].tobytes())), dtype=np.uint8)
    if not data.isascii():
        raw = np.frombuffer(data, dtype=np.uint8)
        wide = raw >= 0x80
        code_points = np.frombuffer(raw[wide].tobytes().decode().encode("utf-32-le"), dtype="<u4")
        n_bytes = 2 + (code_points >= 0x800) + (code_points >= 0x10000)
        kinds[wide] = kind_of[code_points].repeat(n_bytes)
    bounds = np.flatnonzero(kinds[1:] != kinds[:-1]) + 1
    runs = np.flatnonzero(kinds[bounds[:-1]] != _SPACE)
    tokens = _Tokens(data, bounds[runs], bounds[runs + 1])
    return tokens, np.diff(np.searchsorted(tokens.starts, text_starts))


def _hash(tokens: _Tokens, n: int, positions: Ints) -> Words:
    """Buckets of the n-grams that begin at some positions.

    A bucket is the SHA-256 of the tokens joined by single spaces, modulo `N_BUCKETS`.
    """
    if not positions.size:
        return np.empty(0, dtype=np.uint64)
    members = np.add.outer(positions, np.arange(n)).ravel()
    starts, ends = tokens.starts.take(members), tokens.ends.take(members)
    lengths = ends - starts + 1  # with the byte behind, to become the separator
    stops = lengths.cumsum()
    sources = np.arange(stops[-1]) + (ends + 1 - stops).repeat(lengths)
    joined = np.frombuffer(tokens.data, dtype=np.uint8).take(sources)
    joined[stops - 1] = ord(" ")
    joined[stops[n - 1 :: n] - 1] = ord("\n")  # which no token holds
    digests = [sha256(ngram).digest() for ngram in joined[:-1].tobytes().split(b"\n")]
    words = np.frombuffer(b"".join(digests), dtype=">u4").reshape(-1, 8).astype(np.uint64)
    buckets: Words = words @ _DIGEST_WEIGHTS % np.uint64(N_BUCKETS)
    return buckets


class _Hasher(threading.local):
    """Buckets of tokens. A thread keeps its own caches: they are no part of any result.

    Every key of a token holds a number of its own, issued once until both caches are emptied
    together: two of them identify a bigram, whatever was evicted in between.
    """

    def __init__(self) -> None:
        self._empty()

    def _empty(self) -> None:
        self._tokens = ExactCache(_TOKEN_SETS_LOG2, _KEY_BITS, with_details=True)
        self._bigrams = ExactCache(_BIGRAM_SETS_LOG2, _BUCKET_BITS, with_details=False)
        self._n_issued = 0

    def hash_tokens(self, tokens: _Tokens) -> tuple[Ints, Ints]:
        """Buckets of all tokens, and of all pairs of neighbours, even across texts."""
        n_tokens = len(tokens.starts)
        unigrams = np.empty(n_tokens, dtype=np.int64)
        bigrams = np.empty(max(n_tokens - 1, 0), dtype=np.int64)
        for first in range(0, n_tokens, _STEP_TOKENS):
            if self._n_issued > _ISSUE_LIMIT:
                self._empty()
            step = slice(first, first + _STEP_TOKENS + 1)  # one more, to end the last bigram
            part = _Tokens(tokens.data, tokens.starts[step], tokens.ends[step])
            keys = self._token_keys(part)
            numbers = keys >> _TO_NUMBER
            pairs = numbers[:-1] << _TO_UPPER | numbers[1:] << _TO_NUMBER
            unigrams[step] = keys & np.uint64((1 << _BUCKET_BITS) - 1)
            bigrams[first : first + len(pairs)] = self._bigrams.look_up(
                pairs, None, partial(_hash, part, 2)
            )
        return unigrams, bigrams

    def _token_keys(self, tokens: _Tokens) -> Words:
        """Look tokens up in chunks of seven bytes, each under the number of what precedes it."""
        data, starts, ends = tokens
        keys = self._chunk_keys(tokens, 0, np.zeros(len(starts), dtype=np.uint64))
        pending = np.flatnonzero(ends - starts > _CHUNK_BYTES)
        for n_read in range(_CHUNK_BYTES, _CACHED_BYTES, _CHUNK_BYTES):
            part = _Tokens(data, starts[pending], ends[pending])
            keys[pending] = self._chunk_keys(part, n_read, keys[pending])
            pending = pending[part.ends - part.starts > n_read + _CHUNK_BYTES]
        keys[pending] = self._issue_keys(_hash(tokens, 1, pending))
        return keys

    def _chunk_keys(self, tokens: _Tokens, n_read: int, prefixes: Words) -> Words:
        data, starts, ends = tokens
        loads = np.ndarray(len(data) - 7, dtype="<u8", buffer=data, strides=(1,))
        n_bytes = np.minimum(ends - starts - n_read, _CHUNK_BYTES + 1)  # 8: more follow
        chunks = loads[starts + n_read] << np.uint64(8)
        chunks &= _CHUNK_MASKS.take(n_bytes)
        chunks |= n_bytes.view(np.uint64)

        def create_keys(positions: Ints) -> Words:
            buckets = np.zeros(len(positions), dtype=np.uint64)
            final = n_bytes[positions] <= _CHUNK_BYTES
            buckets[final] = _hash(tokens, 1, positions[final])
            return self._issue_keys(buckets)

        return self._tokens.look_up(prefixes >> _TO_NUMBER << _TO_UPPER, chunks, create_keys)

    def _issue_keys(self, buckets: Words) -> Words:
        first = self._n_issued + 1
        self._n_issued += len(buckets)
        numbers = np.arange(first, first + len(buckets), dtype=np.uint64)
        return numbers << _TO_NUMBER | buckets


_HASHER = _Hasher()
