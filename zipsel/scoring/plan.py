"""Pass one: bring every shard's sidecar parts up to date."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from zipsel.engines import Engine
from zipsel.errors import BadShards, ShardError
from zipsel.pool.shards import Shard, open_raw
from zipsel.readers.decompress import iter_pieces, until_damage
from zipsel.readers.lines import n_chunks
from zipsel.readers.text import cut_shard
from zipsel.scorers.profile import Profile
from zipsel.scoring.exchange import Store, score_and_keep
from zipsel.scoring.histogram import N_LENGTH_BINS, Histogram
from zipsel.scoring.run import Run
from zipsel.scoring.settings import ScoreSettings
from zipsel.scoring.sidecar import (
    SIDECAR_VERSION,
    Part,
    PartSummary,
    part_path,
    place_parts,
    read_summary,
)
from zipsel.scoring.task import Job, ScoreTask, score_chunks
from zipsel.storage.workdir import WorkDir, digest_of
from zipsel.texts import CHUNK_BYTES


def score_shards(
    run: Run,
    engine: Engine,
    job: Job,
    shards: Sequence[Shard],
    wanted: Callable[[ScoreTask], bool] = lambda _: True,
) -> PoolScores:
    """Score shards as a stage of a run, with its progress.

    Raises:
        BadShards: As ``score_pool``.
    """
    settings, stored_bytes = run.settings, sum(shard.n_bytes for shard in shards)
    with run.stage("score"), run.log.progress("scoring", stored_bytes) as progress:
        return score_pool(
            engine,
            job,
            shards,
            skip_bad=settings.on_bad_file != "stop",
            force=run.force,
            advance=progress.advance,
            score=_scoring_of(settings, job, shards),
            wanted=wanted,
        )


def _scoring_of(
    settings: ScoreSettings, job: Job, shards: Sequence[Shard]
) -> Callable[[ScoreTask], list[PartSummary]]:
    """What is done with each task; what other machines have scored is brought here first."""
    if settings.store is None:
        return score_chunks
    store = Store(settings.store, settings.work_dir)
    store.exchange(job.folder, shards)
    return partial(score_and_keep, store)


def score_job(
    settings: ScoreSettings,
    work_dir: WorkDir,
    profile_path: str,
    profile: Profile,
    screen: float | None,
) -> Job:
    """The settings of scoring tasks, with the folder that they key."""
    key = digest_of(
        {
            "version": SIDECAR_VERSION,
            "profile": profile.digest,
            "reading": settings.reading,
            "salvage": settings.on_bad_file == "salvage",
        }
    )
    return Job(
        profile_path,
        settings.reading,
        work_dir.scores(key),
        screen,
        settings.on_bad_file == "salvage",
    )


#: Called with (rows, text bytes, shard bytes) after each task.
Advance = Callable[[int, int, int], None]

#: How much longer than an even load the fullest worker's may be.
_LATE = 1.25


@dataclass
class PoolScores:
    """The sidecar of a pool.

    Attributes:
        parts: In order of shard and chunk.
        bad_shards: Files that were skipped, or damaged and salvaged.
        n_reused: Parts that were there already.
        histogram: Alignments of the parts that were scored with the run's own screen.
        lengths: Accepted texts in each bin of ``bins.length_bins``.
    """

    parts: list[Part]
    bad_shards: list[ShardError] = field(default_factory=list)
    n_reused: int = 0
    histogram: Histogram = field(default_factory=Histogram)
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(N_LENGTH_BINS, np.int64))

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


def score_pool(
    engine: Engine,
    job: Job,
    shards: Sequence[Shard],
    *,
    skip_bad: bool = False,
    force: bool = False,
    advance: Advance = lambda *_: None,
    score: Callable[[ScoreTask], list[PartSummary]] = score_chunks,
    wanted: Callable[[ScoreTask], bool] = lambda _: True,
) -> PoolScores:
    """Score what has no up-to-date part yet.

    Args:
        engine: Where tasks run.
        job: What they do.
        shards: The pool.
        skip_bad: Go on without shards that cannot be read.
        force: Score everything again.
        advance: Progress.
        score: What is done with each task.
        wanted: Which tasks are done; others are left to other processes.

    Raises:
        BadShards: Naming every shard that cannot be read, after all others are done.
    """
    plan = _Plan(job, shards, force, engine.n_workers)
    for task, result in engine.run(score, filter(wanted, plan.iter_tasks())):
        if isinstance(result, ShardError):
            plan.errors.append(result)
        elif isinstance(result, BaseException):
            raise result
        else:
            for summary in result:
                plan.take(task.shard, summary)
            n_rows = sum(summary.n_rows for summary in result)
            n_bytes = sum(summary.n_bytes for summary in result)
            advance(n_rows, n_bytes, plan.stored_bytes(task))
    if plan.errors and not skip_bad:
        raise BadShards(sorted(plan.errors, key=lambda error: error.shard))
    bad = {error.shard: error for error in plan.errors}
    plan.uncount([shard for shard in shards if shard.path in bad])
    parts: list[Part] = []
    for shard in shards:
        if shard.path not in bad:
            parts.extend(place_parts(shard, job.folder, list(plan.summaries[shard.index].values())))
    for part in parts:
        if part.summary.damage:
            bad[part.shard.path] = ShardError(part.shard.path, part.summary.damage)
    return PoolScores(parts, list(bad.values()), plan.n_reused, plan.histogram, plan.lengths)


def _largest_task(sizes: Sequence[int], n_workers: int) -> int:
    """Bytes up to which a shard can be one task without workers waiting for the last ones."""
    loads = [0] * n_workers
    for size in sizes:
        heapq.heapreplace(loads, loads[0] + size)
    even = sum(sizes) / n_workers
    return max(sizes, default=0) if max(loads) <= _LATE * even else int(even / 2)


class _Plan:
    """Which chunks are to be scored."""

    def __init__(self, job: Job, shards: Sequence[Shard], force: bool, n_workers: int) -> None:
        self.job = job
        self.shards = shards
        self.force = force
        self.errors: list[ShardError] = []
        self.summaries: dict[int, dict[int, PartSummary]] = {s.index: {} for s in shards}
        self.n_reused = 0
        self.histogram = Histogram()
        self.lengths = np.zeros(N_LENGTH_BINS, np.int64)
        # Compressed shards are one task each, unless so few or so large that workers would idle:
        # then this process cuts them and hands out their chunks.
        self.feed_over_bytes = 0
        if n_workers == 1 or job.chunk_bytes >= CHUNK_BYTES:
            self.feed_over_bytes = _largest_task([shard.n_bytes for shard in shards], n_workers)

    def take(self, shard: Shard, summary: PartSummary) -> None:
        """Remember a part; of what it counted, only the sum with all others."""
        self._count(summary, 1)
        kept = replace(summary, histogram=b"", lengths={})
        self.summaries[shard.index][summary.index] = kept

    def _count(self, summary: PartSummary, times: int) -> None:
        if summary.screen == self.job.screen:
            self.histogram.add_packed(summary.histogram, times)
        for length_bin, n_texts in summary.lengths.items():
            self.lengths[length_bin] += times * n_texts

    def uncount(self, shards: Sequence[Shard]) -> None:
        """Take shards that turned out to be bad from the sums again."""
        for shard in shards:
            for index in self.summaries[shard.index]:
                summary = read_summary(part_path(self.job.folder, shard, index))
                if summary is not None:
                    self._count(summary, -1)

    def stored_bytes(self, task: ScoreTask) -> int:
        """Roughly how much of the stored pool a task was, for progress."""
        if task.chunk is None:
            return task.shard.n_bytes
        return task.shard.n_bytes // max(1, len(self.summaries[task.shard.index]))

    def iter_tasks(self) -> Iterator[ScoreTask]:
        """Yield the tasks of all shards, in order."""
        for shard in self.shards:
            try:
                yield from self._iter_shard(shard)
            except ShardError as error:
                self.errors.append(error)

    def _iter_shard(self, shard: Shard) -> Iterator[ScoreTask]:
        if shard.is_table:
            from zipsel.readers import tables

            chunks = tables.plan_chunks(
                shard, self.job.reading, self.job.chunk_bytes, salvage=self.job.salvage
            )
            done = self._done(shard, range(len(chunks)))
            yield from (ScoreTask(self.job, shard, c) for c in chunks if c.index not in done)
        elif shard.seekable:
            indexes = range(n_chunks(shard.n_bytes, self.job.chunk_bytes))
            done = self._done(shard, indexes)
            yield from (ScoreTask(self.job, shard, i) for i in indexes if i not in done)
        else:
            known = self._done_stream(shard)
            if known is None:
                return
            if shard.n_bytes <= self.feed_over_bytes:
                yield ScoreTask(self.job, shard, None, known)
            else:
                yield from self._feed(shard, known)

    def _feed(self, shard: Shard, done: frozenset[int]) -> Iterator[ScoreTask]:
        reading = self.job.reading
        damage: list[str] = []
        with open_raw(shard) as file:
            pieces = iter_pieces(file, shard.path, shard.compression, zstd_long=reading.zstd_long)
            if self.job.salvage:
                pieces = until_damage(pieces, damage)
            for chunk in cut_shard(
                shard,
                pieces,
                self.job.reading,
                chunk_bytes=self.job.chunk_bytes,
                damage=damage if self.job.salvage else None,
            ):
                if chunk.index not in done:
                    yield ScoreTask(self.job, shard, chunk, damage=damage[0] if damage else None)

    def _usable(self, shard: Shard, index: int) -> PartSummary | None:
        """The summary of a part that needs no work."""
        if self.force:
            return None
        summary = read_summary(part_path(self.job.folder, shard, index))
        if summary is None:
            return None
        wanted, has = self.job.screen, summary.screen
        return summary if has is None or (wanted is not None and has <= wanted) else None

    def _done(self, shard: Shard, indexes: range) -> frozenset[int]:
        found = {i: summary for i in indexes if (summary := self._usable(shard, i)) is not None}
        self._reuse(shard, found)
        return frozenset(found)

    def _reuse(self, shard: Shard, found: Mapping[int, PartSummary]) -> None:
        for summary in found.values():
            self.take(shard, summary)
        self.n_reused += len(found)

    def _done_stream(self, shard: Shard) -> frozenset[int] | None:
        """Chunks of a stream that are done; None if all are."""
        found: dict[int, PartSummary] = {}
        while (summary := self._usable(shard, len(found))) is not None:
            found[len(found)] = summary
            if summary.final:
                break
        self._reuse(shard, found)
        whole = bool(found) and found[len(found) - 1].final
        return None if whole else frozenset(found)
