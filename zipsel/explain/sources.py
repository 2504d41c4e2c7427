"""From a place in the dictionary to the target example that stands there."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from zipsel.records import TextBatch

#: Bytes shown before and after a stretch.
_CONTEXT_BYTES = 16

#: Longest excerpt, in bytes.
_EXCERPT_BYTES = 160


class ExampleFinder:
    """Names the target example at a place in the dictionary.

    The dictionary is examples in their order, some left out, each followed by one byte; its
    first may lack its beginning. Examples are laid along it in that order.

    Args:
        dictionary: The scorer's.
        target: All examples.
    """

    def __init__(self, dictionary: bytes, target: TextBatch) -> None:
        self.dictionary = dictionary
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._examples: list[int] = []
        position = 0
        for number, example in enumerate(target.iter_encoded()):
            if position >= len(dictionary):
                break
            end = self._end_of(example, position)
            if end is None:
                continue
            self._starts.append(position)
            self._ends.append(end)
            self._examples.append(number)
            position = end + 1

    def _end_of(self, example: bytes, position: int) -> int | None:
        """Where an example ends if it stands at a position, whole or as the first's tail."""
        end = position + len(example)
        if self.dictionary.startswith(example, position):
            return end if self.dictionary[end : end + 1] in (b"", b"\n") else None
        return len(self.dictionary) if position == 0 and example.endswith(self.dictionary) else None

    def find(self, place: int, n_bytes: int) -> dict[str, Any]:
        """``example`` (-1 if the stretch is not inside one) and ``text``, an excerpt."""
        i = bisect_right(self._starts, place) - 1
        inside = i >= 0 and place + n_bytes <= self._ends[i]
        low, high = (self._starts[i], self._ends[i]) if inside else (0, len(self.dictionary))
        first = max(low, place - _CONTEXT_BYTES)
        last = min(high, place + min(n_bytes, _EXCERPT_BYTES) + _CONTEXT_BYTES)
        excerpt = self.dictionary[first:last].decode(errors="ignore")
        before = "…" if first > low else ""
        after = "…" if last < high else ""
        return {"example": self._examples[i] if inside else -1, "text": before + excerpt + after}
