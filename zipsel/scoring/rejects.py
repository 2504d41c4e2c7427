"""Refused rows: counted, bounded, and listed with where they stand and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec
import numpy as np

from zipsel.console.safe_text import printable
from zipsel.errors import TooManyRejects
from zipsel.readers.rows import Reason
from zipsel.scoring.plan import PoolScores
from zipsel.scoring.settings import ScoreSettings
from zipsel.scoring.sidecar import Part, read_columns

#: Refused rows that an error shows.
N_SHOWN = 10


class Reject(msgspec.Struct, frozen=True):
    """One refused row.

    Attributes:
        shard: Its file.
        row: Its row there.
        offset: Byte where it begins in the decompressed stream; None for tables.
        reason: Why it was refused.
        snippet: Its first 120 bytes, undecodable ones replaced.
    """

    shard: str
    row: int
    offset: int | None
    reason: str
    snippet: str


def iter_rejects(parts: Sequence[Part]) -> Iterator[Reject]:
    """Yield the refused rows of a pool, in order."""
    for part in parts:
        if part.summary.n_rejected == 0:
            continue
        table = read_columns(part, ["offset", "reject", "snippet"])
        refused = np.flatnonzero(table["reject"].is_valid().to_numpy())
        chosen = table.take(refused).to_pylist()
        for i, row in zip(refused.tolist(), chosen, strict=True):
            yield Reject(
                shard=part.shard.path,
                row=part.first_row + i,
                offset=row["offset"],
                reason=row["reject"],
                snippet=row["snippet"].decode(errors="replace"),
            )


def encode_rejects(parts: Sequence[Part]) -> Iterator[bytes]:
    """Yield the lines of ``rejects.jsonl``."""
    for reject in iter_rejects(parts):
        yield msgspec.json.encode(reject) + b"\n"


def describe(reject: Reject) -> str:
    """A refused row on one line, safe on a terminal."""
    place = f"{printable(reject.shard)} row {reject.row}"
    if reject.offset is not None:
        place += f" (byte {reject.offset})"
    return f"{place}: {reject.reason}: {printable(reject.snippet, 50)}"


def check_rejects(scores: PoolScores, settings: ScoreSettings) -> None:
    """Raise if more rows were refused than may be.

    Rows lost in a damaged shard do not count here: salvaging it was asked for.

    Raises:
        TooManyRejects: Showing the first ten.
    """
    n_damaged = sum(part.summary.rejects.get(Reason.DAMAGED.value, 0) for part in scores.parts)
    n_refused = scores.n_rejected - n_damaged
    allowed = settings.rejects_allowed(scores.n_rows)
    if n_refused <= allowed:
        return
    refused = (one for one in iter_rejects(scores.parts) if one.reason != Reason.DAMAGED.value)
    raise too_many_rejects(
        n_refused, scores.n_rows, settings, list(islice(refused, N_SHOWN)), "nothing was written"
    )


def too_many_rejects(
    n_refused: int, n_rows: int, settings: ScoreSettings, first: Sequence[Reject], outcome: str
) -> TooManyRejects:
    """The error that ends a run with too many refused rows.

    Args:
        n_refused: Refused rows.
        n_rows: Of how many.
        settings: Say how many may be.
        first: Rows to show.
        outcome: What became of the output.
    """
    return TooManyRejects(
        f"{n_refused:,} of {n_rows:,} rows were refused, more than --max-rejects "
        f"{settings.max_rejects} allows ({settings.rejects_allowed(n_rows):,}); {outcome}. "
        "The first:\n" + "\n".join(f"  {describe(reject)}" for reject in first)
    )
