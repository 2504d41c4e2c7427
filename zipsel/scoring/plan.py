"""Pass one: bring every shard's sidecar parts up to date."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from zipsel.engines import Engine
from zipsel.errors import BadShards, ShardError
from zipsel.pool.shards import CHUNK_BYTES, Shard
from zipsel.readers import reader_of
from zipsel.readers.reading import TextSpec
from zipsel.readers.remedies import advise
from zipsel.readers.rows import Reason
from zipsel.scorers import package_version
from zipsel.scorers.profile import ProfileFile, load_cached
from zipsel.scoring.exchange import Store, score_and_keep
from zipsel.scoring.histogram import N_LENGTH_BINS, Histogram
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.scoring.sidecar import (
    SIDECAR_VERSION,
    Part,
    PartSummary,
    adopt_parts,
    part_path,
    place_parts,
    read_summary,
)
from zipsel.scoring.task import Job, ScoreTask, Turn, score_chunks
from zipsel.storage.workdir import WorkDir, digest_of, mark_used

#: Called with (rows, text bytes, shard bytes) after each task, and with (0, 0, shard bytes) for
#: shards and chunks that are known already.
Advance = Callable[[int, int, int], None]

#: How much longer than an even load the fullest worker's may be.
_LATE = 1.25

#: Part of an even load that a stream may be where loads would not be even: the last task of a
#: worker makes it no later than that.
_WHOLE_SHARE = 0.25


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
    """

    parts: list[Part]
    bad_shards: list[ShardError] = field(default_factory=list)
    scored: set[str] = field(default_factory=set)
    n_scored_bytes: int = 0
    histogram: Histogram = field(default_factory=Histogram)
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(N_LENGTH_BINS, np.int64))

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
    wanted: Callable[[ScoreTask], bool] = lambda _: True,
) -> PoolScores:
    """Score shards as a stage of a run, with its progress.

    Raises:
        BadShards: Naming every shard that cannot be read, after all others are scored, unless
            such shards are to be skipped and others are left.
    """
    settings, stored_bytes = run.settings, sum(shard.n_bytes for shard in shards)
    with run.stage("score"), run.log.progress("scoring", stored_bytes) as progress:
        scores = score_pool(
            engine,
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
) -> Callable[[ScoreTask], list[PartSummary]]:
    """What is done with each task; what other machines have scored is brought here first."""
    if settings.store is None:
        return score_chunks
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
    engine: Engine,
    job: Job,
    shards: Sequence[Shard],
    *,
    force: bool = False,
    advance: Advance = lambda *_: None,
    score: Callable[[ScoreTask], list[PartSummary]] = score_chunks,
    wanted: Callable[[ScoreTask], bool] = lambda _: True,
) -> PoolScores:
    """Score what has no up-to-date part yet.

    Returns:
        The scores of all shards that can be read; ``bad_shards`` names the others.
    """
    tally = _Tally(job)
    plan = _Plan(job, shards, force, engine.n_workers, tally)
    errors = {}
    scored: set[str] = set()
    n_scored_bytes = 0
    for task, result in engine.run(score, _iter_wanted(plan, wanted, advance)):
        if isinstance(result, ShardError):
            errors[result.shard] = result
        elif isinstance(result, BaseException):
            raise result
        else:
            for summary in result:
                tally.take(task.shard, summary)
            n_rows = sum(summary.n_rows for summary in result)
            n_bytes = sum(summary.n_bytes for summary in result)
            scored.add(task.shard.path)
            n_scored_bytes += n_bytes
            advance(n_rows, n_bytes, plan.stored_bytes(task))
    bad = _find_unusable(shards, tally, job.reading.text)
    bad |= errors | {error.shard: error for error in plan.errors}
    tally.take_back([shard for shard in shards if shard.path in bad])
    parts: list[Part] = []
    for shard in shards:
        if shard.path not in bad:
            parts.extend(place_parts(shard, job.folder, tally.summaries_of(shard)))
    for part in parts:
        if part.summary.damage:
            bad[part.shard.path] = ShardError(part.shard.path, part.summary.damage)
    return PoolScores(
        parts, list(bad.values()), scored, n_scored_bytes, tally.histogram, tally.lengths
    )


def _iter_wanted(
    plan: _Plan, wanted: Callable[[ScoreTask], bool], advance: Advance
) -> Iterator[ScoreTask]:
    """Yield the tasks to do, and tell how much of the pool is known or left to other processes."""
    n_told = 0
    for task in plan.iter_tasks():
        advance(0, 0, plan.known_bytes - n_told)
        n_told = plan.known_bytes
        if wanted(task):
            yield task
        else:
            advance(0, 0, plan.stored_bytes(task))
    advance(0, 0, plan.known_bytes - n_told)


def _find_unusable(shards: Sequence[Shard], tally: _Tally, text: TextSpec) -> dict[str, ShardError]:
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


