"""What a worker does in pass one: score the chunks of a shard.

A task is picklable, leaves its result in files that appear whole or not at all, and may be run
again: tasks are idempotent, on any engine. ``str(task)`` names shard and rows for the message that
says where a worker died.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from zipsel.errors import ZipselError
from zipsel.pool.shards import Shard, check_unchanged
from zipsel.readers import Reader, reader_of
from zipsel.readers.lines import STRETCH_BYTES
from zipsel.readers.reading import Reading
from zipsel.readers.rows import Chunk, RowBatch
from zipsel.scorers import ScoreColumns, Scorer, as_cascade, columns_finished_later
from zipsel.scorers.profile import ProfileFile, load_cached
from zipsel.scoring.histogram import Histogram
from zipsel.scoring.sidecar import PartSummary, part_path, read_scores, read_summary
from zipsel.scoring.sidecar_writer import PartBuilder
from zipsel.storage.remote import is_remote


@dataclass(frozen=True)
class Job:
    """What all scoring tasks of a run share.

    Attributes:
        profile: The fitted profile; a worker loads it once.
        reading: How rows become texts.
        folder: Where sidecar parts go.
        threshold: The cascade's threshold; None to finish every row.
        salvage: Keep what was read of a shard before it turned out to be damaged.
        keep_lines: Keep the lines of finished rows where the shard is compressed.
        keep_best: Fraction of the rows, best first, whose lines are kept where the shard is behind
            a URL.
    """

    profile: ProfileFile
    reading: Reading
    folder: str
    threshold: float | None = None
    salvage: bool = False
    keep_lines: bool = False
    keep_best: float = 0.0

    def kept_of(self, shard: Shard) -> float:
        """Fraction of a shard's finished rows whose lines are kept."""
        is_far = is_remote(shard.path)
        if shard.is_table or (shard.seekable and not is_far):  # which are read again at little cost
            return 0.0
        return 1.0 if self.keep_lines else self.keep_best if is_far else 0.0

    @property
    def chunk_bytes(self) -> int:
        """How much of a shard one task scores."""
        return load_cached(self.profile).scorer.chunk_bytes

    def scorer(self) -> Scorer:
        """The profile's scorer, at this run's threshold."""
        scorer = load_cached(self.profile).scorer
        cascade = as_cascade(scorer)
        if self.threshold is None or cascade is None:
            return scorer
        return cascade.at_threshold(self.threshold)


class Turn(NamedTuple):
    """Every ``step``-th chunk of a stream, from ``first`` on.

    Workers that share a compressed shard each read all of it and score their own chunks:
    decompressing costs a fraction of scoring, and no texts travel between processes. Of a shard
    behind a URL reading costs more, so that only a slow scorer is shared so.
    """

    first: int = 0
    step: int = 1

    def has(self, index: int) -> bool:
        """Whether a chunk is among them."""
        return index % self.step == self.first


@dataclass(frozen=True)
class ScoreTask:
    """Score one chunk of a shard, or every n-th chunk of a stream.

    Attributes:
        job: The run's settings.
        shard: The shard.
        chunk: Which chunk; None for a shard that has to be cut from its beginning.
        done: Chunks of such a shard whose parts exist.
        turn: Of such a shard, the chunks that are this task's.
        keep_above: The alignment from which on lines are kept, as far as it is known; of a stream
            the chunks before tell otherwise.
    """

    job: Job
    shard: Shard
    chunk: Chunk | None
    done: frozenset[int] = field(default_factory=frozenset)
    turn: Turn = field(default_factory=Turn)
    keep_above: float | None = None

    @property
    def shards(self) -> tuple[Shard, ...]:
        """The shard alone."""
        return (self.shard,)

    def __str__(self) -> str:
        """Shard and place."""
        return self.shard.path if self.chunk is None else f"{self.shard.path}, {self.chunk.where}"


