"""What a worker does in pass two: fetch candidates of shards into a spool file.

Rows go to the spool in runs sorted by rank, at most ``_RUN_BYTES`` each, so that one output shard
is read from a few contiguous stretches; what the selection wants to know of a text (its digest, its
leaks) comes back as columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zipsel.errors import OutputError, ShardError
from zipsel.pool.shards import Shard, check_unchanged
from zipsel.readers import fetch
from zipsel.readers.fetch import text_of_row
from zipsel.readers.json_rows import RowParser
from zipsel.readers.reading import Reading
from zipsel.readers.rows import RowError
from zipsel.scoring.sidecar import read_lines
from zipsel.selection.duplicates import pack_sketch
from zipsel.selection.inspection import Inspection
from zipsel.selection.leaks import Leak
from zipsel.selection.spool import ROW, ngrams_path, sketches_path

_RUN_BYTES = 64 << 20


class Piece(NamedTuple):
    """Candidates of one shard, or of a stretch of it.

    Attributes:
        shard: Where they stand.
        ranks: Their places in the order of candidates.
        rows: Their rows, ascending.
        offsets: Their byte offsets, ascending; -1 for tables.
        parts: Of each sidecar part that holds lines of theirs: path, first row, and where this row
            is in the file; empty where the shard has to be read.
    """

    shard: Shard
    ranks: NDArray[np.int64]
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    parts: tuple[tuple[str, int, int], ...] = ()

    def __str__(self) -> str:
        """Shard and rows."""
        return f"{self.shard.path}, rows {self.rows[0]} to {self.rows[-1]}"


@dataclass(frozen=True)
class GatherTask:
    """Candidates that go to one spool file.

    Attributes:
        pieces: The candidates: of several small shards of lines, or of any other shard.
        reading: How rows become texts.
        inspection: What to find out about each text.
        number: Of the task among those of its block.
        spool_path: File that takes the rows.
    """

    pieces: Sequence[Piece]
    reading: Reading
    inspection: Inspection
    number: int
    spool_path: str

    def __str__(self) -> str:
        """Shards and rows."""
        n_others = len(self.pieces) - 1
        return f"{self.pieces[0]}" + (f", and {n_others} small files more" if n_others else "")


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


def fetch_rows(task: GatherTask) -> FetchedRows | list[ShardError]:
    """Fetch a task's rows into its spool file.

    Returns:
        What was found out; or the shards that cannot be read or have changed since they were
        scored.

    Raises:
        OutputError: If the spool cannot be written.
    """
    try:
        is_table = task.pieces[0].shard.is_table
        return (_fetch_tables if is_table else _fetch_lines)(task)
    except ShardError as error:
        return [error]
    except OSError as error:
        raise OutputError(
            f"cannot write {task.spool_path}: {error.strerror or error}; "
            "the work directory can be elsewhere: --work-dir"
        ) from None


@contextmanager
def _unchanged(shard: Shard) -> Iterator[None]:
    """Raise if a shard is not what was scored, or changes while it is read."""
    check_unchanged(shard)
    try:
        yield
    except (RowError, UnicodeDecodeError):
        raise ShardError(
            shard.path, "changed since it was scored: a row is another; run again"
        ) from None
    check_unchanged(shard)


def _fetch_lines(task: GatherTask) -> FetchedRows | list[ShardError]:
    parser = RowParser(task.reading.text)
    runs = _Runs(task)
    errors: list[ShardError] = []
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

        for piece in task.pieces:
            try:
                with _unchanged(piece.shard):
                    for line in _iter_lines(piece, task.reading):
                        texts.append(parser.parse(line)[0])
                        lines.append(line)
                        n_bytes += len(line)
                        if n_bytes >= _RUN_BYTES:
                            flush()
            except ShardError as error:
                errors.append(error)
        if errors:  # the rows of the other pieces are of no use
            return errors
        flush()
    of_line = np.array(lengths, np.int64)
    return runs.fetched(is_table=False, starts=np.cumsum(of_line) - of_line, lengths=of_line)


def _iter_lines(piece: Piece, reading: Reading) -> Iterator[bytes]:
    if not piece.parts:
        yield from fetch.iter_lines(piece.shard, piece.offsets, reading)
        return
    missing = np.concatenate([[line is None for line in lines] for lines in _iter_kept(piece)])
    read = (
        iter(())
        if not missing.any()
        else fetch.iter_lines(piece.shard, piece.offsets[missing], reading)
    )
    for lines in _iter_kept(piece):
        yield from (next(read) if line is None else line for line in lines)


def _iter_kept(piece: Piece) -> Iterator[list[bytes | None]]:
    """Yield the lines that each sidecar part has, None for those that it lacks."""
    bounds = np.searchsorted(piece.rows, [first_row for _, first_row, _ in piece.parts])
    of_parts = np.split(piece.rows, bounds[1:])
    for (path, first_row, start), rows in zip(piece.parts, of_parts, strict=True):
        yield read_lines(path, rows - first_row + start)


def _fetch_tables(task: GatherTask) -> FetchedRows:
    runs = _Runs(task)
    sink: pa.ipc.RecordBatchStreamWriter | None = None
    (piece,) = task.pieces
    with _unchanged(piece.shard):
        for table in fetch.iter_tables(piece.shard, piece.rows, task.reading):
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
        self._all_ranks = np.concatenate([piece.ranks for piece in task.pieces])
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
        run = self._all_ranks[self.n_rows : self.n_rows + len(texts)]
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
