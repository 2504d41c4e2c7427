"""What the selection has to know of a candidate's text, found out where the text is read."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple


class Features(NamedTuple):
    """What was found out about one text.

    Attributes:
        digest: 16 bytes; equal for equal texts.
        n_tokens: Tokens, where they were asked for; otherwise 0.
    """

    digest: bytes
    n_tokens: int


@dataclass(frozen=True)
class Inspection:
    """What to find out about each text.

    Attributes:
        tokenizer_path: A tokenizers JSON to count tokens with, or None.
    """

    tokenizer_path: str | None = None

    def look(self, text: str) -> Features:
        """Look at one text."""
        digest = blake2b(text.encode(), digest_size=16).digest()
        n_tokens = 0
        if self.tokenizer_path is not None:
            from zipsel.selection.tokens import count_tokens

            n_tokens = count_tokens(self.tokenizer_path, text)
        return Features(digest, n_tokens)
