"""What a worker does in pass one: score the chunks of a shard.

A task is picklable, leaves its result in files that appear whole or not at all, and may be run
again: tasks are idempotent, on any engine. ``str(task)`` names shard and rows for the message that
says where a worker died.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from zipsel.pool.shards import Shard, check_unchanged, open_raw
from zipsel.readers.decompress import iter_pieces, until_damage
from zipsel.readers.json_rows import RowParser
from zipsel.readers.lines import STRETCH_BYTES, read_chunk
from zipsel.readers.rows import GroupChunk, Reading, RowBatch
from zipsel.readers.text import TextChunk, cut_shard, iter_rows
from zipsel.scorers import Scorer, Scores
from zipsel.scorers.faceted import Cascade
from zipsel.scorers.profile import load_cached
from zipsel.scoring.sidecar import PartSummary, part_path, read_scores, read_summary
from zipsel.scoring.sidecar_writer import PartBuilder


@dataclass(frozen=True)
class Job:
    """What all scoring tasks of a run share.

    Attributes:
        profile_path: The fitted profile; a worker loads it once.
        reading: How rows become texts.
        folder: Where sidecar parts go.
        screen: Threshold of the cascade; None to finish every row.
        salvage: Keep what was read of a shard before it turned out to be damaged.
        keep_lines: Keep the lines of finished rows where the shard is compressed.
    """

    profile_path: str
    reading: Reading
    folder: str
    screen: float | None = None
    salvage: bool = False
    keep_lines: bool = False

    @property
    def chunk_bytes(self) -> int:
        """How much of a shard one task scores."""
        return load_cached(self.profile_path).scorer.chunk_bytes

    def scorer(self) -> Scorer:
        """The profile's scorer, with this run's screen."""
        scorer = load_cached(self.profile_path).scorer
        if self.screen is not None and isinstance(scorer, Cascade):
            return scorer.screened(self.screen)
        return scorer


class Turn(NamedTuple):
    """Every ``step``-th chunk of a stream, from ``first`` on.

    Workers that share a compressed shard each read all of it and score their own chunks:
    decompressing costs a fraction of scoring, and no texts travel between processes.
    """

    first: int = 0
    step: int = 1

    def has(self, index: int) -> bool:
        """Whether a chunk is among them."""
        return index % self.step == self.first


@dataclass(frozen=True)
class ScoreTask:
    """Score one chunk of a shard, or every so-manieth chunk of a stream.

    Attributes:
        job: The run's settings.
        shard: The shard.
        chunk: Number of a chunk to read from a plain file, row groups, or None for a stream that
            has to be read from its beginning.
        done: Chunks of the stream whose parts exist.
        turn: Of the stream, the chunks that are this task's.
    """

    job: Job
    shard: Shard
    chunk: int | GroupChunk | None
    done: frozenset[int] = field(default_factory=frozenset)
    turn: Turn = field(default_factory=Turn)

    def __str__(self) -> str:
        """Shard and place."""
        if self.chunk is None:
            return self.shard.path
        if isinstance(self.chunk, GroupChunk):
            return (
                f"{self.shard.path}, row groups {self.chunk.first_group} to "
                f"{self.chunk.end_group - 1}, from row {self.chunk.first_row}"
            )
        return f"{self.shard.path}, rows of chunk {self.chunk}"


def score_chunks(task: ScoreTask) -> list[PartSummary]:
    """Score a task's chunks and write their parts.

    Raises:
        ShardError: If the shard cannot be read or has changed.
        OutputError: If a part cannot be written.
    """
    scorer = task.job.scorer()
    if isinstance(task.chunk, GroupChunk):
        return [_score_groups(task, task.chunk, scorer)]
    parser = RowParser(task.job.reading.text, task.job.reading.group_field)
    damage: list[str] = []
    summaries = []
    for index, stretches in groupby(_iter_stretches(task, damage), key=attrgetter("index")):
        if index in task.done or not task.turn.has(index):
            continue
        part = _PartWriter(task, scorer, index)
        for stretch in stretches:
            part.add(iter_rows(stretch, parser, task.job.reading))
        summaries.append(part.write(stretch.final, damage))
    return summaries


def _iter_stretches(task: ScoreTask, damage: list[str]) -> Iterator[TextChunk]:
    """Lines of the task's chunks, as few at a time as are parsed at once."""
    shard, reading = task.shard, task.job.reading
    check_unchanged(shard)
    chunk_bytes = task.job.chunk_bytes
    with open_raw(shard) as file:
        if isinstance(task.chunk, int):
            yield from read_chunk(
                file,
                task.chunk,
                reading.max_row_bytes,
                n_bytes=shard.n_bytes,
                chunk_bytes=chunk_bytes,
            )
            return
        pieces = iter_pieces(file, shard.path, shard.compression, zstd_long=reading.zstd_long)
        if task.job.salvage:
            pieces = until_damage(pieces, damage)
        yield from cut_shard(
            shard,
            pieces,
            task.job.reading,
            chunk_bytes=chunk_bytes,
            stretch_bytes=STRETCH_BYTES,
            damage=damage if task.job.salvage else None,
        )


def _score_groups(task: ScoreTask, chunk: GroupChunk, scorer: Scorer) -> PartSummary:
    from zipsel.readers import tables  # loads pyarrow.compute

    check_unchanged(task.shard)
    damage: list[str] = []
    rows = tables.iter_rows(
        task.shard, chunk, task.job.reading, damage if task.job.salvage else None
    )
    part = _PartWriter(task, scorer, chunk.index)
    part.add(rows)
    return part.write(tables.is_final(task.shard, chunk), damage)


class _PartWriter:
    """Scores the rows of one chunk as they come, and writes its part.

    Args:
        task: What the chunk belongs to.
        scorer: How its texts are scored.
        index: Which chunk of the shard it is.
    """

    def __init__(self, task: ScoreTask, scorer: Scorer, index: int) -> None:
        self._task = task
        self._scorer = scorer
        self._index = index
        self._path = part_path(task.job.folder, task.shard, index)
        is_stream = task.shard.format == "jsonl" and not task.shard.seekable
        keeps_lines = task.job.keep_lines and is_stream
        self._builder = PartBuilder(dict(scorer.columns), keeps_lines)
        self._known = self._read_known(task.job.screen)
        self._n_rows = 0

    def _read_known(self, screen: float | None) -> Scores | None:
        """What a part with a higher screen knows; one with none would say too much."""
        summary = read_summary(self._path) if screen is not None else None
        if summary is None or summary.screen is None or screen is None or summary.screen <= screen:
            return None
        return read_scores(self._path, self._scorer.columns)

    def add(self, batches: Iterable[RowBatch]) -> None:
        """Score rows; what an earlier run with a higher screen found out is taken over."""
        for rows in batches:
            if self._known is not None and isinstance(self._scorer, Cascade):
                places = self._n_rows + rows.accepted
                known = {name: values[places] for name, values in self._known.items()}
                scores = self._scorer.finish(rows.texts, known)
            else:
                scores = self._scorer.score(rows.texts)
            self._builder.add(rows, scores)
            self._n_rows += rows.n_rows

    def write(self, final: bool, damage: Sequence[str]) -> PartSummary:
        """Write the part, unless the shard has changed under way: mixed rows are never kept."""
        check_unchanged(self._task.shard)
        return self._builder.write(
            self._path,
            self._index,
            final=final,
            screen=self._task.job.screen,
            damage=damage[0] if damage else None,
        )
