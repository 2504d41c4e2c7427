"""From a finished selection to its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from zipsel.gather import text_of_row
from zipsel.profile import Profile
from zipsel.ranking import Ranking
from zipsel.report.figures import GroupShare
from zipsel.report.model import Counts, Report, ShardCounts, library_versions
from zipsel.report.shown import SHOWN_CHARACTERS, ShownRecord
from zipsel.report.statistics import alignment_histogram, pool_quantiles, quantiles
from zipsel.rows import RowParser, TextSpec
from zipsel.scoring import PoolScores
from zipsel.selecting import Selection
from zipsel.shards import Shard
from zipsel.writers import Chosen, OutputFile

_N_SHOWN = 10


def build_report(
    *,
    command: Sequence[str],
    budget: str,
    profile: Profile,
    shards: Sequence[Shard],
    scores: PoolScores,
    ranking: Ranking,
    selection: Selection,
    share: float | None,
    screen: float | None,
    spec: TextSpec,
    group_field: str | None,
    outputs: Sequence[OutputFile],
    stages: dict[str, float],
) -> Report:
    """Put a report together."""
    chosen = selection.chosen
    cascade = None
    if share is not None:
        cascade = {"share": share, "n_contenders": float(ranking.total_records)}
        if screen is not None:
            cascade["screen"] = screen
    return Report(
        versions=library_versions(),
        command=list(command),
        budget=budget,
        scorer=profile.scorer.name,
        profile={"digest": profile.digest, "n_target": len(profile.target), **profile.origin},
        counts=count(scores, shards, ranking, selection),
        threshold=float(chosen.alignment.min()) if len(chosen) else None,
        cascade=cascade,
        histogram=alignment_histogram(ranking.n_records, chosen.alignment),
        quantiles={
            "pool": pool_quantiles(ranking.n_records),
            "subset": quantiles(chosen.alignment),
        },
        groups=_groups(scores, ranking, selection) if group_field else [],
        group_field=group_field,
        best=_show(selection, np.arange(min(_N_SHOWN, len(chosen))), shards, spec, of_taken=True),
        borderline=_show(selection, _borderline(selection), shards, spec, of_taken=False),
        shards=_shards(scores, shards, selection),
        bad_shards={error.shard: error.problem for error in scores.bad_shards},
        stages={name: round(seconds, 4) for name, seconds in stages.items()},
        outputs=[
            {"name": file.name, "n_records": file.n_records, "n_bytes": file.n_bytes}
            for file in outputs
        ],
    )


def count(
    scores: PoolScores, shards: Sequence[Shard], ranking: Ranking, selection: Selection
) -> Counts:
    """Say where every row went."""
    rejects: Counter[str] = Counter()
    for part in scores.parts:
        rejects.update(part.summary.rejects)
    n_scored = scores.n_rows - scores.n_rejected
    n_chosen = len(selection.taken)
    return Counts(
        n_shards=len(shards),
        n_bad_shards=len(scores.bad_shards),
        n_rows=scores.n_rows,
        n_rejected=scores.n_rejected,
        n_scored=n_scored,
        n_bytes=scores.n_bytes,
        n_screened=n_scored - ranking.total_records,
        n_duplicates=selection.n_duplicates,
        n_chosen=n_chosen,
        n_chosen_bytes=int(selection.chosen.n_bytes.sum()),
        n_passed=n_scored - n_chosen,
        rejects=dict(sorted(rejects.items())),
    )


def _borderline(selection: Selection) -> np.ndarray:
    """Positions of the last five chosen and the first five candidates after them."""
    half = _N_SHOWN // 2
    if not len(selection.taken):
        return np.arange(min(half, len(selection.candidates)))
    last = int(selection.taken[-1])
    after = np.arange(last + 1, min(last + 1 + half, len(selection.candidates)))
    return np.concatenate([selection.taken[-half:], after])


def _show(
    selection: Selection,
    positions: np.ndarray,
    shards: Sequence[Shard],
    spec: TextSpec,
    *,
    of_taken: bool,
) -> list[ShownRecord]:
    """Records at positions of the chosen, or of the candidates."""
    if of_taken:
        positions = selection.taken[positions]
    records = selection.candidates.take(positions)
    taken = {int(position): i for i, position in enumerate(selection.taken.tolist())}
    texts = texts_of(selection, positions, spec)
    return [
        ShownRecord(
            rank=taken.get(position, len(taken) + i) + 1,
            chosen=position in taken,
            shard=shards[int(records.shard[i])].path,
            row=int(records.row[i]),
            alignment=float(records.alignment[i]),
            n_bytes=int(records.n_bytes[i]),
            text=texts[i][:SHOWN_CHARACTERS],
        )
        for i, position in enumerate(positions.tolist())
    ]


def texts_of(selection: Selection, positions: np.ndarray, spec: TextSpec) -> list[str]:
    """Texts of candidates, from the spool."""
    texts: list[str] = [""] * len(positions)
    parser = RowParser(spec)
    for i, position in enumerate(positions.tolist()):
        rank = np.array([position])
        for spool in selection.spooled:
            if not np.isin(rank, spool.ranks)[0]:
                continue
            one = Chosen(rank, np.zeros(1), np.zeros(1, np.int64), [spool])
            if spool.is_table:
                texts[i] = text_of_row(one.read_table(slice(None)), 0, spec)
            else:
                texts[i] = parser.parse(one.read_lines(slice(None))[0])[0]
    return texts


def _groups(scores: PoolScores, ranking: Ranking, selection: Selection) -> list[GroupShare]:
    pool: dict[str, tuple[int, int]] = {}
    for part in scores.parts:
        for name, (n_records, n_bytes) in part.summary.groups.items():
            before = pool.get(name, (0, 0))
            pool[name] = (before[0] + n_records, before[1] + n_bytes)
    chosen = selection.chosen
    n_codes = len(ranking.group_names) + 1
    codes = chosen.group + 1  # the first place is for rows without a group
    n_chosen = np.bincount(codes, minlength=n_codes).tolist()
    n_chosen_bytes = np.bincount(codes, chosen.n_bytes, minlength=n_codes).tolist()
    of_chosen = {
        name: (n_chosen[i], int(n_chosen_bytes[i]))
        for i, name in enumerate(["", *ranking.group_names])
    }
    shares = [
        GroupShare(
            name=name or "(none)",
            n_pool=n_pool,
            n_pool_bytes=n_pool_bytes,
            n_chosen=of_chosen.get(name, (0, 0))[0],
            n_chosen_bytes=of_chosen.get(name, (0, 0))[1],
        )
        for name, (n_pool, n_pool_bytes) in pool.items()
    ]
    return sorted(shares, key=lambda share: (-share.n_chosen, -share.n_pool, share.name))


def _shards(scores: PoolScores, shards: Sequence[Shard], selection: Selection) -> list[ShardCounts]:
    n_chosen = np.bincount(selection.chosen.shard, minlength=len(shards)).tolist()
    problems: dict[str, Any] = {error.shard: error.problem for error in scores.bad_shards}
    rows: Counter[int] = Counter()
    rejected: Counter[int] = Counter()
    n_bytes: Counter[int] = Counter()
    for part in scores.parts:
        rows[part.shard.index] += part.summary.n_rows
        rejected[part.shard.index] += part.summary.n_rejected
        n_bytes[part.shard.index] += part.summary.n_bytes
    return [
        ShardCounts(
            path=shard.path,
            fingerprint=shard.fingerprint,
            n_rows=rows[shard.index],
            n_rejected=rejected[shard.index],
            n_bytes=n_bytes[shard.index],
            n_chosen=n_chosen[shard.index],
            problem=problems.get(shard.path),
        )
        for shard in shards
    ]
