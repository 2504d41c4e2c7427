"""Standard input as pool: lines go by once, in order, and are scored as they come.

No sidecar is kept. Without a profile the first megabytes are the pool sample, so nothing comes
out before they are in; with one, a line is answered as soon as it is read.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain
from typing import IO

import numpy as np
from msgspec import structs

from zipsel.engines.local import LocalEngine
from zipsel.output.subset import with_field
from zipsel.pool.formats import STDIN
from zipsel.readers.json_rows import RowParser
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import BOM, LineChunk, iter_whole_lines
from zipsel.scorers.profile import Profile, ProfileFile
from zipsel.scoring.fitting import make_profile
from zipsel.scoring.inputs import read_targets
from zipsel.scoring.pool_sample import sample_chunks
from zipsel.scoring.rejects import N_SHOWN, Reject, too_many_rejects
from zipsel.scoring.settings import ScoreSettings
from zipsel.scoring.task import Job
from zipsel.storage.workdir import WorkDir

_READ_BYTES = 1 << 20

_PASSED_ON = "rows passed on before cannot be taken back"


@dataclass(frozen=True)
class StreamTask:
    """Lines to score and pass on.

    Attributes:
        job: The run's settings.
        chunk: The lines.
        min_alignment: Drop lines below; None to keep all.
        best: Keep only so many of the best; None to keep all.
        add_field: Name of the alignment's field, or None.
    """

    job: Job
    chunk: LineChunk
    min_alignment: float | None = None
    best: int | None = None
    add_field: str | None = None

    def __str__(self) -> str:
        """Where in the stream."""
        return f"standard input, rows from byte {self.chunk.offset}"


@dataclass
class StreamResult:
    """What became of a chunk.

    Attributes:
        lines: What is passed on, in input order, without newlines.
        alignments: Their alignments.
        rows: Their rows, counted from the chunk's first.
        digests: Digests of their texts.
        n_rows: Rows, accepted and refused.
        rejects: Reason → number of rows.
        refused: The first of them, rows counted from the chunk's first.
    """

    lines: list[bytes] = field(default_factory=list)
    alignments: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    n_rows: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    refused: list[Reject] = field(default_factory=list)


def score_lines(task: StreamTask) -> StreamResult:
    """Score a chunk's lines and keep those that are wanted."""
    scorer = task.job.scorer()
    result = StreamResult()
    start = 0
    for batch in iter_rows(task.chunk, RowParser(task.job.reading.text), task.job.reading):
        alignment = scorer.score(batch.texts)["alignment"]
        keep = np.arange(len(alignment))
        if task.min_alignment is not None:
            keep = np.flatnonzero(alignment >= task.min_alignment)
        texts = list(batch.texts.iter_encoded()) if task.best is not None else []
        for i in keep.tolist():
            row = int(batch.accepted[i])
            offset = int(batch.offsets[row])
            line = _line_at(task.chunk, offset)
            value = float(alignment[i])
            result.lines.append(with_field(line, task.add_field, value) if task.add_field else line)
            result.alignments.append(value)
            result.rows.append(start + row)
            result.digests.append(blake2b(texts[i], digest_size=16).digest() if texts else b"")
        for i, (reason, snippet) in batch.rejects.items():
            result.rejects[reason.value] = result.rejects.get(reason.value, 0) + 1
            if len(result.refused) < N_SHOWN:
                shown, offset = snippet.decode(errors="replace"), int(batch.offsets[i])
                result.refused.append(Reject(STDIN, start + i, offset, reason.value, shown))
        start += batch.n_rows
    result.n_rows = start
    return _best_of(result, task.best) if task.best is not None else result


def _line_at(chunk: LineChunk, offset: int) -> bytes:
    position = offset - chunk.offset
    for at, n_bytes in chunk.dropped:
        if position > at:
            position -= n_bytes
    end = chunk.data.find(b"\n", position)
    line = chunk.data[position : end if end >= 0 else len(chunk.data)]
    return line.removeprefix(BOM) if offset == 0 else line


def _best_of(result: StreamResult, best: int) -> StreamResult:
    order = sorted(range(len(result.rows)), key=lambda i: (-result.alignments[i], result.rows[i]))
    firsts: dict[bytes, int] = {}
    for i in order:  # copies of a text do not take places from others
        firsts.setdefault(result.digests[i], i)
        if len(firsts) == best:
            break
    kept = sorted(firsts.values())
    return StreamResult(
        [result.lines[i] for i in kept],
        [result.alignments[i] for i in kept],
        [result.rows[i] for i in kept],
        [result.digests[i] for i in kept],
        result.n_rows,
        result.rejects,
        result.refused,
    )


