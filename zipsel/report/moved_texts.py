"""How the records that moved between two runs begin, as far as their shards still stand."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from zipsel.errors import ShardError
from zipsel.explain.records import iter_found
from zipsel.report.runs import FinishedRun
from zipsel.rows import TextSpec

_SHOWN_CHARACTERS = 100


def beginnings(run: FinishedRun, ranks: Sequence[int]) -> list[str]:
    """The first characters of chosen records; empty where a shard cannot be read any more.

    Args:
        run: Whose records they are.
        ranks: Their ranks, from 1.
    """
    origin = run.report.provenance
    texts = [""] * len(ranks)
    if origin is None:
        return texts
    spec = TextSpec(origin.text_kind, origin.text_value)
    table = run.chosen.select(["shard", "row", "offset"])
    rows = [table.slice(rank - 1, 1).to_pylist()[0] for rank in ranks]
    for shard in dict.fromkeys(row["shard"] for row in rows):
        here = [i for i, row in enumerate(rows) if row["shard"] == shard]
        with suppress(ShardError):  # a comparison does not need the texts
            for position, text in iter_found(
                run.locate(shard),
                [rows[i]["row"] for i in here],
                [rows[i]["offset"] for i in here],
                spec,
                origin.long_windows,
            ):
                texts[here[position]] = text[:_SHOWN_CHARACTERS]
    return texts
