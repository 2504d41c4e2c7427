"""What the selection has to know of a candidate's text, found out where the text is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from zipsel.errors import UsageError
from zipsel.selection.leaks import Leak, LeakSources, load_index


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


@dataclass(frozen=True)
class Inspection:
    """What to find out about each text.

    Attributes:
        leaks: What must not leak; None to look for no leaks.
        near: Make the sketch that near-duplicates are found by.
        tokenizer_path: A tokenizers JSON to count tokens with, or None.
    """

    leaks: LeakSources | None = None
    near: bool = False
    tokenizer_path: str | None = None

    def look(self, text: str) -> Features:
        """Look at one text."""
        n_tokens, minhash = 0, None
        if self.tokenizer_path is not None:
            n_tokens = count_tokens(self.tokenizer_path, text)
        if self.near:
            from zipsel.selection.duplicates import sketch

            minhash = sketch(text)
        digest = blake2b(text.encode(), digest_size=16).digest()
        leak = None if self.leaks is None else load_index(self.leaks).find_again(digest, text)
        return Features(digest, n_tokens, leak, minhash)


@lru_cache(maxsize=1)
def load_tokenizer(path: str) -> Any:
    """Load a tokenizers JSON file.

    Raises:
        UsageError: If the library is not installed or the file is no tokenizer.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UsageError("--tokenizer needs a library: pip install 'zipsel[tokenizer]'") from None
    try:
        return Tokenizer.from_file(path)
    except Exception as error:  # tokenizers raises bare Exception
        raise UsageError(f"--tokenizer {path}: {error}") from None


def count_tokens(path: str, text: str) -> int:
    """Tokens of a text, special tokens not counted."""
    return len(load_tokenizer(path).encode(text, add_special_tokens=False))
