"""Pass two: fetch candidates from their shards into a spool, looking at each on the way.

A task fetches candidates of one shard. Rows go to the spool in runs sorted by rank, at most
``_RUN_BYTES`` each, so that one output shard is read from a few contiguous stretches; what the
selection wants to know of a text (its digest, its leaks) comes back as columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zipsel.engines import Engine
from zipsel.errors import BadShards, OutputError, ShardError
from zipsel.pool.shards import Shard, check_unchanged
from zipsel.readers import fetch
from zipsel.readers.fetch import text_of_row
from zipsel.readers.json_rows import RowParser
from zipsel.readers.rows import Reading, RowError
from zipsel.scoring.sidecar import Part, read_lines
from zipsel.selection.duplicates import pack_sketch
from zipsel.selection.inspection import Features, Inspection
from zipsel.selection.leaks import Leak
from zipsel.selection.ranking import Candidates
from zipsel.selection.spool import ROW, SpooledRows, ngrams_path, sketches_path
from zipsel.storage.columns import IN_MEMORY, Columns

_RUN_BYTES = 64 << 20

#: Stretch of a plain file that one task fetches from.
_TASK_BYTES = 64 << 20


@dataclass(frozen=True)
class GatherTask:
    """Candidates of one shard.

    Attributes:
        shard: Where they stand.
        ranks: Their places in the order of candidates.
        rows: Their rows, ascending.
        offsets: Their byte offsets, ascending; -1 for tables.
        reading: How rows become texts.
        inspection: What to find out about each text.
        number: Of the task among those of its block.
        spool_path: File that takes the rows.
        parts: Sidecar parts that hold the lines; empty where the shard has to be read.
    """

    shard: Shard
    ranks: NDArray[np.int64]
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    reading: Reading
    inspection: Inspection
    number: int
    spool_path: str
    parts: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        """Shard and rows."""
        return f"{self.shard.path}, rows {self.rows[0]} to {self.rows[-1]}"


class Source(NamedTuple):
    """What candidates are fetched from, and how.

    Attributes:
        shards: The pool.
        parts: The pool's sidecar parts, which may hold the lines.
        reading: How rows become texts.
        inspection: What to find out about each text.
    """

    shards: Sequence[Shard]
    parts: Sequence[Part]
    reading: Reading
    inspection: Inspection


class FetchedRows(NamedTuple):
    """What a task found out.

    Attributes:
        path: The spool file.
        is_table: Whether it is a table.
        ranks: Ranks of the rows, in the order of the file.
        rows: What is known of each, ``ROW``.
        leaks: Rank → leak, of rows that hold one.
    """

    path: str
    is_table: bool
    ranks: NDArray[np.int64]
    rows: NDArray[np.void]
    leaks: dict[int, Leak]


class Fetched(NamedTuple):
    """A block of candidates in the spool.

    Attributes:
        first: Rank of the first of them.
        spooled: What is known of each.
        leaks: Rank → leak, where leaks were looked for.
    """

    first: int
    spooled: SpooledRows
    leaks: dict[int, Leak]

    def look(self, i: int) -> Features:
        """What was found out about the i-th of the block."""
        row = self.spooled.rows[i]
        return Features(
            row["digest"].tobytes(),
            int(row["n_tokens"]),
            self.leaks.get(self.first + i),
            self.spooled.read_sketch(i),
        )


def gather(
    engine: Engine,
    source: Source,
    block: Candidates,
    first_rank: int,
    spool_prefix: str,
    columns: Columns = IN_MEMORY,
) -> Fetched:
    """Fetch a block of candidates.

    Args:
        engine: Where tasks run.
        source: What they fetch from.
        block: The candidates.
        first_rank: Rank of the first of them among all candidates.
        spool_prefix: How the names of spool files begin.
        columns: Holds what is found out about them.

    Raises:
        BadShards: If shards cannot be read or have changed since they were scored.
    """
    files: dict[int, tuple[str, bool]] = {}
    rows, leaks = columns.zeros(len(block), ROW), {}
    errors: list[ShardError] = []
    tasks = _iter_tasks(source, block, first_rank, spool_prefix)
    for task, result in engine.run(fetch_rows, tasks):
        if isinstance(result, ShardError):
            errors.append(result)
        elif isinstance(result, BaseException):
            raise result
        else:
            files[task.number] = (result.path, result.is_table)
            result.rows["file"] = task.number
            rows[result.ranks - first_rank] = result.rows
            leaks.update(result.leaks)
    if errors:
        raise BadShards(errors)
    in_order = [files[number] for number in range(len(files))]
    return Fetched(first_rank, SpooledRows(in_order, first_rank, rows), leaks)


def _iter_tasks(
    source: Source, block: Candidates, first_rank: int, spool_prefix: str
) -> Iterator[GatherTask]:
    parts_of: dict[int, list[Part]] = {}
    for part in source.parts:
        parts_of.setdefault(part.shard.index, []).append(part)
    for n_tasks, ranks in enumerate(_iter_pieces(source.shards, block)):
        index = int(block.shard[ranks[0]])
        yield GatherTask(
            source.shards[index],
            ranks + first_rank,
            block.row[ranks],
            block.offset[ranks],
            source.reading,
            source.inspection,
            n_tasks,
            f"{spool_prefix}-{n_tasks:06d}",
            _parts_with_lines(parts_of.get(index, []), block.row[ranks]),
        )


def _iter_pieces(shards: Sequence[Shard], block: Candidates) -> Iterator[NDArray[np.int64]]:
    """Yield the ranks of each task's candidates, by row: of one shard, or a stretch of it."""
    by_place = np.lexsort((block.row, block.shard))
    borders = np.flatnonzero(np.diff(block.shard[by_place])) + 1
    for ranks in np.split(by_place, borders):
        shard = shards[int(block.shard[ranks[0]])]
        if shard.seekable and not shard.is_table:
            stretch = block.offset[ranks] // _TASK_BYTES
            yield from np.split(ranks, np.flatnonzero(np.diff(stretch)) + 1)
        else:
            yield ranks


