"""Looks many 64-bit keys up at once in a table of bounded size, without collisions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
_CLAIM = np.uint64(((1 << 25) - 1) << 39)  # marks entries in the making; the top of no key


class ExactCache:
    """Values under 64-bit keys, the older of two in a set making room for a new one.

    A key has zeros in its low ``value_bits`` and not only ones in its top 25. With *details*, a
    second 64-bit word belongs to it. Either the keys or the details are never 0.
    """

    def __init__(self, sets_log2: int, value_bits: int, *, with_details: bool) -> None:
        """Make room for 2 ** (sets_log2 + 1) values under 2 ** value_bits."""
        self._shift = np.uint64(64 - sets_log2)
        self._max_value = np.uint64((1 << value_bits) - 1)
        self._entries = np.zeros((1 << sets_log2, 2), dtype=np.uint64)
        self._details = np.zeros((len(self._entries) if with_details else 0, 2), dtype=np.uint64)

    def look_up(self, keys: Words, details: Words | None, create: Callable[[Ints], Words]) -> Words:
        """Look up or create values.

        Args:
            keys: Keys, which may repeat.
            details: Their second words, for a cache that was made with them.
            create: Values for the positions in ``keys`` that are missing, in ascending order.

        Returns:
            The value of each key.
        """
        mixed = (keys if details is None else keys ^ details) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(0xD6E8FEB86659FD93)
        places = (mixed >> self._shift).view(np.int64)
        entries = self._entries.take(places, axis=0)
        newer, older = entries[:, 0] ^ keys, entries[:, 1] ^ keys
        if details is not None:
            found = self._details.take(places, axis=0)
            newer |= (found[:, 0] != details).astype(np.uint64) << np.uint64(63)
            older |= (found[:, 1] != details).astype(np.uint64) << np.uint64(63)
        values: Words = np.minimum(newer, older)
        missing = np.flatnonzero(values > self._max_value)
        if missing.size:
            places, keys = places[missing], keys[missing]
            details = None if details is None else details[missing]
            values[missing] = self._add(places, keys, details, lambda at: create(missing[at]))
        return values

    def _add(
        self, places: Ints, keys: Words, details: Words | None, create: Callable[[Ints], Words]
    ) -> Words:
        # Each key writes its number into its set. A key that reads its own back has the entry; the
        # others find the number of that one, and share its value if they have the same key.
        numbers = np.arange(len(places))
        evicted = self._entries[places, 0]
        self._entries[places, 0] = numbers.view(np.uint64) | _CLAIM
        owners = (self._entries[places, 0] ^ _CLAIM).view(np.int64)
        owning = owners == numbers
        shared = keys[owners] == keys
        if details is not None:
            shared &= details[owners] == details
        created = np.flatnonzero(owning | ~shared)
        values = np.empty_like(keys)
        values[created] = create(created)
        values[shared] = values[owners[shared]]
        at = places[owning]
        if details is not None:
            self._entries[at] = _CLAIM  # an interrupt here must not leave halves of two keys
            self._details[at, 1] = self._details[at, 0]
            self._details[at, 0] = details[owning]
        self._entries[at, 1] = evicted[owning]
        self._entries[at, 0] = (keys | values)[owning]
        return values