def score_chunks(task: ScoreTask) -> list[PartSummary]:
    """Score a task's chunks and write their parts.

    Raises:
        ShardError: If the shard cannot be read or has changed.
        OutputError: If a part cannot be written.
    """
    check_unchanged(task.shard)
    scorer, reader = task.job.scorer(), reader_of(task.shard)
    found = [task.chunk] if task.chunk is not None else _cut(reader, task.shard, task.job)
    summaries, lowest, seen = [], task.keep_above, Histogram()
    for index, stretches in groupby(found, key=attrgetter("index")):
        if index not in task.done and task.turn.has(index):
            if task.keep_above is None:
                lowest = seen.lowest_of_best(task.job.kept_of(task.shard))
            summaries.append(_score_chunk(task, scorer, reader, index, stretches, lowest))
            seen.add_packed(summaries[-1].histogram)
    return summaries


def _cut(reader: Reader, shard: Shard, job: Job) -> Iterator[Chunk]:
    return reader.cut(
        shard, job.reading, job.chunk_bytes, stretch_bytes=STRETCH_BYTES, salvage=job.salvage
    )


def iter_chunks(reader: Reader, shard: Shard, job: Job) -> Iterator[Chunk]:
    """Yield the chunks of a shard in order, or their stretches."""
    planned = reader.plan(shard, job.reading, job.chunk_bytes, salvage=job.salvage)
    yield from _cut(reader, shard, job) if planned is None else planned


def score_rows(
    job: Job,
    scorer: Scorer,
    rows: RowBatch,
    known: ScoreColumns | None,
    first_row: int,
    where: object,
) -> ScoreColumns:
    """Score the accepted rows of a batch.

    Args:
        job: The run's settings.
        scorer: The job's scorer.
        rows: The batch.
        known: Scores of an earlier run under a higher threshold, which are finished; or None.
        first_row: Where the batch begins among them.
        where: What the rows come from, as a message names it.

    Raises:
        ZipselError: If an alignment is missing that no threshold has ruled out.
    """
    cascade = as_cascade(scorer)
    if known is not None and cascade is not None:
        of_rows = {name: values[first_row + rows.accepted] for name, values in known.items()}
        scores = cascade.finish(rows.texts, of_rows)
    else:
        scores = scorer.score(rows.texts)
    if job.threshold is None and np.isnan(scores["alignment"]).any():
        raise ZipselError(
            f"{where}: scorer {scorer.name} returned an alignment that is NaN, so its "
            "text could not be ranked; mend the scorer"
        )
    return scores


def _score_chunk(
    task: ScoreTask,
    scorer: Scorer,
    reader: Reader,
    index: int,
    stretches: Iterable[Chunk],
    keep_above: float | None,
) -> PartSummary:
    """Score the rows of one chunk as they come, and write its part.

    Scores of an earlier run under a higher threshold are reused.
    """
    job, shard = task.job, task.shard
    path, kept = part_path(job.folder, shard, index), job.kept_of(shard)
    builder = PartBuilder(scorer.columns, columns_finished_later(scorer), kept, keep_above)
    known = _read_known(path, scorer, job.threshold)
    n_rows, final, damage = 0, False, ""
    for chunk in stretches:
        final, damage = chunk.final, damage or chunk.damage
        for rows in reader.read(shard, chunk, job.reading, salvage=job.salvage):
            damage = damage or rows.damage
            builder.add(rows, score_rows(job, scorer, rows, known, n_rows, shard.path))
            n_rows += rows.n_rows
    check_unchanged(shard)  # rows of two versions are never kept
    return builder.write(path, index, final=final, threshold=job.threshold, damage=damage or None)


def _read_known(path: str, scorer: Scorer, threshold: float | None) -> ScoreColumns | None:
    """Scores to reuse from a part that was written under a higher threshold.

    A part without a threshold is not reused: it has alignments that this run must ignore.
    """
    summary = read_summary(path) if threshold is not None else None
    if summary is None or summary.threshold is None or threshold is None:
        return None
    return read_scores(path, scorer.columns) if summary.threshold > threshold else None
