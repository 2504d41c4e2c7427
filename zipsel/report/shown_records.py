"""Records that a report shows: best, around the threshold, at random; leaks, copies, rejects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from zipsel.pool.shards import Shard
from zipsel.readers.reading import TextSpec
from zipsel.report.model import Facet
from zipsel.report.novelty import new_characters
from zipsel.report.shown import SHOWN_CHARACTERS, RejectExample, Removal, RemovedRecord, ShownRecord
from zipsel.report.strips import make_strips
from zipsel.scorers import facets_of
from zipsel.scorers.profile import Profile
from zipsel.scoring.rejects import pick_rejects
from zipsel.scoring.sidecar import Part
from zipsel.selection.selection import Selection
from zipsel.selection.settings import SelectSettings
from zipsel.selection.strategies import facet_shares

_N_EXAMPLES = 10
_N_SHOWN = 10
_N_REJECTS_SHOWN = 3
_SEED = 0


def show_records(
    selection: Selection,
    shards: Sequence[Shard],
    group_names: Sequence[str],
    spec: TextSpec,
    profile: Profile,
) -> dict[str, list[ShownRecord]]:
    """``best``, ``borderline`` and ``random`` records, explained."""
    kinds = {
        "best": selection.taken[:_N_SHOWN],
        "borderline": _borderline(selection),
        "random": _random(selection),
    }
    positions = np.concatenate(list(kinds.values())).astype(np.int64)
    shown = _show(selection, positions, shards, group_names, spec, profile)
    ends = np.cumsum([len(of_kind) for of_kind in kinds.values()]).tolist()
    return {
        kind: shown[end - len(of_kind) : end]
        for (kind, of_kind), end in zip(kinds.items(), ends, strict=True)
    }


def _borderline(selection: Selection) -> NDArray[np.int64]:
    """Positions of the last five chosen and the first five candidates after them."""
    return np.concatenate([selection.taken[-_N_SHOWN // 2 :], selection.following])


def _random(selection: Selection) -> NDArray[np.int64]:
    """Positions of ten chosen records, drawn with a fixed seed, in rank order."""
    between = selection.taken[_N_SHOWN : max(_N_SHOWN, len(selection.taken) - _N_SHOWN // 2)]
    drawn = np.random.default_rng(_SEED).choice(
        between, min(_N_SHOWN, len(between)), replace=False, shuffle=False
    )
    return np.sort(drawn)


def _show(
    selection: Selection,
    positions: NDArray[np.int64],
    shards: Sequence[Shard],
    group_names: Sequence[str],
    spec: TextSpec,
    profile: Profile,
) -> list[ShownRecord]:
    """Records at positions of the candidates."""
    records = selection.candidates.take(positions)
    columns, shown = selection.columns, np.unique(positions)
    is_shown = columns.compute(
        len(selection.taken), bool, lambda some: np.isin(selection.taken[some], shown)
    )
    places = columns.flatnonzero(is_shown)
    taken = dict(zip(selection.taken[places].tolist(), places.tolist(), strict=True))
    ranks = dict(taken)
    texts = selection.texts_of(positions, spec)
    strips = make_strips(profile, texts)
    for i, position in enumerate(selection.following.tolist(), len(selection.taken)):
        ranks.setdefault(position, i)
    new = [""] * len(texts)
    if selection.first_ranks is not None:
        beginnings = [text[:SHOWN_CHARACTERS] for text in texts]
        when = [ranks[p] + 1 if p in taken else 0 for p in positions.tolist()]
        new = new_characters(profile.ngrams, beginnings, when, selection.first_ranks)
    return [
        ShownRecord(
            rank=ranks[position] + 1,
            chosen=position in taken,
            shard=shards[int(records.shard[i])].path,
            row=int(records.row[i]),
            alignment=float(records.alignment[i]),
            n_bytes=int(records.n_bytes[i]),
            text=texts[i][:SHOWN_CHARACTERS],
            group=group_names[records.group[i]] if records.group[i] >= 0 else None,
            strip=strips[i],
            gain=_gain_of(selection, taken.get(position)),
            new=new[i],
        )
        for i, position in enumerate(positions.tolist())
    ]


def _gain_of(selection: Selection, place: int | None) -> float | None:
    if selection.gains is None or place is None:
        return None
    return float(selection.gains[place])


def show_rejects(parts: Sequence[Part], counts: Mapping[str, int]) -> list[RejectExample]:
    """A few refused rows of each reason, of different shards, the commonest reason first."""
    by_count = sorted(counts, key=lambda reason: (-counts[reason], reason))
    return [
        RejectExample(shard=one.shard, row=one.row, reason=one.reason, snippet=one.snippet)
        for reason in by_count
        for one in pick_rejects(parts, reason, _N_REJECTS_SHOWN)
    ]


class LeakedRow(msgspec.Struct, frozen=True):
    """A line of ``leaks.jsonl``.

    Attributes:
        shard: File of the record that was left out.
        row: Its row there.
        alignment: Its score.
        source: ``target``, or the file of ``--exclude-overlap`` that it overlaps.
        example: Number of the example there, from 0.
        overlap: Share of the example's n-grams that the record has; 1 for a copy.
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
    positions = sorted(selection.leaks)
    for position, fields in zip(
        positions, _describe(selection, positions, shards, spec), strict=True
    ):
        yield LeakedRow(**fields, **selection.leaks[position]._asdict())


