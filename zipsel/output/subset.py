"""The subset as files: chosen rows from the spool, in order, each output shard a task."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

import pyarrow as pa

from zipsel.console.progress import Advance, tell_nobody
from zipsel.engines import Engine
from zipsel.errors import OutputError, UsageError
from zipsel.output.subset_file import (
    WRITE_JSONL,
    OutputFile,
    WriteTask,
    cut_rows,
    read_schema,
    tell,
    write_lines,
    write_shard,
)
from zipsel.readers.schemas import ConversionError, join_schemas
from zipsel.selection.chosen_rows import Chosen, UnwritableRowError
from zipsel.storage.staging import Staging

_WRITE_PARQUET = (
    "write Parquet instead: --output FILE.parquet, or a directory with --format parquet"
)


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
        parts = [(0, len(sizes))] if shard_bytes is None else cut_rows(sizes, shard_bytes)
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
                + (WRITE_JSONL if self.format == "parquet" else _WRITE_PARQUET)
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
            tell(advance, task.chosen)
    return [results[path] for path in order]


def _join(schemas: Sequence[pa.Schema], first_ranks: Sequence[int]) -> pa.Schema:
    """The columns of all files: a reader takes those of the first for those of all."""
    try:
        return join_schemas(schemas)
    except ConversionError as error:
        raise UnwritableRowError(first_ranks[error.row], error.problem) from None