@dataclass
class StreamCounts:
    """Where every row of a stream went: ``n_chosen + n_passed + n_rejected == n_rows``.

    Attributes:
        n_rows: Rows read.
        n_chosen: Rows passed on.
        rejects: Reason → refused rows.
        refused: The first of them.
    """

    n_rows: int = 0
    n_chosen: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    refused: list[Reject] = field(default_factory=list)

    @property
    def n_rejected(self) -> int:
        """Refused rows."""
        return sum(self.rejects.values())

    @property
    def n_passed(self) -> int:
        """Rows passed over."""
        return self.n_rows - self.n_rejected - self.n_chosen

    def add(self, result: StreamResult) -> None:
        """Count a chunk."""
        for reject in result.refused[: N_SHOWN - len(self.refused)]:
            self.refused.append(structs.replace(reject, row=self.n_rows + reject.row))
        self.n_rows += result.n_rows
        for reason, n_rows in result.rejects.items():
            self.rejects[reason] = self.rejects.get(reason, 0) + n_rows

    def check(self, settings: ScoreSettings, outcome: str) -> None:
        """Raise if too many rows were refused.

        Args:
            settings: Say how many may be.
            outcome: What became of the output.

        Raises:
            TooManyRejects: With the first of them.
        """
        if self.n_rejected > settings.rejects_allowed(self.n_rows):
            raise too_many_rejects(self.n_rejected, self.n_rows, settings, self.refused, outcome)


def iter_available(file: int, read_bytes: int = _READ_BYTES) -> Iterator[bytes]:
    """Yield what a pipe has, as soon as it has it."""
    while piece := os.read(file, read_bytes):
        yield piece


def fit_on_head(
    settings: ScoreSettings, chunks: Iterator[LineChunk]
) -> tuple[Profile, Iterator[LineChunk]]:
    """The given profile, or one fitted on the stream's beginning, which is given back."""
    if settings.profile is not None:
        return Profile.load(settings.profile), chunks
    targets = read_targets(settings)
    head: list[LineChunk] = []
    n_bytes = 0
    for chunk in chunks:
        head.append(chunk)
        n_bytes += len(chunk.data)
        if n_bytes >= settings.fit.sample_bytes:
            break
    sample = sample_chunks(head, settings.reading)
    return make_profile(settings, targets, sample), chain(head, chunks)


def stream(
    settings: ScoreSettings,
    stdin: int,
    stdout: IO[bytes],
    *,
    min_alignment: float | None = None,
    best: int | None = None,
    add_field: str | None = None,
) -> StreamCounts:
    """Score standard input and write what is wanted of it.

    Args:
        settings: What was asked for; the pool is standard input.
        stdin: Its file descriptor.
        stdout: Takes the lines.
        min_alignment: Drop lines below.
        best: Write only so many of the best, ranked, at the end.
        add_field: Name of the alignment's field, or None.

    Raises:
        TooManyRejects: If too many rows were refused; the best of a stream are withheld then,
            lines that were passed on cannot be taken back.
    """
    chunks = iter_whole_lines(iter_available(stdin), settings.reading.max_row_bytes)
    profile, chunks = fit_on_head(settings, chunks)
    work_dir = WorkDir(settings.work_dir)
    counts = StreamCounts()
    with work_dir.locked(settings.lock, shared=True), LocalEngine(settings.workers) as engine:
        path = settings.profile
        if path is None:
            path = work_dir.profile(profile.digest)
            profile.save(path)
        job = Job(ProfileFile(path, profile.digest), settings.reading, "")
        tasks = (StreamTask(job, chunk, min_alignment, best, add_field) for chunk in chunks)
        results = engine.run_ordered(score_lines, tasks)
        if best is None:
            for result in results:
                counts.add(result)
                counts.n_chosen += len(result.lines)
                stdout.write(b"".join(line + b"\n" for line in result.lines))
                stdout.flush()
                if not settings.max_rejects.endswith("%"):  # no later row can mend it
                    counts.check(settings, _PASSED_ON)
            counts.check(settings, _PASSED_ON)
        else:
            lines = _keep_best(results, best, counts)
            counts.check(settings, "nothing was written")
            stdout.writelines(line + b"\n" for line in lines)
            stdout.flush()
    return counts


def _keep_best(results: Iterable[StreamResult], best: int, counts: StreamCounts) -> list[bytes]:
    """The best lines of all, ranked; of equal texts the first."""
    heap: list[tuple[float, int, bytes, bytes]] = []
    held: set[bytes] = set()
    for result in results:
        for line, alignment, row, digest in zip(
            result.lines, result.alignments, result.rows, result.digests, strict=True
        ):
            entry = (alignment, -(counts.n_rows + row), digest, line)
            if digest in held or (len(heap) == best and entry < heap[0]):
                continue
            held.add(digest)
            if len(heap) < best:
                heapq.heappush(heap, entry)
            else:
                held.discard(heapq.heappushpop(heap, entry)[2])
        counts.add(result)
    counts.n_chosen = len(heap)
    return [line for _, _, _, line in sorted(heap, reverse=True)]
