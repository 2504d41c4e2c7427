"""One shard → bounded batches of rows, each row a text or a reject with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zipsel.texts import TextBatch

#: First bytes of a refused row that its reject shows.
SNIPPET_BYTES = 120

#: Fields, and characters of each, that a message lists.
_SHOWN_NAMES, _SHOWN_NAME = 20, 40


@dataclass(frozen=True)
class Lines:
    """The lines that a batch's rows were read from.

    Attributes:
        data: The bytes that contain them.
        starts: Where each begins in it.
        ends: Where each ends, its newline left out.
    """

    data: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __getitem__(self, row: int) -> bytes:
        """The line of a row."""
        return self.data[self.starts[row] : self.ends[row]]


@dataclass
class Taken:
    """Where the texts of a batch came from, and what of its rows is in no text.

    Attributes:
        fields: Field → texts, where several were named.
        left_out: Kind of a chat's part → how many are not in the text, or as a placeholder.
    """

    fields: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, other: Taken) -> None:
        """Count the texts of another batch too."""
        self.fields += other.fields
        self.left_out += other.left_out


@dataclass(frozen=True)
class RowBatch:
    """Consecutive rows of one shard.

    Attributes:
        offsets: Where each row begins in the decompressed stream, int64 ``(n_rows,)``; -1 for
            tables.
        texts: The texts of the accepted rows.
        accepted: Positions of those rows in the batch, int64 ``(len(texts),)``, ascending.
        rejects: Position → reason and first ``SNIPPET_BYTES`` bytes, for all other rows.
        groups: Group of each accepted row; empty where none was asked for.
        lines: The rows' lines in the shard; None for tables.
        damage: What is wrong with the rows, where a damaged shard is being salvaged.
        found: Fields of the first row that is refused for lack of one.
        taken: Where the texts came from.
    """

    offsets: NDArray[np.int64]
    texts: TextBatch
    accepted: NDArray[np.int64]
    rejects: dict[int, tuple[Reason, bytes]]
    groups: list[str | None]
    lines: Lines | None = None
    damage: str = ""
    found: str = ""
    taken: Taken = field(default_factory=Taken)

    @property
    def n_rows(self) -> int:
        """Rows, accepted and refused."""
        return len(self.offsets)


@dataclass(frozen=True)
class Chunk:
    """A run of whole rows of one shard: the unit of a task and of a sidecar part.

    Attributes:
        index: Which chunk of the shard, from 0.
        where: Where in the shard its rows are, for messages.
        place: What its reader finds the rows by, or the rows themselves.
        final: Whether no other chunk follows.
        damage: What ended the shard behind these rows, where it is being salvaged.
    """

    index: int
    where: str
    place: Any
    final: bool = False
    damage: str = ""


class Reason(StrEnum):
    """Why a row is refused."""

    INVALID_JSON = "invalid-json"
    TRAILING_GARBAGE = "trailing-garbage"
    TRUNCATED = "truncated"
    NOT_AN_OBJECT = "not-an-object"
    INVALID_UTF8 = "invalid-utf8"
    TOO_DEEP = "too-deep"
    TOO_LONG = "too-long"
    MISSING_FIELD = "missing-field"
    NULL = "null"
    WRONG_TYPE = "wrong-type"
    EMPTY = "empty"
    WRONG_COLUMNS = "wrong-columns"  # another number of fields than the header
    UNKNOWN_PART = "unknown-part"  # of a chat: nobody knows where its words are
    DAMAGED = "damaged"  # unreadable, in a shard that is being salvaged


class RowError(Exception):
    """A row has no usable text.

    Args:
        reason: What is wrong with it.
        found: The fields that it has, where it lacks the one that was asked for.
    """

    def __init__(self, reason: Reason, found: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.found = list_names(found)


def list_names(names: Iterable[str]) -> str:
    """Names of fields for a message: the first few, none of them long."""
    listed = [name if len(name) <= _SHOWN_NAME else f"{name[:_SHOWN_NAME]}…" for name in names]
    return ", ".join(listed[:_SHOWN_NAMES] + ["…"] * (len(listed) > _SHOWN_NAMES))
