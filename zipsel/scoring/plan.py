"""Pass one: bring every shard's sidecar parts up to date."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from zipsel.console.progress import Advance, tell_nobody
from zipsel.engines import Engine, Runner
from zipsel.errors import BadShards, ShardError
from zipsel.pool.shards import Shard
from zipsel.readers.reading import TextSpec
from zipsel.readers.remedies import advise
from zipsel.readers.rows import Reason
from zipsel.scorers import package_version
from zipsel.scorers.profile import ProfileFile, load_cached
from zipsel.scoring.exchange import Store, score_and_keep
from zipsel.scoring.histogram import N_LENGTH_BINS, Histogram
from zipsel.scoring.pending import Pending, Task, Wanted
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.scoring.sidecar import (
    SIDECAR_VERSION,
    Part,
    PartSummary,
    place_parts,
)
from zipsel.scoring.small_shards import (
    ScoredPart,
    score_task,
)
from zipsel.scoring.tally import Tally
from zipsel.scoring.task import Job
from zipsel.scoring.watching import WatchedRunner
from zipsel.storage.workdir import WorkDir, digest_of, mark_used


@dataclass
class PoolScores:
    """The sidecar of a pool.

    Attributes:
        parts: In order of shard and chunk.
        bad_shards: Files that were skipped, or damaged and salvaged.
        scored: Paths of the shards of which something was scored now; others were known.
        n_scored_bytes: Bytes of accepted text that were scored now.
        histogram: Alignments of the parts that were scored with the run's own threshold.
        lengths: Accepted texts in each bin of ``histogram.length_bins``.
        key: Names the folder of the parts in the work directory.
    """

    parts: list[Part]
    bad_shards: list[ShardError] = field(default_factory=list)
    scored: set[str] = field(default_factory=set)
    n_scored_bytes: int = 0
    histogram: Histogram = field(default_factory=Histogram)
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(N_LENGTH_BINS, np.int64))
    key: str = ""

    @property
    def groups(self) -> set[str]:
        """Names of the groups of accepted rows."""
        return {name for part in self.parts for name in part.summary.groups if name}

    @property
    def n_rows(self) -> int:
        """Rows of the pool, accepted and refused."""
        return sum(part.summary.n_rows for part in self.parts)

    @property
    def n_rejected(self) -> int:
        """Refused rows."""
        return sum(part.summary.n_rejected for part in self.parts)

    @property
    def n_bytes(self) -> int:
        """Bytes of accepted text."""
        return sum(part.summary.n_bytes for part in self.parts)


def score_shards(
    run: Run,
    engine: Engine,
    job: Job,
    shards: Sequence[Shard],
    wanted: Wanted = lambda *_: True,
) -> PoolScores:
    """Score shards as a stage of a run, with its progress.

    Raises:
        BadShards: Naming every shard that cannot be read, after all others are scored, unless
            such shards are to be skipped and others are left.
    """
    settings, stored_bytes = run.settings, sum(shard.n_bytes for shard in shards)
    with run.stage("score"), run.log.progress("scoring", stored_bytes) as progress:
        watched = WatchedRunner(engine)
        progress.under_way = watched.under_way
        scores = score_pool(
            watched,
            job,
            shards,
            force=run.force,
            advance=progress.advance,
            score=_scoring_of(settings, job, shards),
            wanted=wanted,
        )
    mark_used(job.folder)
    nothing_left = not scores.parts and len(scores.bad_shards) == len(shards)
    if scores.bad_shards and (settings.on_bad_file == "stop" or nothing_left):
        raise BadShards(sorted(scores.bad_shards, key=lambda error: error.shard))
    return scores


def _scoring_of(
    settings: RunSettings, job: Job, shards: Sequence[Shard]
) -> Callable[[Task], list[ScoredPart | ShardError]]:
    """What is done with each task; what other machines have scored is brought here first."""
    if settings.store is None:
        return score_task
    store = Store(settings.store, settings.work_dir)
    store.exchange(job.folder, shards)
    return partial(score_and_keep, store)


def score_job(
    settings: RunSettings,
    work_dir: WorkDir,
    file: ProfileFile,
    threshold: float | None,
) -> Job:
    """The settings of scoring tasks, with the folder that they key."""
    key = digest_of(
        {
            "version": SIDECAR_VERSION,
            "profile": file.digest,
            "package": package_version(load_cached(file).scorer.name),
            "reading": settings.reading,
            "salvage": settings.on_bad_file == "salvage",
        }
    )
    return Job(
        file,
        settings.reading,
        work_dir.scores(key),
        threshold,
        settings.on_bad_file == "salvage",
    )


def score_pool(
    engine: Runner,
    job: Job,
    shards: Sequence[Shard],
    *,
    force: bool = False,
    advance: Advance = tell_nobody,
    score: Callable[[Task], list[ScoredPart | ShardError]] = score_task,
    wanted: Wanted = lambda *_: True,
) -> PoolScores:
    """Score what has no up-to-date part yet.

    Returns:
        The scores of all shards that can be read; ``bad_shards`` names the others.
    """
    tally = Tally(job)
    plan = Pending(job, shards, force, engine.n_workers, tally, wanted)
    errors = {}
    scored: set[str] = set()
    n_scored_bytes = 0
    for task, result in engine.run(score, _iter_wanted(plan, advance)):
        if isinstance(result, ShardError):
            errors[result.shard] = result
        elif isinstance(result, BaseException):
            raise result
        else:
            found = [one for one in result if isinstance(one, ScoredPart)]
            errors |= {one.shard: one for one in result if isinstance(one, ShardError)}
            for one in found:
                tally.take(one.shard, one.summary, one.place)
            n_rows = sum(one.summary.n_rows for one in found)
            n_bytes = sum(one.summary.n_bytes for one in found)
            scored.update(shard.path for shard in task.shards if shard.path not in errors)
            n_scored_bytes += n_bytes
            advance(n_rows, n_bytes, plan.stored_bytes(task))
    bad = _find_unusable(shards, tally, job.reading.text)
    bad |= errors | {error.shard: error for error in plan.errors}
    tally.take_back([shard for shard in shards if shard.path in bad])
    parts: list[Part] = []
    for shard in shards:
        if shard.path not in bad:
            places = tally.places_of(shard)
            parts.extend(place_parts(shard, job.folder, tally.summaries_of(shard), places))
    tally.count_packed(parts)
    for part in parts:
        if part.summary.damage:
            bad[part.shard.path] = ShardError(part.shard.path, part.summary.damage)
    return PoolScores(
        parts,
        list(bad.values()),
        scored,
        n_scored_bytes,
        tally.histogram,
        tally.lengths,
        os.path.basename(job.folder),
    )


def _iter_wanted(plan: Pending, advance: Advance) -> Iterator[Task]:
    """Yield the tasks to do, and tell how much of the pool is known or left to other processes."""
    n_told = 0
    for task in plan.iter_tasks():
        advance(0, 0, plan.known_bytes - n_told)
        n_told = plan.known_bytes
        yield task
    advance(0, 0, plan.known_bytes - n_told)


def _find_unusable(shards: Sequence[Shard], tally: Tally, text: TextSpec) -> dict[str, ShardError]:
    """Shards of which nothing can be used, by path."""
    found = (_unusable(shard, tally.summaries_of(shard), text) for shard in shards)
    return {error.shard: error for error in found if error is not None}


def _unusable(shard: Shard, summaries: Sequence[PartSummary], text: TextSpec) -> ShardError | None:
    """The error of a shard all of whose rows are refused; None for any other, or one in part.

    Such a shard is not what it is taken for, whatever its share of the pool's rows.
    """
    n_rows = sum(summary.n_rows for summary in summaries)
    rejects: Counter[str] = Counter()
    for summary in summaries:
        rejects.update(summary.rejects)
    n_chunks = max((summary.index + 1 for summary in summaries if summary.final), default=-1)
    is_whole = n_chunks == len(summaries) and not rejects[Reason.DAMAGED]
    if not is_whole or n_rows == 0 or rejects.total() < n_rows:
        return None
    reason, _ = rejects.most_common(1)[0]
    found = next((summary.found for summary in summaries if summary.found), "")
    reasons = ", ".join(f"{n:,} {name}" for name, n in sorted(rejects.items()))
    rows = "its only row is" if n_rows == 1 else f"all of its {n_rows:,} rows are"
    problem = f"{rows} refused ({reasons}); {advise(reason, text, found)}"
    return ShardError(shard.path, problem)