def _parts_with_lines(
    parts: Sequence[Part], rows: NDArray[np.int64]
) -> tuple[tuple[str, int], ...]:
    """Path and first row of a shard's parts that hold rows; none if one lacks their lines."""
    first_rows = [part.first_row for part in parts]
    places = np.unique(np.searchsorted(first_rows, rows, side="right") - 1)
    wanted = [parts[i] for i in places.tolist()] if parts else []
    if not all(part.summary.has_lines for part in wanted):
        return ()
    return tuple((part.path, part.first_row) for part in wanted)


def fetch_rows(task: GatherTask) -> FetchedRows:
    """Fetch a task's rows into its spool file.

    Raises:
        ShardError: If the shard cannot be read or has changed since it was scored.
        OutputError: If the spool cannot be written.
    """
    check_unchanged(task.shard)
    try:
        file = (_fetch_tables if task.shard.is_table else _fetch_lines)(task)
    except (RowError, UnicodeDecodeError):
        raise ShardError(
            task.shard.path, "changed since it was scored: a row is another; run again"
        ) from None
    except OSError as error:
        raise OutputError(
            f"cannot write {task.spool_path}: {error.strerror or error}; "
            "the work directory can be elsewhere: --work-dir"
        ) from None
    check_unchanged(task.shard)  # again: it may have changed under way
    return file


def _fetch_lines(task: GatherTask) -> FetchedRows:
    parser = RowParser(task.reading.text)
    runs = _Runs(task)
    lines: list[bytes] = []
    texts: list[str] = []
    lengths: list[int] = []
    n_bytes = 0
    with open(task.spool_path, "wb") as spool:

        def flush() -> None:
            nonlocal n_bytes
            order = runs.add(texts)
            for i in order:
                spool.write(lines[i])
                lengths.append(len(lines[i]))
            n_bytes = 0
            lines.clear()
            texts.clear()

        for line in _iter_lines(task):
            lines.append(line)
            texts.append(parser.parse(line)[0])
            n_bytes += len(line)
            if n_bytes >= _RUN_BYTES:
                flush()
        flush()
    of_line = np.array(lengths, np.int64)
    return runs.fetched(is_table=False, starts=np.cumsum(of_line) - of_line, lengths=of_line)


