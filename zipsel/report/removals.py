"""Candidates that were left out, and the parts of the target that the choice covers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from zipsel.profile import Profile
from zipsel.report.figures import Facet
from zipsel.report.shown import SHOWN_CHARACTERS, Removal, RemovedRecord
from zipsel.rows import TextSpec
from zipsel.scorers.faceted import FacetedScorer
from zipsel.selecting import Selection
from zipsel.settings import SelectSettings
from zipsel.shards import Shard

_N_EXAMPLES = 10


class LeakedRow(msgspec.Struct, frozen=True):
    """A line of ``leaks.jsonl``.

    Attributes:
        shard: File of the record that was left out.
        row: Its row there.
        alignment: Its score.
        source: ``target``, or the file of ``--exclude-overlap`` that it overlaps.
        example: Number of the example there, from 0.
        overlap: Share of the example's n-grams that stand in it; 1 for a copy.
        text: How it begins.
    """

    shard: str
    row: int
    alignment: float
    source: str
    example: int
    overlap: float
    text: str


def iter_leaks(
    selection: Selection, shards: Sequence[Shard], spec: TextSpec
) -> Iterator[LeakedRow]:
    """Yield the candidates left out as leaks, in the order in which they were offered."""
    positions = np.array(sorted(selection.leaks), np.int64)
    for position, text in zip(positions.tolist(), selection.texts_of(positions, spec), strict=True):
        leak = selection.leaks[position]
        yield LeakedRow(
            shard=shards[int(selection.candidates.shard[position])].path,
            row=int(selection.candidates.row[position]),
            alignment=float(selection.candidates.alignment[position]),
            source=leak.source,
            example=leak.example,
            overlap=leak.overlap,
            text=text[:SHOWN_CHARACTERS],
        )


def list_removals(
    selection: Selection, shards: Sequence[Shard], spec: TextSpec, select: SelectSettings
) -> list[Removal]:
    """What was left out, by cause, with the rule."""
    rule = select.leak_rule
    leaks = [
        RemovedRecord(
            shard=leak.shard,
            row=leak.row,
            alignment=leak.alignment,
            text=leak.text,
            match=f"{leak.source}, example {leak.example}: {leak.overlap:.0%} of its n-grams",
        )
        for leak in iter_leaks(selection, shards, spec)
    ]
    checked = ", ".join(["the target", *select.exclude])
    leak_note = (
        "Not looked for (--keep-leaks): the subset may hold target examples."
        if select.keep_leaks
        else f"Holds at least {rule.overlap:.0%} of the word {rule.ngram}-grams of one example of "
        f"{checked}, or is a copy of one."
    )
    removals = [
        Removal(cause="leaks", n_records=len(leaks), note=leak_note, examples=leaks[:_N_EXAMPLES])
    ]
    if select.dedup != "none":
        kind = "exact duplicates" if select.dedup == "exact" else "near duplicates"
        note = (
            "Same text as a record that was taken."
            if select.dedup == "exact"
            else f"Shares {select.near_threshold:.0%} or more of its word 5-grams with one taken."
        )
        copies = _copies(selection, shards, spec)
        removals.append(
            Removal(cause=kind, n_records=len(selection.copies), note=note, examples=copies)
        )
    return removals


def _copies(selection: Selection, shards: Sequence[Shard], spec: TextSpec) -> list[RemovedRecord]:
    positions = np.array(sorted(selection.copies)[:_N_EXAMPLES], np.int64)
    texts = selection.texts_of(positions, spec)
    records = selection.candidates

    def place(position: int) -> str:
        return f"{shards[int(records.shard[position])].path} row {int(records.row[position])}"

    return [
        RemovedRecord(
            shard=shards[int(records.shard[position])].path,
            row=int(records.row[position]),
            alignment=float(records.alignment[position]),
            text=text[:SHOWN_CHARACTERS],
            match=place(selection.copies[position]),
        )
        for position, text in zip(positions.tolist(), texts, strict=True)
    ]


def cover_facets(selection: Selection, profile: Profile, select: SelectSettings) -> list[Facet]:
    """How the subset covers the parts of a target that has several."""
    scorer = profile.scorer
    if not isinstance(scorer, FacetedScorer):
        return []
    chosen = selection.chosen
    mix = dict(select.mix)
    even = 1 / len(scorer.names) if select.strategy == "coverage" else None
    facets = []
    for number, name in enumerate(scorer.names):
        mine = chosen.take(chosen.facet == number)
        facets.append(
            Facet(
                name=name,
                n_target=scorer.n_examples[name],
                n_chosen=len(mine),
                n_chosen_bytes=int(mine.n_bytes.sum()),
                mean_alignment=float(mine.alignment.mean()) if len(mine) else None,
                wanted=mix.get(name, even),
            )
        )
    return facets
