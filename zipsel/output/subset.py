"""The subset as files: chosen rows from the spool, in order, each output shard a task.

JSONL rows are their original bytes; Parquet rows keep their columns and types.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zipsel.console.messages import Advance, tell_nobody
from zipsel.engines import Engine
from zipsel.errors import OutputError, UsageError
from zipsel.readers.json_rows import decode_object
from zipsel.readers.schemas import (
    ConversionError,
    first_failing,
    first_line,
    join_schemas,
    parquet_problem,
    with_parquet_units,
)
from zipsel.selection.spool import Chosen, UnwritableRowError
from zipsel.storage.columns import stretches
from zipsel.storage.staging import Staging

#: Rows held at once while one output file is written, and what a row takes beside its bytes.
_SLICE_BYTES, _BYTES_BESIDE = 16 << 20, 256

_WRITE_JSONL = "write JSONL instead: --output FILE.jsonl, or a directory with --format jsonl"
_WRITE_PARQUET = (
    "write Parquet instead: --output FILE.parquet, or a directory with --format parquet"
)


class OutputFile(msgspec.Struct, frozen=True):
    """A written file.

    Attributes:
        name: Relative to the output directory.
        n_records: Rows.
        n_bytes: Size on disk.
        sha256: Of its bytes, hex; None if it was not taken.
    """

    name: str
    n_records: int
    n_bytes: int
    sha256: str | None = None


def sha256_of(path: str) -> str:
    """SHA-256 of a file of this machine, hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def with_field(line: bytes, name: str, value: float) -> bytes:
    """A JSON object's bytes with one more field at the end.

    Raises:
        OutputError: If it has a field of that name.
    """
    key = json.dumps(name).encode()
    if key in line and name in decode_object(line):
        raise OutputError(f"a row already has a field {name!r}; choose another for --add-field")
    body = line.rstrip()[:-1].rstrip()
    comma = b"" if body.endswith(b"{") else b","
    return body + comma + key + b":" + json.dumps(value).encode() + b"}"


@dataclass(frozen=True)
class WriteTask:
    """One output file.

    Attributes:
        chosen: Its rows.
        format: ``jsonl``, ``jsonl.gz``, ``jsonl.zst`` or ``parquet``.
        add_field: Name of the alignment's field, or None. The field of the gain, where records
            have one, has the same name and ``_gain``.
        path: Its final name.
        temporary: Where it is written.
        schema: The columns of all files, for Parquet; None where there is one file.
    """

    chosen: Chosen
    format: str
    add_field: str | None
    path: str
    temporary: str
    schema: pa.Schema | None = None

    def __str__(self) -> str:
        """The file."""
        return self.path


@dataclass(frozen=True)
class SubsetWriter:
    """Writes a choice.

    Attributes:
        chosen: The rows in their order.
        format: As in ``WriteTask``.
        add_field: Likewise.
        name_of: Names the row of a rank, for errors.
        advance: Told what is written.
    """

    chosen: Chosen
    format: str
    add_field: str | None
    name_of: Callable[[int], str]
    advance: Advance = tell_nobody

    def write_stream(self, file: IO[bytes]) -> None:
        """Write all rows as JSON lines.

        Raises:
            OutputError: If JSON cannot hold a row.
        """
        with self._naming():
            write_lines(file, self.chosen, self.add_field, self.advance)

    def write_files(
        self, paths: Callable[[int], str], shard_bytes: int | None, staging: Staging, engine: Engine
    ) -> list[OutputFile]:
        """Write the files, not yet under their names; several at once, by the engine.

        Args:
            paths: The name of each file by its number.
            shard_bytes: Text in one file, about; None for one file.
            staging: Takes them.
            engine: Writes them, if they are several and its workers see the place.

        Raises:
            OutputError: If a row does not fit the format, or a file cannot be written.
        """
        sizes = self.chosen.n_bytes
        parts = [(0, len(sizes))] if shard_bytes is None else _cut(sizes, shard_bytes)
        temporaries = [staging.add(paths(i)) for i in range(len(parts))]

        def iter_tasks(schema: pa.Schema | None = None) -> Iterator[WriteTask]:
            """Yield the tasks, each with its rows, which are not held for all at once."""
            for i, (part, temporary) in enumerate(zip(parts, temporaries, strict=True)):
                chosen = self.chosen if len(parts) == 1 else self.chosen.take(slice(*part))
                yield WriteTask(chosen, self.format, self.add_field, paths(i), temporary, schema)

        with self._naming():
            run: Callable[[Callable[[WriteTask], Any], Iterator[WriteTask]], Iterable[Any]] = map
            write: Callable[[WriteTask], OutputFile] = partial(write_shard, advance=self.advance)
            if len(parts) > 1 and _sees(engine, temporaries[0]):
                run, write = partial(_run, engine, self.advance), write_shard
            schema = None
            if len(parts) > 1 and self.format == "parquet":
                first_ranks = [int(self.chosen.ranks[start]) for start, _ in parts]
                schema = _join(list(run(read_schema, iter_tasks())), first_ranks)
            return list(run(write, iter_tasks(schema)))

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except UnwritableRowError as error:
            raise OutputError(
                f"{self.name_of(error.rank)} cannot be written as {self.format}: {error.problem}; "
                + (_WRITE_JSONL if self.format == "parquet" else _WRITE_PARQUET)
            ) from None


def _sees(engine: Engine, path: str) -> bool:
    """Whether all workers see a path; otherwise this process writes the shards."""
    try:
        engine.check_paths(os.path.dirname(path), ())
    except UsageError:
        return False
    return True


