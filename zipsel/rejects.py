"""Refused rows: counted, bounded, and listed with where they stand and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec
import numpy as np

from zipsel.errors import TooManyRejects
from zipsel.files import printable
from zipsel.scores import Part, read_columns
from zipsel.scoring import PoolScores
from zipsel.settings import ScoreSettings

_SHOWN = 10


class Reject(msgspec.Struct, frozen=True):
    """One refused row.

    Attributes:
        shard: Its file.
        row: Its row there.
        offset: Byte where it begins in the decompressed stream; None for Parquet.
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


def check_rejects(scores: PoolScores, settings: ScoreSettings) -> None:
    """Raise if more rows were refused than may be.

    Raises:
        TooManyRejects: Showing the first ten.
    """
    allowed = settings.rejects_allowed(scores.n_rows)
    if scores.n_rejected <= allowed:
        return
    shown = [
        f"  {reject.shard} row {reject.row}: {reject.reason}: {printable(reject.snippet, 50)}"
        for reject in islice(iter_rejects(scores.parts), _SHOWN)
    ]
    raise TooManyRejects(
        f"{scores.n_rejected:,} of {scores.n_rows:,} rows were refused, more than --max-rejects "
        f"{settings.max_rejects} allows ({allowed:,}); nothing was written. The first:\n"
        + "\n".join(shown)
    )
