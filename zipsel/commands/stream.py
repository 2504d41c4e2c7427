"""Standard input as pool: a filter that answers lines as they come.

A filter scores each line once, in order, and passes on what reaches ``--min-alignment``, or with
``zipsel score`` every line. It refuses leaks and exact copies as ``select`` does with files, and
remembers 16 bytes for each line that it has passed on. Without a profile, the first megabytes
are the pool sample, so nothing comes out before they are in.

Everything else needs all records at once (``kept_stdin``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, cast

from msgspec import structs

from zipsel.commands.kept_stdin import open_stdin
from zipsel.commands.stream_task import StreamResult, StreamTask, score_lines
from zipsel.console.messages import Log
from zipsel.console.safe_text import printable
from zipsel.engines import OrderedEngine, open_engine
from zipsel.pool.formats import STDIN
from zipsel.readers.decompress import until_damage
from zipsel.readers.lines import LineChunk, iter_whole_lines
from zipsel.readers.rows import Taken
from zipsel.readers.stdin import STDIN_NAME
from zipsel.scorers.profile import Profile, ProfileFile
from zipsel.scoring.fitting import make_profile
from zipsel.scoring.inputs import Inputs
from zipsel.scoring.pool_sample import sample_chunks
from zipsel.scoring.rejects import N_SHOWN, Refusals, too_many_rejects
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.scoring.targets import read_targets
from zipsel.scoring.task import Job
from zipsel.selection.duplicates import DigestSet
from zipsel.selection.inspection import Inspection
from zipsel.selection.passes import leak_sources
from zipsel.selection.settings import SelectSettings
from zipsel.storage.remote import is_remote
from zipsel.storage.workdir import WorkDir

_PASSED_ON = "rows passed on before cannot be taken back"


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
    stdin, damage = open_stdin(log), list[str]()
    pieces = stdin.iter_pieces(zstd_long=settings.reading.zstd_long)
    if settings.on_bad_file == "salvage":
        pieces = until_damage(pieces, damage)
    chunks = iter_whole_lines(pieces, settings.reading.max_row_bytes)
    profile, chunks = fit_on_head(settings, chunks)
    with ExitStack() as stack:
        job, inspection = _prepare(settings, select, profile, stack)
        opened = open_engine(
            settings.engine, settings.workers, settings.ray_address, (score_lines.__module__,)
        )
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
