"""The records that a report shows: the best, those around the threshold, and some at random."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from zipsel.profile import Profile
from zipsel.rejects import iter_rejects
from zipsel.report.shown import SHOWN_CHARACTERS, RejectExample, ShownRecord
from zipsel.report.strips import make_strips
from zipsel.rows import TextSpec
from zipsel.scores import Part
from zipsel.selecting import Selection
from zipsel.shards import Shard

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
    half = _N_SHOWN // 2
    if not len(selection.taken):
        return np.arange(min(half, len(selection.candidates)))
    last = int(selection.taken[-1])
    after = np.arange(last + 1, min(last + 1 + half, len(selection.candidates)))
    return np.concatenate([selection.taken[-half:], after])


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
    taken = {int(position): i for i, position in enumerate(selection.taken.tolist())}
    texts = selection.texts_of(positions, spec)
    strips = make_strips(profile, texts)
    first_after = int(selection.taken[-1]) + 1 if len(selection.taken) else 0
    return [
        ShownRecord(
            rank=taken.get(position, len(taken) + position - first_after) + 1,
            chosen=position in taken,
            shard=shards[int(records.shard[i])].path,
            row=int(records.row[i]),
            alignment=float(records.alignment[i]),
            n_bytes=int(records.n_bytes[i]),
            text=texts[i][:SHOWN_CHARACTERS],
            group=group_names[records.group[i]] if records.group[i] >= 0 else None,
            strip=strips[i],
        )
        for i, position in enumerate(positions.tolist())
    ]


def show_rejects(parts: Sequence[Part], counts: Mapping[str, int]) -> list[RejectExample]:
    """The first few refused rows of each reason, those of the commonest reason first.

    Args:
        parts: The sidecar.
        counts: Reason → refused rows.
    """
    wanting = Counter({reason: min(n, _N_REJECTS_SHOWN) for reason, n in counts.items()})
    found: list[RejectExample] = []
    if not wanting:
        return found
    for reject in iter_rejects(parts):
        if wanting[reject.reason] > 0:
            wanting[reject.reason] -= 1
            found.append(
                RejectExample(
                    shard=reject.shard, row=reject.row, reason=reject.reason, snippet=reject.snippet
                )
            )
            if not any(wanting.values()):
                break
    return sorted(found, key=lambda one: (-counts[one.reason], one.reason))