def _run(
    engine: Engine,
    advance: Advance,
    function: Callable[[WriteTask], Any],
    tasks: Iterator[WriteTask],
) -> list[Any]:
    """Results of tasks, in their order."""
    results, order = {}, []

    def noting(tasks: Iterator[WriteTask]) -> Iterator[WriteTask]:
        for task in tasks:
            order.append(task.path)
            yield task

    for task, result in engine.run(function, noting(tasks)):
        if isinstance(result, BaseException):
            raise result
        results[task.path] = result
        if isinstance(result, OutputFile):
            _tell(advance, task.chosen)
    return [results[path] for path in order]


def _join(schemas: Sequence[pa.Schema], first_ranks: Sequence[int]) -> pa.Schema:
    """The columns of all files: a reader takes those of the first for those of all."""
    try:
        return join_schemas(schemas)
    except ConversionError as error:
        raise UnwritableRowError(first_ranks[error.row], error.problem) from None


def read_schema(task: WriteTask) -> pa.Schema:
    """The columns of a task's rows.

    Raises:
        UnwritableRowError: If the rows have no common schema.
    """
    return task.chosen.read_schema()


def _tell(advance: Advance, chosen: Chosen) -> None:
    n_bytes = int(chosen.n_bytes.sum())
    advance(len(chosen.ranks), n_bytes, n_bytes)


def write_shard(task: WriteTask, advance: Advance = tell_nobody) -> OutputFile:
    """Write a task's file.

    Raises:
        OutputError: If it cannot be written, or a row does not fit its format.
    """
    with suppress(FileNotFoundError):
        os.unlink(task.temporary)  # of a worker that was killed
    try:
        with open(task.temporary, "xb") as raw:
            if task.format == "parquet":
                _write_parquet(raw, task)
                _tell(advance, task.chosen)
            else:
                with open_compressed(raw, task.format) as file:
                    write_lines(file, task.chosen, task.add_field, advance)
            raw.flush()
            os.fsync(raw.fileno())
        n_bytes, digest = os.path.getsize(task.temporary), sha256_of(task.temporary)
    except OSError as error:
        raise OutputError(f"cannot write {task.path}: {error.strerror or error}") from None
    return OutputFile(os.path.basename(task.path), len(task.chosen.ranks), n_bytes, digest)


def write_lines(
    file: IO[bytes], chosen: Chosen, add_field: str | None, advance: Advance = tell_nobody
) -> None:
    """Write rows as JSON lines, some 16 MB at a time."""
    for part in _cut(chosen.n_bytes, _SLICE_BYTES, _BYTES_BESIDE):
        of_part = chosen.take(slice(*part))
        lines = of_part.read_lines()
        for name, values in _added(of_part, add_field):
            lines = [with_field(*pair) for pair in zip(lines, repeat(name), values.tolist())]
        file.write(b"\n".join([*lines, b""]))
        _tell(advance, of_part)


def _added(chosen: Chosen, add_field: str | None) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the fields that each row gets, and their values."""
    if add_field is None:
        return
    yield add_field, chosen.alignment
    if chosen.gains is not None:
        yield f"{add_field}_gain", chosen.gains


def _write_parquet(raw: IO[bytes], task: WriteTask) -> None:
    table = task.chosen.read_table(task.schema)
    if problem := parquet_problem(table.schema):
        raise OutputError(f"{problem}; {_WRITE_JSONL}")
    for name, values in _added(task.chosen, task.add_field):
        if name in table.column_names:
            raise OutputError(
                f"the rows already have a column {name!r}; choose another for --add-field"
            )
        table = table.append_column(name, pa.array(values, pa.float64()))
    try:
        pq.write_table(with_parquet_units(table), raw, compression="zstd")
    except pa.ArrowException as error:  # such as a time that is too far away for Parquet's units
        row = first_failing(len(table), lambda n: _discard(table.slice(0, n)))
        raise UnwritableRowError(int(task.chosen.ranks[row]), first_line(error)) from None


def _discard(table: pa.Table) -> None:
    """Write a table nowhere, to see whether Parquet can hold it."""
    pq.write_table(with_parquet_units(table), pa.BufferOutputStream())


def _cut(
    sizes: NDArray[np.int64], limit_bytes: int, bytes_beside: int = 1
) -> list[tuple[int, int]]:
    """Cut consecutive rows into stretches of at most some bytes, of one row at least.

    Args:
        sizes: Bytes of each row.
        limit_bytes: Bytes of a stretch, at most.
        bytes_beside: What each row takes beside its own bytes: in a file, the end of its line.
    """
    cuts, start, used = [], 0, 0
    for some in stretches(len(sizes)):
        ends = np.cumsum(sizes[some] + bytes_beside)
        end = before = 0
        while end < len(ends):
            end = int(np.searchsorted(ends, before + limit_bytes - used, side="right"))
            if end == len(ends):
                used += int(ends[-1]) - before
                break
            end = max(end, start + 1 - some.start)
            cuts.append((start, some.start + end))
            start, used, before = some.start + end, 0, int(ends[end - 1]) if end else 0
    return [*cuts, (start, len(sizes))] if start < len(sizes) or not cuts else cuts


def open_compressed(raw: IO[bytes], format_name: str) -> Any:
    """A writer over ``raw`` that compresses as the format says, byte-identical every time."""
    if format_name == "jsonl.gz":
        import gzip

        return gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)
    if format_name == "jsonl.zst":
        import zstandard

        return zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False)
    from contextlib import nullcontext

    return nullcontext(raw)
