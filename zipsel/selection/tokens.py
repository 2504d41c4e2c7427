"""Counting tokens with a tokenizer file (extra ``tokenizer``)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from zipsel.errors import UsageError


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