class _Tally:
    """Summaries of the parts of a pool, and the sums over them.

    Args:
        job: Whose threshold the histogram is of.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._summaries: dict[int, dict[int, PartSummary]] = {}
        self.histogram = Histogram()
        self.lengths = np.zeros(N_LENGTH_BINS, np.int64)

    def take(self, shard: Shard, summary: PartSummary) -> None:
        """Add a part's histogram to the totals and keep its summary without it."""
        self._count(summary, 1)
        kept = replace(summary, histogram=b"", lengths={})
        self._summaries.setdefault(shard.index, {})[summary.index] = kept

    def take_back(self, shards: Sequence[Shard]) -> None:
        """Subtract shards that turned out to be bad from the totals."""
        for shard in shards:
            for index in self._summaries.get(shard.index, {}):
                summary = read_summary(part_path(self._job.folder, shard, index))
                if summary is not None:
                    self._count(summary, -1)

    def _count(self, summary: PartSummary, times: int) -> None:
        if summary.threshold == self._job.threshold:
            self.histogram.add_packed(summary.histogram, times)
        for length_bin, n_texts in summary.lengths.items():
            self.lengths[length_bin] += times * n_texts

    def summaries_of(self, shard: Shard) -> list[PartSummary]:
        """Summaries of a shard's parts, without histograms."""
        return list(self._summaries.get(shard.index, {}).values())


class _Plan:
    """Which chunks have no usable part yet, as tasks."""

    def __init__(
        self, job: Job, shards: Sequence[Shard], force: bool, n_workers: int, tally: _Tally
    ) -> None:
        self.errors: list[ShardError] = []
        self._job = job
        self._shards = shards
        self._force = force
        self._n_workers = n_workers
        self._tally = tally
        self._chunk_bytes: dict[int, int] = {}
        self.known_bytes = 0
        self._whole_bytes = _largest_task([shard.guessed_bytes for shard in shards], n_workers)

    def iter_tasks(self) -> Iterator[ScoreTask]:
        """Yield the tasks of all shards, in order."""
        for shard in self._shards:
            try:
                yield from self._iter_shard(shard)
            except ShardError as error:
                self.errors.append(error)

    def _iter_shard(self, shard: Shard) -> Iterator[ScoreTask]:
        job = self._job
        reader = reader_of(shard)
        adopt_parts(job.folder, shard)
        chunks = reader.plan(shard, job.reading, job.chunk_bytes, salvage=job.salvage)
        if chunks is not None:
            done = self._done(shard, range(len(chunks)))
            self._chunk_bytes[shard.index] = shard.n_bytes // max(1, len(chunks))
            self.known_bytes += len(done) * self._chunk_bytes[shard.index]
            yield from (ScoreTask(job, shard, chunk) for chunk in chunks if chunk.index not in done)
            return
        known = self._done_stream(shard)
        if known is None:
            self.known_bytes += shard.n_bytes
        else:
            n_turns = self._n_turns(shard)
            for first in range(n_turns):
                yield ScoreTask(job, shard, None, known, Turn(first, n_turns))

    def stored_bytes(self, task: ScoreTask) -> int:
        """Roughly how much of the stored pool a task is, for progress."""
        if task.chunk is None:
            return task.shard.n_bytes // task.turn.step
        return self._chunk_bytes[task.shard.index]

    def _n_turns(self, shard: Shard) -> int:
        """Among how many tasks a stream's chunks are dealt.

        A stream is one task unless workers would wait for it: streams are few or large, or a
        scorer is slow, as small chunks tell.
        """
        n_bytes = shard.guessed_bytes
        piece_bytes = self._job.chunk_bytes
        if piece_bytes >= CHUNK_BYTES:  # each task decompresses all of the stream: few do
            piece_bytes = max(piece_bytes, self._whole_bytes)
        return max(1, min(self._n_workers, -(-n_bytes // piece_bytes)))

    def _usable(self, shard: Shard, index: int) -> PartSummary | None:
        """The summary of a part that needs no work."""
        if self._force:
            return None
        summary = read_summary(part_path(self._job.folder, shard, index))
        if summary is None:
            return None
        wanted, has = self._job.threshold, summary.threshold
        return summary if has is None or (wanted is not None and has <= wanted) else None

    def _done(self, shard: Shard, indexes: Iterable[int]) -> frozenset[int]:
        """Chunks whose parts are usable; the tally takes these parts."""
        found = [summary for i in indexes if (summary := self._usable(shard, i)) is not None]
        return self._reuse(shard, found)

    def _done_stream(self, shard: Shard) -> frozenset[int] | None:
        """Chunks of a stream that are done; None if all are."""
        found: list[PartSummary] = []
        while (summary := self._usable(shard, len(found))) is not None:
            found.append(summary)
            if summary.final:
                self._reuse(shard, found)
                return None
        return self._reuse(shard, found)

    def _reuse(self, shard: Shard, found: Sequence[PartSummary]) -> frozenset[int]:
        for summary in found:
            self._tally.take(shard, summary)
        return frozenset(summary.index for summary in found)


def _largest_task(sizes: Sequence[int], n_workers: int) -> int:
    """Bytes of text up to which a stream can be one task without workers waiting for the last."""
    loads = [0] * n_workers
    for size in sizes:
        heapq.heapreplace(loads, loads[0] + size)
    even = sum(sizes) / n_workers
    if max(loads) <= _LATE * even:
        return max(sizes, default=0)
    return int(_WHOLE_SHARE * even)
