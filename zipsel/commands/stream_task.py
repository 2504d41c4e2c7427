"""What a worker does with lines of standard input: score them, keep those that are wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np

from zipsel.output.subset_file import AddedField
from zipsel.pool.formats import STDIN
from zipsel.readers.json_rows import RowParser
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import LineChunk
from zipsel.readers.rows import Lines, Taken
from zipsel.readers.stdin import STDIN_NAME
from zipsel.scoring.rejects import N_SHOWN, Refusals, Reject
from zipsel.scoring.task import Job
from zipsel.selection.inspection import Inspection


@dataclass(frozen=True)
class StreamTask:
    """Lines to score and pass on.

    Attributes:
        job: The run's settings.
        chunk: The lines.
        min_alignment: Drop lines below; None to keep all.
        inspection: What to find out about the text of each line that is kept; None for nothing.
        add_field: Name of the alignment's field, or None.
    """

    job: Job
    chunk: LineChunk
    min_alignment: float | None = None
    inspection: Inspection | None = None
    add_field: str | None = None

    def __str__(self) -> str:
        """Where in the stream."""
        return f"{STDIN_NAME}, rows from byte {self.chunk.offset}"


@dataclass
class StreamResult:
    """What became of a chunk.

    Attributes:
        lines: What may be passed on, in input order, without newlines.
        digests: Digests of their texts, where texts were inspected.
        n_leaks: Lines that hold what must not leak.
        taken: Where texts came from, and what of chats is in none.
        refusals: Its refused rows, counted from the chunk's first row.
    """

    lines: list[bytes] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    n_leaks: int = 0
    taken: Taken = field(default_factory=Taken)
    refusals: Refusals = field(default_factory=Refusals)


def score_lines(task: StreamTask) -> StreamResult:
    """Score a chunk's lines and keep those that are wanted."""
    scorer = task.job.scorer()
    result = StreamResult()
    refusals = result.refusals
    added = None if task.add_field is None else AddedField(task.add_field)
    for batch in iter_rows(task.chunk, RowParser(task.job.reading.text), task.job.reading):
        alignment = scorer.score(batch.texts)["alignment"]
        lines = cast(Lines, batch.lines)
        keep = np.arange(len(alignment))
        if task.min_alignment is not None:
            keep = np.flatnonzero(alignment >= task.min_alignment)
        texts = batch.texts.take(keep).iter_texts() if task.inspection is not None else iter(())
        for i in keep.tolist():
            if task.inspection is not None:
                found = task.inspection.look(next(texts))
                if found.leak is not None:
                    result.n_leaks += 1
                    continue
                result.digests.append(found.digest)
            line = lines[int(batch.accepted[i])]
            if added is not None:
                line = added.append(line, float(alignment[i]))
            result.lines.append(line)
        for i, (reason, snippet) in batch.rejects.items():
            refusals.rejects[reason.value] += 1
            if len(refusals.first) < N_SHOWN:
                shown, offset = snippet.decode(errors="replace"), int(batch.offsets[i])
                row = refusals.n_rows + i
                refusals.first.append(Reject(STDIN, row, offset, reason.value, shown))
        refusals.found = refusals.found or batch.found
        refusals.n_rows += batch.n_rows
        result.taken.add(batch.taken)
    return result
