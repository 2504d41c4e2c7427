"""What the selection has to know of a candidate's text, found out where the text is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zipsel.errors import UsageError
from zipsel.scorers.profile import ProfileFile, load_cached
from zipsel.selection.duplicates import sketch
from zipsel.selection.leaks import Leak, LeakSources, load_index
from zipsel.storage.paths import read_bytes
from zipsel.texts import BATCH_BYTES, TextBatch


class Features(NamedTuple):
    """What was found out about one text.

    Attributes:
        digest: 16 bytes; equal for equal texts.
        n_tokens: Tokens, where they were asked for; otherwise -1.
        leak: The target example or benchmark item that it holds, if any.
        minhash: For near-duplicates, where they were asked for.
    """

    digest: bytes = b""
    n_tokens: int = -1
    leak: Leak | None = None
    minhash: Any = None


class TokenizerFile(NamedTuple):
    """A tokenizers JSON file as tasks carry it: its path, and a hex digest of its bytes."""

    path: str
    digest: str


@dataclass(frozen=True)
class Inspection:
    """What to find out about each text.

    Attributes:
        leaks: What must not leak; None to look for no leaks.
        near: Make the sketch that near-duplicates are found by.
        tokenizer: What to count tokens with, or None.
        ngrams: The file of a profile whose target's n-grams are looked up, or None.
    """

    leaks: LeakSources | None = None
    near: bool = False
    tokenizer: TokenizerFile | None = None
    ngrams: ProfileFile | None = None

    def find_ngrams(self, texts: Sequence[str]) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
        """Yield the target's n-grams in texts, as ``spool.SpoolFile`` keeps them, batch by batch.

        Nothing is yielded where they were not asked for.
        """
        if self.ngrams is None:
            return
        ngrams = load_cached(self.ngrams).ngrams
        ends = np.cumsum([len(text) for text in texts]) // BATCH_BYTES
        for batch in np.split(np.arange(len(texts)), np.flatnonzero(np.diff(ends)) + 1):
            some = TextBatch.from_texts([texts[i] for i in batch.tolist()])
            numbers, lengths = ngrams.in_texts(some)
            yield numbers.tobytes(), lengths

    def look(self, text: str) -> Features:
        """Look at one text."""
        n_tokens, minhash = -1, None
        if self.tokenizer is not None:
            n_tokens = count_tokens(self.tokenizer, text)
        if self.near:
            minhash = sketch(text)
        digest = blake2b(text.encode(), digest_size=16).digest()
        leak = None if self.leaks is None else load_index(self.leaks).find_again(digest, text)
        return Features(digest, n_tokens, leak, minhash)


@lru_cache(maxsize=1)
def load_tokenizer(file: TokenizerFile) -> Any:
    """Load a tokenizers JSON file, once per process and digest; it neither cuts nor pads texts.

    Raises:
        UsageError: If the library is not installed, or the file is no tokenizer or has changed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UsageError("--tokenizer needs a library: pip install 'zipsel[tokenizer]'") from None
    try:
        data = read_bytes(file.path)
        tokenizer = Tokenizer.from_str(data.decode())
        tokenizer.no_truncation()
        tokenizer.no_padding()
    except Exception as error:  # tokenizers raises bare Exception
        raise UsageError(f"--tokenizer {file.path}: {error}") from None
    if blake2b(data, digest_size=16).hexdigest() != file.digest:
        raise UsageError(f"--tokenizer {file.path}: has changed since the run began; run again")
    return tokenizer


def count_tokens(file: TokenizerFile, text: str) -> int:
    """Tokens of a text, special tokens not counted."""
    return len(load_tokenizer(file).encode(text, add_special_tokens=False))
