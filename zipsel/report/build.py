"""From a finished selection to its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

import numpy as np

from zipsel.evaluation.verdicts import Curve
from zipsel.output.subset_file import OutputFile
from zipsel.pool.shards import Shard
from zipsel.report.model import (
    Counts,
    GroupShare,
    Provenance,
    Report,
    ShardCounts,
    library_versions,
)
from zipsel.report.novelty import gain_curve
from zipsel.report.shown import SHOWN_CHARACTERS
from zipsel.report.shown_records import count_facets, list_removals, show_records, show_rejects
from zipsel.report.statistics import (
    alignment_histogram,
    length_histogram,
    length_quantiles,
    pool_quantiles,
    quantiles,
)
from zipsel.scorers.profile import Profile
from zipsel.scoring.histogram import length_bins
from zipsel.scoring.plan import PoolScores
from zipsel.scoring.run import Run
from zipsel.selection.passes import Choice
from zipsel.selection.ranking import Ranking
from zipsel.selection.selection import Selection
from zipsel.selection.settings import SelectSettings
from zipsel.storage.columns import stretches
from zipsel.texts import TextBatch

#: Budgets of so many records, bytes or tokens, which a pool may not have.
_SIZED = ("top_k", "fraction", "max_bytes", "max_tokens")

#: Target examples that the report shows.
_N_EXAMPLES = 4


def build_report(
    run: Run,
    select: SelectSettings,
    profile: Profile,
    choice: Choice,
    outputs: Sequence[OutputFile],
    curves: Sequence[Curve],
    provenance: Provenance | None = None,
) -> Report:
    """Put a report together.

    Args:
        run: Settings, command line and clock.
        select: What was asked for.
        profile: What the pool was scored with.
        choice: What both passes found out.
        outputs: The subset's files.
        curves: Measured curves, if any.
        provenance: What it takes to read the records again.
    """
    shards, scores, ranking = choice.shards, choice.scores, choice.ranking
    selection, reading = choice.selection, run.settings.reading
    spec, group_field, chosen = reading.text, reading.group_field, selection.chosen
    counts = count(scores, shards, ranking, selection)
    shown = show_records(selection, shards, ranking.group_names, spec, profile)
    return Report(
        versions=library_versions(),
        command=list(run.command),
        budget=str(select.budget),
        scorer=profile.scorer.name,
        strategy=select.strategy,
        profile=_describe_profile(profile, run.settings.target),
        counts=counts,
        threshold=float(chosen.alignment.min()) if len(chosen) else None,
        cascade=_describe_cascade(choice),
        histogram=alignment_histogram(ranking.n_records, chosen.alignment),
        quantiles=_compare_alignments(ranking, selection),
        groups=_groups(scores, ranking, selection) if group_field else [],
        group_field=group_field,
        best=shown["best"],
        borderline=shown["borderline"],
        random=shown["random"],
        shards=_shards(scores, shards, selection),
        bad_shards={error.shard: error.problem for error in scores.bad_shards},
        stages={name: round(seconds, 4) for name, seconds in run.stages.items()},
        outputs=[_describe_file(file) for file in outputs],
        lengths=length_histogram(scores.lengths, chosen.n_bytes),
        length_quantiles=_compare(
            length_quantiles(scores.lengths), length_quantiles(length_bins(chosen.n_bytes))
        ),
        reject_examples=show_rejects(scores.parts, counts.rejects),
        removed=list_removals(selection, shards, spec, select),
        ran_out=_ran_out(select, selection),
        limits=_limits(select, choice),
        target_examples=_some_examples(profile.target),
        shortfalls=[asdict(shortfall) for shortfall in selection.shortfalls],
        curves=[*_gain_curves(selection), *curves],
        facets=count_facets(selection, profile, select),
        provenance=provenance,
    )


def _ran_out(select: SelectSettings, selection: Selection) -> bool:
    """Whether the pool had too few records for the budget."""
    return select.budget.kind in _SIZED and not selection.full


def _limits(select: SelectSettings, choice: Choice) -> list[str]:
    """Options that keep records out, whatever the budget."""
    per_group, contenders = select.max_per_group, select.contenders
    options = {
        f"--max-per-group {per_group}": per_group is not None,
        f"--contenders {contenders or 0:g}": contenders is not None and choice.fraction != 1,
    }
    return [option for option, is_given in options.items() if is_given]


def _some_examples(target: TextBatch) -> list[str]:
    """The beginnings of a few examples from all over the target."""
    shown = set(np.linspace(0, len(target) - 1, min(_N_EXAMPLES, len(target))).astype(int).tolist())
    return [text[:SHOWN_CHARACTERS] for i, text in enumerate(target.iter_texts()) if i in shown]


def _gain_curves(selection: Selection) -> list[Curve]:
    if selection.gains is None:
        return []
    curve = gain_curve(selection.chosen.n_bytes, selection.gains, selection.columns)
    return [] if curve is None else [curve]


def _compare(pool: dict[str, float], subset: dict[str, float]) -> dict[str, dict[str, float]]:
    return {"pool": pool, "subset": subset}


def _compare_alignments(ranking: Ranking, selection: Selection) -> dict[str, dict[str, float]]:
    of_chosen = quantiles(selection.chosen.alignment, selection.columns)
    return _compare(pool_quantiles(ranking.n_records), of_chosen)


def _describe_file(file: OutputFile) -> dict[str, Any]:
    return {"name": file.name, "n_records": file.n_records, "n_bytes": file.n_bytes}


def _describe_profile(profile: Profile, target: Sequence[str]) -> dict[str, Any]:
    """What the profile is; the target is where this run found it, if it had one to read."""
    return {
        "digest": profile.digest,
        "n_target": len(profile.target),
        "target_sha256": _digest_target(profile.target),
        **profile.origin,
        **({"target": list(target)} if target else {}),
    }


def _describe_cascade(choice: Choice) -> dict[str, float] | None:
    """Fraction, number and threshold of the contenders; None where there is no cascade."""
    if choice.fraction is None:
        return None
    n_contenders = float(choice.ranking.total_records)
    threshold = {} if choice.threshold is None else {"threshold": choice.threshold}
    return {"fraction": choice.fraction, "n_contenders": n_contenders, **threshold}


def _digest_target(target: TextBatch) -> str:
    """SHA-256 of the target examples, each followed by a newline, hex."""
    digest = sha256()
    for text in target.iter_encoded():
        digest.update(text + b"\n")
    return digest.hexdigest()


def count(
    scores: PoolScores, shards: Sequence[Shard], ranking: Ranking, selection: Selection
) -> Counts:
    """Say where every row went."""
    rejects: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for part in scores.parts:
        rejects.update(part.summary.rejects)
        left_out.update(part.summary.left_out)
    n_scored = scores.n_rows - scores.n_rejected
    n_chosen, n_tokens = len(selection.taken), selection.spool.count_tokens(selection.taken)
    return Counts(
        n_shards=len(shards),
        n_scored_shards=len(scores.scored),
        n_scored_bytes=scores.n_scored_bytes,
        n_bad_shards=len(scores.bad_shards),
        n_rows=scores.n_rows,
        n_rejected=scores.n_rejected,
        n_scored=n_scored,
        n_bytes=scores.n_bytes,
        n_no_contenders=n_scored - ranking.total_records,
        n_leaks=len(selection.leaks),
        n_duplicates=selection.n_duplicates,
        n_chosen=n_chosen,
        n_chosen_bytes=int(selection.chosen.n_bytes.sum()),
        n_chosen_tokens=n_tokens if n_chosen and n_tokens >= 0 else None,
        n_passed=n_scored - n_chosen,
        rejects=dict(sorted(rejects.items())),
        left_out=dict(sorted(left_out.items())),
    )


def _groups(scores: PoolScores, ranking: Ranking, selection: Selection) -> list[GroupShare]:
    pool: dict[str, tuple[int, int]] = {}
    for part in scores.parts:
        for name, (n_records, n_bytes) in part.summary.groups.items():
            before = pool.get(name, (0, 0))
            pool[name] = (before[0] + n_records, before[1] + n_bytes)
    chosen = selection.chosen
    n_codes = len(ranking.group_names) + 1
    n_chosen, n_chosen_bytes = np.zeros((2, n_codes), np.int64)
    for some in stretches(len(chosen)):
        codes = chosen.group[some] + 1  # the first place is for rows without a group
        n_chosen += np.bincount(codes, minlength=n_codes)
        of_bytes = np.bincount(codes, chosen.n_bytes[some], minlength=n_codes)
        n_chosen_bytes += of_bytes.astype(np.int64)
    of_chosen: dict[str, tuple[int, int]] = {}
    for name, n, n_bytes in zip(
        ["", *ranking.group_names], n_chosen.tolist(), n_chosen_bytes.tolist(), strict=True
    ):  # a group named by an empty string is that of rows without one
        before = of_chosen.get(name, (0, 0))
        of_chosen[name] = before[0] + n, before[1] + n_bytes
    shares = [
        GroupShare(
            name=name,
            n_pool=n_pool,
            n_pool_bytes=n_pool_bytes,
            n_chosen=of_chosen.get(name, (0, 0))[0],
            n_chosen_bytes=of_chosen.get(name, (0, 0))[1],
        )
        for name, (n_pool, n_pool_bytes) in pool.items()
    ]
    return sorted(shares, key=lambda share: (-share.n_chosen, -share.n_pool, share.name))


def _shards(scores: PoolScores, shards: Sequence[Shard], selection: Selection) -> list[ShardCounts]:
    n_chosen = np.zeros(len(shards), np.int64)
    for some in stretches(len(selection.chosen)):
        n_chosen += np.bincount(selection.chosen.shard[some], minlength=len(shards))
    problems = {error.shard: error.problem for error in scores.bad_shards}
    counts = [
        ShardCounts(
            path=shard.path,
            fingerprint=shard.fingerprint,
            n_chosen=int(n_chosen[shard.index]),
            problem=problems.get(shard.path),
            fields={},
        )
        for shard in shards
    ]
    for part in scores.parts:
        counts[part.shard.index].n_rows += part.summary.n_rows
        counts[part.shard.index].n_rejected += part.summary.n_rejected
        counts[part.shard.index].n_bytes += part.summary.n_bytes
        fields = counts[part.shard.index].fields
        fields.update(Counter(fields) + Counter(part.summary.fields))
    return counts
