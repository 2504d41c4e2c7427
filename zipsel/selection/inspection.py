"""What the selection has to know of a candidate's text, found out where the text is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from zipsel.errors import UsageError
from zipsel.selection.leaks import Leak, LeakSources, load_index
from zipsel.storage.paths import read_bytes


class Features(NamedTuple):
    """What was found out about one text.

    Attributes:
        digest: 16 bytes; equal for equal texts.
        n_tokens: Tokens, where they were asked for; otherwise 0.
        leak: The target example or benchmark item that it holds, if any.
        minhash: For near-duplicates, where they were asked for.
    """

    digest: bytes = b""
    n_tokens: int = 0
    leak: Leak | None = None
    minhash: Any = None


class TokenizerFile(NamedTuple):
    """A tokenizers JSON file as tasks carry it.

    Attributes:
        path: The file.
        digest: Of its bytes, hex.
    """

    path: str
    digest: str


@dataclass(frozen=True)
class Inspection:
    """What to find out about each text.

    Attributes:
        leaks: What must not leak; None to look for no leaks.
        near: Make the sketch that near-duplicates are found by.
        tokenizer: What to count tokens with, or None.
    """

    leaks: LeakSources | None = None
    near: bool = False
    tokenizer: TokenizerFile | None = None

    def look(self, text: str) -> Features:
        """Look at one text."""
        n_tokens, minhash = 0, None
        if self.tokenizer is not None:
            n_tokens = count_tokens(self.tokenizer, text)
        if self.near:
            from zipsel.selection.duplicates import sketch

            minhash = sketch(text)
        digest = blake2b(text.encode(), digest_size=16).digest()
        leak = None if self.leaks is None else load_index(self.leaks).find_again(digest, text)
        return Features(digest, n_tokens, leak, minhash)


@lru_cache(maxsize=1)
def load_tokenizer(file: TokenizerFile) -> Any:
    """Load a tokenizers JSON file, once per process and digest.

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
    except Exception as error:  # tokenizers raises bare Exception
        raise UsageError(f"--tokenizer {file.path}: {error}") from None
    if blake2b(data, digest_size=16).hexdigest() != file.digest:
        raise UsageError(f"--tokenizer {file.path}: has changed since the run began; run again")
    return tokenizer


def count_tokens(file: TokenizerFile, text: str) -> int:
    """Tokens of a text, special tokens not counted."""
    return len(load_tokenizer(file).encode(text, add_special_tokens=False))