def _describe(
    selection: Selection, positions: Sequence[int], shards: Sequence[Shard], spec: TextSpec
) -> Iterator[dict[str, Any]]:
    """Yield place, alignment and beginning of candidates that were left out."""
    records = selection.candidates
    texts = selection.texts_of(np.array(positions, np.int64), spec)
    for position, text in zip(positions, texts, strict=True):
        yield {
            "shard": shards[int(records.shard[position])].path,
            "row": int(records.row[position]),
            "alignment": float(records.alignment[position]),
            "text": text[:SHOWN_CHARACTERS],
        }


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
    checked = " or ".join(["the target", *select.exclude])
    leak_note = (
        "Leaks were not looked for (--keep-leaks): the subset may hold target examples."
        if select.keep_leaks
        else f"A leak holds at least {rule.overlap:.0%} of the word {rule.ngram}-grams of one "
        f"example of {checked}, or is a copy of one."
    )
    removals = [
        Removal(
            cause="leaks",
            n_records=len(leaks),
            note=leak_note,
            examples=leaks[:_N_EXAMPLES],
            sought=not select.keep_leaks,
        )
    ]
    if select.dedup != "none":
        kind = "exact duplicates" if select.dedup == "exact" else "near duplicates"
        note = (
            "A duplicate has the same text as a record that was taken."
            if select.dedup == "exact"
            else f"A duplicate shares {select.near_threshold:.0%} or more of its word 5-grams "
            "with a record that was taken."
        )
        copies = _copies(selection, shards, spec)
        removals.append(
            Removal(cause=kind, n_records=len(selection.copies), note=note, examples=copies)
        )
    return removals


def _copies(selection: Selection, shards: Sequence[Shard], spec: TextSpec) -> list[RemovedRecord]:
    positions, originals = selection.copies[:_N_EXAMPLES].T.tolist()
    described = _describe(selection, positions, shards, spec)
    kept = _describe(selection, originals, shards, spec)
    return [
        RemovedRecord(**fields, match=f"{of_kept['shard']} row {of_kept['row']}")
        for fields, of_kept in zip(described, kept, strict=True)
    ]


def count_facets(selection: Selection, profile: Profile, select: SelectSettings) -> list[Facet]:
    """How the subset covers the parts of a target that has several."""
    chosen = selection.chosen
    n_examples = facets_of(profile.scorer)
    shares = facet_shares(select, list(n_examples))
    facets = []
    for number, (name, n_target) in enumerate(n_examples.items()):
        mine = chosen.take(chosen.facet == number)
        facets.append(
            Facet(
                name=name,
                n_target=n_target,
                n_chosen=len(mine),
                n_chosen_bytes=int(mine.n_bytes.sum()),
                mean_alignment=float(mine.alignment.mean()) if len(mine) else None,
                wanted=shares.get(name),
            )
        )
    return facets
