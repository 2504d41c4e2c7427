"""Refused rows: counted, limited, and listed with their places, reasons and remedies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

import msgspec
import numpy as np

from zipsel.console.safe_text import printable
from zipsel.errors import TooManyRejects
from zipsel.readers.remedies import advise
from zipsel.readers.rows import Reason
from zipsel.scoring.plan import PoolScores
from zipsel.scoring.settings import RunSettings
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


def _iter_rejects_of(part: Part, reasons: frozenset[str] | None = None) -> Iterator[Reject]:
    if part.summary.n_rejected == 0:
        return
    table = read_columns(part, ["offset", "reject", "snippet"])
    refused = np.flatnonzero(table["reject"].is_valid().to_numpy())
    chosen = table.take(refused).to_pylist()
    for i, row in zip(refused.tolist(), chosen, strict=True):
        if reasons is None or row["reject"] in reasons:
            yield Reject(
                shard=part.shard.path,
                row=part.first_row + i,
                offset=row["offset"],
                reason=row["reject"],
                snippet=row["snippet"].decode(errors="replace"),
            )


def pick_rejects(parts: Sequence[Part], reason: str, n_rejects: int) -> list[Reject]:
    """Examples of a reason, in order: the first of each shard, then further ones."""
    with_reason = [part for part in parts if part.summary.rejects.get(reason)]
    first_parts = {part.shard.index: part for part in reversed(with_reason)}
    of_reason = frozenset({reason})
    picked: dict[tuple[str, int], Reject] = {}
    firsts = [first_parts[index] for index in sorted(first_parts)][:n_rejects]
    for rejects in (
        *(islice(_iter_rejects_of(part, of_reason), 1) for part in firsts),
        chain.from_iterable(_iter_rejects_of(part, of_reason) for part in with_reason),
    ):
        for reject in rejects:
            if len(picked) == n_rejects:
                break
            picked.setdefault((reject.shard, reject.row), reject)
    order = {part.shard.path: part.shard.index for part in with_reason}
    return sorted(picked.values(), key=lambda one: (order[one.shard], one.row))


def encode_rejects(parts: Sequence[Part]) -> Iterator[bytes]:
    """Yield the lines of ``rejects.jsonl``, in the order of the pool."""
    for part in parts:
        yield from (msgspec.json.encode(reject) + b"\n" for reject in _iter_rejects_of(part))


def describe(reject: Reject) -> str:
    """A refused row on one line, safe on a terminal."""
    place = f"{printable(reject.shard)} row {reject.row}"
    if reject.offset is not None:
        place += f" (byte {reject.offset})"
    return f"{place}: {reject.reason}: {printable(reject.snippet, 50)}"


@dataclass
class Refusals:
    """The refused rows of a run, for its error.

    Attributes:
        n_rows: Rows, accepted and refused.
        rejects: Reason → refused rows.
        first: Some of the refused rows, to show.
        found: Fields of the first row that is refused for lack of the text's.
    """

    n_rows: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    first: list[Reject] = field(default_factory=list)
    found: str = ""


def check_rejects(scores: PoolScores, settings: RunSettings) -> None:
    """Raise if more rows were refused than may be.

    Rows lost in a damaged shard do not count here: salvaging it was asked for.

    Raises:
        TooManyRejects: Showing ten of them, of as many shards as there are.
    """
    rejects: Counter[str] = Counter()
    for part in scores.parts:
        rejects.update(part.summary.rejects)
    del rejects[Reason.DAMAGED.value]
    if rejects.total() <= settings.rejects_allowed(scores.n_rows):
        return
    share = max(1, N_SHOWN // max(1, len(rejects)))
    first = [reject for reason in rejects for reject in pick_rejects(scores.parts, reason, share)]
    found = next((part.summary.found for part in scores.parts if part.summary.found), "")
    refusals = Refusals(scores.n_rows, rejects, first[:N_SHOWN], found)
    raise too_many_rejects(refusals, settings, "nothing was written")


def too_many_rejects(refusals: Refusals, settings: RunSettings, outcome: str) -> TooManyRejects:
    """The error that ends a run with too many refused rows."""
    n_refused = refusals.rejects.total()
    lines = [
        f"{n_refused:,} of {refusals.n_rows:,} rows were refused, more than --max-rejects "
        f"{settings.max_rejects} allows ({settings.rejects_allowed(refusals.n_rows):,}); {outcome}:"
    ]
    for reason, n in sorted(refusals.rejects.items(), key=lambda item: (-item[1], item[0])):
        advice = advise(reason, settings.reading.text, refusals.found)
        lines.append(f"  {n:,} {reason}: {printable(advice)}")
        lines += [f"    {describe(one)}" for one in refusals.first if one.reason == reason]
    return TooManyRejects("\n".join(lines))
