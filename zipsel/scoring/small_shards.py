"""Small shards, scored many at a time: one task, one call of the scorer, one pack.

What a task, a sidecar file and a call of the scorer cost beside the scoring itself is more than
scoring a shard of a few rows. A shard of the batch that cannot be read takes nothing with it: the
others are then scored one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard, check_unchanged
from zipsel.readers import reader_of
from zipsel.readers.rows import Chunk, Lines, RowBatch
from zipsel.scorers import columns_finished_later
from zipsel.scoring.packs import PackEntry, pack_path
from zipsel.scoring.sidecar import PartSummary, Place, read_placed
from zipsel.scoring.sidecar_writer import PartBuilder, RowCounts
from zipsel.scoring.task import (
    Job,
    ScoreTask,
    iter_chunks,
    score_chunks,
    score_rows,
)
from zipsel.texts import BATCH_BYTES, join_batches

#: Text that a small shard may hold.
SMALL_BYTES = 1 << 20

#: Small shards of one task: fewer are scored one by one, more make several tasks.
LEAST_SHARDS, MOST_SHARDS = 16, 256


@dataclass(frozen=True)
class SmallShardsTask:
    """Score some small shards.

    Attributes:
        job: The run's settings.
        shards: The shards.
        known: Of each shard, its scores under a higher threshold; empty where there are none.
    """

    job: Job
    shards: tuple[Shard, ...]
    known: tuple[Place, ...] = ()

    def __str__(self) -> str:
        """Name the first shard, and how many others there are."""
        return f"{self.shards[0].path}, or in one of {len(self.shards) - 1} small files after it"


class ScoredPart(NamedTuple):
    """A part that a task has written.

    Attributes:
        shard: Index of its shard.
        summary: What it holds.
        place: Where it stands in a pack; None where it has a file of its own.
    """

    shard: int
    summary: PartSummary
    place: Place | None = None


def score_task(task: ScoreTask | SmallShardsTask) -> list[ScoredPart | ShardError]:
    """Score a task's chunks or shards and write their parts.

    Returns:
        The parts, and an error for each small shard that cannot be read or has changed.

    Raises:
        ShardError: If the shard of a task of one cannot be read or has changed.
        OutputError: If a part cannot be written.
    """
    if isinstance(task, ScoreTask):
        return [ScoredPart(task.shard.index, summary) for summary in score_chunks(task)]
    try:
        return list(_score_together(task))
    except ShardError:
        return [found for shard in task.shards for found in _score_alone(task.job, shard)]


def _score_alone(job: Job, shard: Shard) -> list[ScoredPart | ShardError]:
    try:
        planned = reader_of(shard).plan(shard, job.reading, job.chunk_bytes, salvage=job.salvage)
        tasks = [ScoreTask(job, shard, chunk) for chunk in planned or (None,)]
        return [found for task in tasks for found in score_task(task)]
    except ShardError as error:
        return [error]


def _score_together(task: SmallShardsTask) -> Iterator[ScoredPart]:
    batch = _Batch(task)
    for shard in task.shards:
        reader = reader_of(shard)
        for chunk in iter_chunks(reader, shard, task.job):
            counts = batch.begin(shard, chunk)
            for rows in reader.read(shard, chunk, task.job.reading, salvage=task.job.salvage):
                counts.add(rows)
                batch.add(rows)
        check_unchanged(shard)  # rows of two versions are never kept
    path = pack_path(task.job.folder, [shard.fingerprint for shard in task.shards])
    for shard, entry in batch.write(path):
        yield ScoredPart(shard.index, entry.summary, Place(path, entry.start, entry.summary.n_rows))


class _Batch:
    """Rows of small shards, scored some at a time, and the part that each chunk becomes.

    Args:
        task: Whose shards they are.
    """

    def __init__(self, task: SmallShardsTask) -> None:
        job = self._job = task.job
        self._task = task
        self._scorer = job.scorer()
        self._builder = PartBuilder(
            self._scorer.columns,
            columns_finished_later(self._scorer),
            min(map(job.kept_of, task.shards)),
        )
        self._known = read_placed(task.known, self._scorer.columns) if task.known else None
        self._held: list[RowBatch] = []
        self._held_bytes = self._n_scored = self._n_rows = 0
        #: Shard, last stretch, first row and counts of each chunk.
        self._chunks: list[tuple[Shard, Chunk, int, RowCounts]] = []

    def begin(self, shard: Shard, chunk: Chunk) -> RowCounts:
        """Begin a chunk, or another stretch of it; returns what counts its rows."""
        first, counts = self._n_rows, RowCounts()
        if self._chunks and self._chunks[-1][0] is shard:
            _, before, first_before, counts_before = self._chunks[-1]
            if before.index == chunk.index:
                first, counts = first_before, counts_before
                self._chunks.pop()
        counts.damage = counts.damage or chunk.damage
        self._chunks.append((shard, chunk, first, counts))
        return counts

    def add(self, rows: RowBatch) -> None:
        """Take rows of the last chunk."""
        self._held.append(rows)
        self._held_bytes += int(rows.texts.offsets[-1])
        self._n_rows += rows.n_rows
        if self._held_bytes >= BATCH_BYTES:
            self._score()

    def _score(self) -> None:
        rows = join_rows(self._held)
        scores = score_rows(self._job, self._scorer, rows, self._known, self._n_scored, self._task)
        self._builder.add(rows, scores)
        self._n_scored += rows.n_rows
        self._held, self._held_bytes = [], 0

    def write(self, path: str) -> list[tuple[Shard, PackEntry]]:
        """Write the pack; returns its entries, and the shard of each.

        Raises:
            OutputError: If it cannot be written.
        """
        if self._held:
            self._score()
        found = []
        for shard, chunk, first, counts in self._chunks:
            summary = counts.summarize(
                chunk.index,
                final=chunk.final,
                threshold=self._job.threshold,
                has_lines=self._builder.kept > 0,
            )
            found.append((shard, PackEntry(shard.fingerprint, first, summary)))
        self._builder.write_pack(path, [entry for _, entry in found])
        return found


def join_rows(batches: Sequence[RowBatch]) -> RowBatch:
    """The rows of several batches as one; of where their texts came from each tells for itself."""
    if len(batches) == 1:
        return batches[0]
    firsts = list(accumulate((rows.n_rows for rows in batches[:-1]), initial=0))
    return RowBatch(
        offsets=np.concatenate([rows.offsets for rows in batches]),
        texts=join_batches([rows.texts for rows in batches]),
        accepted=np.concatenate(
            [rows.accepted + first for first, rows in zip(firsts, batches, strict=True)]
        ),
        rejects={
            first + row: reject
            for first, rows in zip(firsts, batches, strict=True)
            for row, reject in rows.rejects.items()
        },
        groups=[group for rows in batches for group in rows.groups],
        lines=_join_lines([rows.lines for rows in batches if rows.lines is not None]),
    )


def _join_lines(batches: Sequence[Lines]) -> Lines | None:
    if not batches:
        return None
    firsts = accumulate((len(lines.data) for lines in batches), initial=0)
    starts, ends = zip(
        *(
            (lines.starts + first, lines.ends + first)
            for first, lines in zip(firsts, batches, strict=False)
        ),
        strict=True,
    )
    data = b"".join([lines.data for lines in batches])
    return Lines(data, np.concatenate(starts), np.concatenate(ends))
