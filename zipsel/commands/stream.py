"""Standard input as pool: a filter that answers lines as they come, or a copy that is a pool.

A filter scores each line once, in order, and passes on what reaches ``--min-alignment``, or with
``zipsel score`` every line. It refuses leaks and exact copies as ``select`` does with files, and
remembers 16 bytes for each line that it has passed on. Without a profile, the first megabytes
are the pool sample, so nothing comes out before they are in.

Everything else needs all records at once. Standard input is then kept in the work directory
until the run is over, and the copy is a pool like any other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, cast

import numpy as np
from msgspec import structs

from zipsel.console.messages import Log
from zipsel.console.safe_text import printable
from zipsel.engines import OrderedEngine, open_engine
from zipsel.errors import BadShards, NoTextError, ZipselError
from zipsel.output.subset import with_field
from zipsel.pool.formats import STDIN
from zipsel.readers.decompress import until_damage
from zipsel.readers.json_rows import RowParser
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import LineChunk, iter_whole_lines
from zipsel.readers.rows import Lines, Taken
from zipsel.readers.stdin import STDIN_NAME, Stdin
from zipsel.scorers.profile import Profile, ProfileFile
from zipsel.scoring.fitting import make_profile
from zipsel.scoring.inputs import Inputs, read_targets
from zipsel.scoring.pool_sample import sample_chunks
from zipsel.scoring.rejects import N_SHOWN, Refusals, Reject, too_many_rejects
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.scoring.task import Job
from zipsel.selection.duplicates import DigestSet
from zipsel.selection.inspection import Inspection
from zipsel.selection.passes import leak_sources
from zipsel.selection.settings import SelectSettings
from zipsel.storage.remote import is_remote
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
            if task.add_field is not None:
                line = with_field(line, task.add_field, float(alignment[i]))
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


@dataclass
class StreamCounts:
    """Where every row of a stream went.

    ``n_rows == n_chosen + n_low + n_leaks + n_duplicates + n_rejected``.

    Attributes:
        n_chosen: Rows passed on.
        n_leaks: Rows left out since they hold what must not leak.
        n_duplicates: Rows left out since their text was passed on before.
        taken: Where texts came from, and what of chats is in none.
        refusals: Rows read, and those refused.
    """

    n_chosen: int = 0
    n_leaks: int = 0
    n_duplicates: int = 0
    taken: Taken = field(default_factory=Taken)
    refusals: Refusals = field(default_factory=Refusals)

    @property
    def n_rows(self) -> int:
        """Rows read."""
        return self.refusals.n_rows

    @property
    def n_rejected(self) -> int:
        """Refused rows."""
        return self.refusals.rejects.total()

    @property
    def n_low(self) -> int:
        """Rows below the least alignment."""
        others = self.n_chosen + self.n_leaks + self.n_duplicates + self.n_rejected
        return self.n_rows - others

    def add(self, result: StreamResult, n_chosen: int) -> None:
        """Count a chunk of which ``n_chosen`` lines were passed on."""
        mine, others = self.refusals, result.refusals
        for reject in others.first[: N_SHOWN - len(mine.first)]:
            mine.first.append(structs.replace(reject, row=mine.n_rows + reject.row))
        mine.n_rows += others.n_rows
        mine.rejects.update(others.rejects)
        mine.found = mine.found or others.found
        self.n_chosen += n_chosen
        self.n_leaks += result.n_leaks
        self.taken.add(result.taken)
        self.n_duplicates += len(result.lines) - n_chosen

    def check(self, settings: RunSettings) -> None:
        """Raise ``TooManyRejects`` if more rows were refused than ``settings`` allow."""
        if self.n_rejected > settings.rejects_allowed(self.n_rows):
            raise too_many_rejects(self.refusals, settings, _PASSED_ON)


def fit_on_head(
    settings: RunSettings, chunks: Iterator[LineChunk]
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
    settings: RunSettings,
    log: Log,
    stdout: IO[bytes],
    *,
    select: SelectSettings | None = None,
    add_field: str | None = None,
) -> StreamCounts:
    """Score standard input and write what is wanted of it, in input order.

    Args:
        settings: What was asked for; the pool is standard input.
        log: Takes what is to be said of the input.
        stdout: Takes the lines.
        select: What is passed on; None for every line.
        add_field: Name of the alignment's field, or None.

    Raises:
        UsageError: If standard output is an input, or options of CSV have no file to read.
        TooManyRejects: If too many rows were refused; lines that were passed on cannot be taken
            back.
        ShardError: If compressed input is damaged and not to be salvaged.
    """
    exclude = () if select is None else select.exclude
    Inputs.find(Run(settings, log), exclude=exclude).refuse_stdout(stdout)
    stdin, damage = _open_stdin(log), list[str]()
    pieces = stdin.iter_pieces(zstd_long=settings.reading.zstd_long)
    if settings.on_bad_file == "salvage":
        pieces = until_damage(pieces, damage)
    chunks = iter_whole_lines(pieces, settings.reading.max_row_bytes)
    profile, chunks = fit_on_head(settings, chunks)
    with ExitStack() as stack:
        job, inspection = _prepare(settings, select, profile, stack)
        opened = open_engine(settings.engine, settings.workers, settings.ray_address, (__name__,))
        engine = cast(OrderedEngine, stack.enter_context(opened))
        least = None if select is None else select.budget.value
        tasks = (StreamTask(job, chunk, least, inspection, add_field) for chunk in chunks)
        has_copies = select is None or select.dedup == "none"
        counts = _write_lines(engine.run_ordered(score_lines, tasks), settings, stdout, has_copies)
    _say_taken(counts.taken, log)
    for problem in damage:
        log.say("bad-file", f"salvaged: {STDIN_NAME}: {problem}", shard=STDIN, level="warning")
    return counts


def _say_taken(taken: Taken, log: Log) -> None:
    """Say what a report would: from which fields texts came, and what of chats is in none."""
    for what, counts in (
        ("texts by field", taken.fields),
        ("parts of chats that no text holds", taken.left_out),
    ):
        if counts:
            said = ", ".join(f"{n:,} {printable(name, 60)}" for name, n in counts.most_common())
            log.say("taken", f"{what}: {said}", counts=counts)


def _open_stdin(log: Log) -> Stdin:
    stdin = Stdin()
    if stdin.is_empty:
        log.say("empty-input", f"{STDIN_NAME} is empty", level="warning")
    return stdin


def _prepare(
    settings: RunSettings, select: SelectSettings | None, profile: Profile, stack: ExitStack
) -> tuple[Job, Inspection | None]:
    """What workers need, in the work directory if it is not in files yet."""
    path, folder = settings.profile, ""
    is_kept = path is not None and not is_remote(path)
    if not is_kept or (select is not None and select.exclude and not select.keep_leaks):
        folder = stack.enter_context(WorkDir(settings.work_dir).scratch("stdin"))
    if path is None or not is_kept:
        path = os.path.join(folder, "profile")
        profile.save(path)
    file = ProfileFile(path, profile.digest)
    job = Job(file, settings.reading, "")
    if select is None:
        return job, None
    return job, Inspection(leak_sources(settings, select, file, folder))


def _write_lines(
    results: Iterable[StreamResult], settings: RunSettings, stdout: IO[bytes], has_copies: bool
) -> StreamCounts:
    """Write lines as they come, with or without copies of lines that were written before."""
    counts, written = StreamCounts(), DigestSet()
    for result in results:
        lines = result.lines
        if not has_copies:
            pairs = zip(lines, result.digests, strict=True)
            lines = [line for line, digest in pairs if written.add(digest)]
        counts.add(result, len(lines))
        stdout.write(b"".join(line + b"\n" for line in lines))
        stdout.flush()
        if isinstance(settings.max_rejects, int):  # no later row can mend it
            counts.check(settings)
    counts.check(settings)
    return counts


@contextmanager
def kept_stdin(settings: RunSettings, log: Log) -> Iterator[RunSettings]:
    """Settings whose pool is a copy of standard input, if that is what their pool is.

    The copy and its scores are in one folder, which is removed at the end:
    no later run can meet them again.

    Raises:
        OutputError: If the copy cannot be written.
    """
    if settings.pool != (STDIN,):
        yield settings
        return
    stdin = _open_stdin(log)
    suffix = f".{stdin.compression}" if stdin.compression else ""
    with WorkDir(settings.work_dir).scratch("stdin") as folder:
        path = os.path.join(folder, f"stdin.jsonl{suffix}")
        with open(path, "wb") as file:
            while piece := stdin.read(_READ_BYTES):
                file.write(piece)
        try:
            yield structs.replace(settings, pool=(path,), store=None, work_dir=folder)
        except ZipselError as error:
            raise _said_of_stdin(error, path, settings) from None


def _said_of_stdin(error: ZipselError, path: str, settings: RunSettings) -> ZipselError:
    """An error about the copy in words of standard input, with what helps there."""
    if isinstance(error, BadShards):
        of_rows = any(isinstance(one, NoTextError) for one in error.errors)
        keeps = "keep the rows before the damage: --on-bad-file salvage"
        can_salvage = settings.on_bad_file != "salvage" and not of_rows
        errors = [
            type(one)(STDIN_NAME if one.shard == path else one.shard, one.problem)
            for one in error.errors
        ]
        return BadShards(errors, f"Repair it, or {keeps}" if can_salvage else "Repair it")
    error.args = (str(error).replace(printable(path), STDIN_NAME),)
    return error
