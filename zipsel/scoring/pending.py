"""What of a pool pass one has to score: which chunks have no usable part yet, as tasks."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from zipsel.errors import ShardError
from zipsel.pool.shards import CHUNK_BYTES, Shard
from zipsel.readers import reader_of
from zipsel.scoring.packs import iter_packed
from zipsel.scoring.sidecar import PartSummary, Place, adopt_parts, part_path, read_summary
from zipsel.scoring.small_shards import LEAST_SHARDS, MOST_SHARDS, SMALL_BYTES, SmallShardsTask
from zipsel.scoring.tally import Tally
from zipsel.scoring.task import Job, ScoreTask, Turn
from zipsel.storage.remote import is_remote

#: Asked with a shard and the number of a chunk, whether it is among this process's.
Wanted = Callable[[Shard, int], bool]

Task = ScoreTask | SmallShardsTask

#: How much longer than an even load the fullest worker's may be.
_LATE = 1.25

#: Part of an even load that a stream may be where loads would not be even: the last task of a
#: worker makes it no later than that.
_WHOLE_SHARE = 0.25


class Pending:
    """Which chunks have no usable part yet, as tasks."""

    def __init__(
        self,
        job: Job,
        shards: Sequence[Shard],
        force: bool,
        n_workers: int,
        tally: Tally,
        wanted: Wanted,
    ) -> None:
        self.errors: list[ShardError] = []
        self._job = job
        self._shards = shards
        self._force = force
        self._n_workers = n_workers
        self._tally = tally
        self._wanted = wanted
        self._chunk_bytes: dict[int, int] = {}
        self.known_bytes = 0
        self._whole_bytes = _largest_task([shard.guessed_bytes for shard in shards], n_workers)
        self._small = _SmallShards(job, shards, n_workers)

    def iter_tasks(self) -> Iterator[Task]:
        """Yield the tasks of all shards; small shards that are scored together come later."""
        for shard in self._shards:
            if not self._small.has(shard) or not self._wanted(shard, 0):
                yield from self._try_shard(shard)
                continue
            found = None if self._force else self._small.find(shard)
            if found is not None:
                self.known_bytes += shard.n_bytes
                for summary, place in found:
                    self._tally.take(shard.index, summary, place)
            elif os.path.exists(part_path(self._job.folder, shard, 0)):
                yield from self._try_shard(shard)
            else:
                yield from self._small.add(shard)
        yield from self._small.iter_rest()
        for shard in self._small.few:
            yield from self._try_shard(shard)

    def _try_shard(self, shard: Shard) -> Iterator[ScoreTask]:
        """Yield the tasks of one shard, or keep its error."""
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
            for chunk in chunks:
                if chunk.index not in done and self._wanted(shard, chunk.index):
                    yield ScoreTask(job, shard, chunk, keep_above=self._lowest_kept(shard))
                elif chunk.index not in done:
                    self.known_bytes += self._chunk_bytes[shard.index]
            return
        known = self._done_stream(shard)
        if known is None:
            self.known_bytes += shard.n_bytes
        else:
            n_turns = self._n_turns(shard)
            for first in range(n_turns):
                turn = Turn(first, n_turns)
                yield ScoreTask(job, shard, None, known, turn, self._lowest_kept(shard))

    def _lowest_kept(self, shard: Shard) -> float | None:
        """The alignment from which on lines of a shard are kept, as far as it is known."""
        return self._tally.histogram.lowest_of_best(self._job.kept_of(shard))

    def stored_bytes(self, task: Task) -> int:
        """Roughly how much of the stored pool a task is, for progress."""
        if isinstance(task, SmallShardsTask):
            return sum(shard.n_bytes for shard in task.shards)
        if task.chunk is None:
            return task.shard.n_bytes // task.turn.step
        return self._chunk_bytes[task.shard.index]

    def _n_turns(self, shard: Shard) -> int:
        """Among how many tasks a stream's chunks are dealt.

        A stream is one task unless workers would wait for it: streams are few or large, or a
        scorer is slow, as small chunks tell. Each task reads all of the stream, so one behind a URL
        is shared for the sake of a slow scorer alone.
        """
        n_bytes = shard.guessed_bytes
        piece_bytes = self._job.chunk_bytes
        if piece_bytes >= CHUNK_BYTES:  # each task decompresses all of the stream: few do
            if is_remote(shard.path):
                return 1
            piece_bytes = max(piece_bytes, self._whole_bytes)
        return max(1, min(self._n_workers, -(-n_bytes // piece_bytes)))

    def _usable(self, shard: Shard, index: int) -> PartSummary | None:
        """The summary of a part that needs no work."""
        if self._force:
            return None
        summary = read_summary(part_path(self._job.folder, shard, index))
        return summary if summary is not None and summary.serves(self._job.threshold) else None

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
            self._tally.take(shard.index, summary)
        return frozenset(summary.index for summary in found)


class _SmallShards:
    """Small shards of a pool: which packs have their parts, and which are to be scored together.

    Args:
        job: The run's settings.
        shards: The pool.
        n_workers: Among which the tasks are shared out.
    """

    def __init__(self, job: Job, shards: Sequence[Shard], n_workers: int) -> None:
        self._job = job
        self._limit = min(SMALL_BYTES, job.chunk_bytes // 4)
        sizes = [shard.guessed_bytes for shard in shards if self.has(shard)]
        share = 4 * n_workers if n_workers > 1 else 1  # several for each even out what one takes
        self._most_shards = min(MOST_SHARDS, max(LEAST_SHARDS, len(sizes) // share))
        self._most_bytes = min(job.chunk_bytes, max(SMALL_BYTES, sum(sizes) // share))
        self._batches: dict[tuple[bool, float], list[tuple[Shard, Place | None]]] = {}
        self._n_bytes: Counter[tuple[bool, float]] = Counter()
        self._packed: dict[str, dict[int, tuple[PartSummary, Place]]] = {}
        for place, entry in iter_packed(job.folder) if sizes else ():
            parts = self._packed.setdefault(entry.fingerprint, {})
            before = parts.get(entry.summary.index)
            if before is None or self._order(entry.summary) < self._order(before[0]):
                parts[entry.summary.index] = entry.summary, place
        #: Shards that are too few to be scored together.
        self.few: list[Shard] = []

    def has(self, shard: Shard) -> bool:
        """Whether a shard is small, and found again by its content."""
        return shard.is_identified and shard.guessed_bytes <= self._limit

    def _order(self, summary: PartSummary) -> int:
        """Which of several parts of the same rows is the best."""
        is_exact = summary.threshold == self._job.threshold
        return 0 if is_exact else 1 if summary.serves(self._job.threshold) else 2

    def find(self, shard: Shard) -> list[tuple[PartSummary, Place]] | None:
        """The parts of a shard that needs no work; None of any other."""
        found = list(self._packed.get(shard.fingerprint, {}).values())
        final = [summary.index for summary, _ in found if summary.final]
        if not all(summary.serves(self._job.threshold) for summary, _ in found):
            return None
        return found if final == [len(found) - 1] else None

    def add(self, shard: Shard) -> Iterator[SmallShardsTask]:
        """Take a shard that is to be scored; yields the task that has become large enough."""
        found = list(self._packed.get(shard.fingerprint, {}).values())
        place = None
        if self._job.threshold is not None and len(found) == 1:
            place = found[0][1] if found[0][0].final and found[0][0].threshold is not None else None
        kind = (place is not None, self._job.kept_of(shard))
        batch = self._batches.setdefault(kind, [])
        batch.append((shard, place))
        self._n_bytes[kind] += shard.guessed_bytes
        if len(batch) == self._most_shards or self._n_bytes[kind] >= self._most_bytes:
            yield self._task(batch)
            batch.clear()
            del self._n_bytes[kind]

    def iter_rest(self) -> Iterator[SmallShardsTask]:
        """Yield the tasks of what is left."""
        for (is_known, _), batch in self._batches.items():
            if len(batch) < LEAST_SHARDS and not is_known:
                self.few += [shard for shard, _ in batch]
            elif batch:
                yield self._task(batch)

    def _task(self, batch: Sequence[tuple[Shard, Place | None]]) -> SmallShardsTask:
        places = tuple(place for _, place in batch if place is not None)
        return SmallShardsTask(self._job, tuple(shard for shard, _ in batch), places)


def _largest_task(sizes: Sequence[int], n_workers: int) -> int:
    """Bytes of text up to which a stream can be one task without workers waiting for the last."""
    loads = [0] * n_workers
    for size in sizes:
        heapq.heapreplace(loads, loads[0] + size)
    even = sum(sizes) / n_workers
    if max(loads) <= _LATE * even:
        return max(sizes, default=0)
    return int(_WHOLE_SHARE * even)