def _iter_lines(task: GatherTask) -> Iterator[bytes]:
    if not task.parts:
        yield from fetch.iter_lines(task.shard, task.offsets, task.reading)
        return
    bounds = np.searchsorted(task.rows, [first_row for _, first_row in task.parts])
    for (path, first_row), rows in zip(task.parts, np.split(task.rows, bounds[1:]), strict=True):
        yield from read_lines(path, rows - first_row)


def _fetch_tables(task: GatherTask) -> FetchedRows:
    runs = _Runs(task)
    sink: pa.ipc.RecordBatchStreamWriter | None = None
    for table in fetch.iter_tables(task.shard, task.rows, task.reading):
        texts = [text_of_row(table, i, task.reading.text) for i in range(len(table))]
        ordered = table.take(pa.array(runs.add(texts))).combine_chunks()
        if sink is None:
            sink = pa.ipc.new_stream(task.spool_path, ordered.schema)
        sink.write_table(ordered)
    if sink is not None:
        sink.close()
    n_rows = runs.n_rows
    return runs.fetched(is_table=True, starts=np.arange(n_rows), lengths=np.ones(n_rows, np.int64))


class _Runs:
    """Looks at the texts of a task's rows, run by run, and puts each run in order of rank.

    Args:
        task: Whose rows they are.
    """

    def __init__(self, task: GatherTask) -> None:
        self.n_rows = 0
        self._task = task
        self._ranks: list[NDArray[np.int64]] = []
        self._rows: list[NDArray[np.void]] = []
        self._leaks: dict[int, Leak] = {}
        if task.inspection.ngrams is not None:
            open(ngrams_path(task.spool_path), "wb").close()  # of a worker that was killed
        if task.inspection.near:
            open(sketches_path(task.spool_path), "wb").close()

    def add(self, texts: Sequence[str]) -> list[int]:
        """Look at the texts of the next rows; returns their order by rank."""
        if not texts:
            return []
        task = self._task
        run = task.ranks[self.n_rows : self.n_rows + len(texts)]
        order: list[int] = np.argsort(run).tolist()
        ordered = [texts[i] for i in order]
        ranks, rows = np.sort(run), np.zeros(len(texts), ROW)
        looked = list(map(task.inspection.look, ordered))
        rows["digest"] = np.frombuffer(b"".join(one.digest for one in looked), "V16")
        rows["n_tokens"] = [one.n_tokens for one in looked]
        for rank, one in zip(ranks.tolist(), looked, strict=True):
            if one.leak is not None:
                self._leaks[rank] = one.leak
        if task.inspection.near:
            sketches = [pack_sketch(one.minhash) for one in looked]
            rows["n_sketch"] = [len(sketch) for sketch in sketches]
            with open(sketches_path(task.spool_path), "ab") as file:
                file.writelines(sketches)
        first = 0
        for numbers, lengths in task.inspection.find_ngrams(ordered):
            with open(ngrams_path(task.spool_path), "ab") as file:
                file.write(numbers)
            rows["n_ngrams"][first : first + len(lengths)] = lengths
            first += len(lengths)
        self.n_rows += len(texts)
        self._ranks.append(ranks)
        self._rows.append(rows)
        return order

    def fetched(
        self, *, is_table: bool, starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> FetchedRows:
        """All rows, once they are in the spool file."""
        ranks = np.concatenate([np.zeros(0, np.int64), *self._ranks])
        rows = np.concatenate([np.zeros(0, ROW), *self._rows])
        rows["start"], rows["length"] = starts, lengths
        for start, length in (("ngrams", "n_ngrams"), ("sketch", "n_sketch")):
            rows[start] = np.cumsum(rows[length], dtype=np.int64) - rows[length]
        return FetchedRows(self._task.spool_path, is_table, ranks, rows, self._leaks)
