"""The subset as files: chosen rows from the spool, in order, each output shard a task.

JSONL rows are their original bytes; Parquet rows keep their columns and types.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zipsel.engines import Engine
from zipsel.errors import OutputError, UsageError
from zipsel.selection.spool import Chosen, decode_line
from zipsel.storage.staging import Staging

#: Rows held at once while one output file is written.
_SLICE_BYTES = 64 << 20


class OutputFile(msgspec.Struct, frozen=True):
    """A written file.

    Attributes:
        name: Relative to the output directory.
        n_records: Rows.
        n_bytes: Size on disk.
        sha256: Of its bytes, hex.
    """

    name: str
    n_records: int
    n_bytes: int
    sha256: str


def sha256_of(path: str) -> str:
    """SHA-256 of a file of this machine, hex.

    Raises:
        OSError: If it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def with_field(line: bytes, name: str, value: float) -> bytes:
    """A JSON object's bytes with one more field at the end.

    Raises:
        OutputError: If it has a field of that name.
    """
    key = json.dumps(name).encode()
    if key in line and name in decode_line(line):
        raise OutputError(f"a row already has a field {name!r}; choose another for --add-field")
    body = line.rstrip()[:-1].rstrip()
    comma = b"" if body.endswith(b"{") else b","
    return body + comma + key + b":" + json.dumps(value).encode() + b"}"


@dataclass(frozen=True)
class SubsetWriter:
    """Writes a choice.

    Attributes:
        chosen: The rows.
        format: ``jsonl``, ``jsonl.gz``, ``jsonl.zst`` or ``parquet``.
        add_field: Name of the alignment's field, or None.
    """

    chosen: Chosen
    format: str
    add_field: str | None

    def write_directory(
        self, directory: str, shard_bytes: int, staging: Staging, engine: Engine
    ) -> list[OutputFile]:
        """Write ``subset-00000`` and so on, not yet under these names.

        Args:
            directory: Where they will stand.
            shard_bytes: Text in one file, about.
            staging: Takes them.
            engine: Writes them, if they are several and its workers see the place.

        Raises:
            OutputError: If the rows have no common schema, or cannot be written.
        """
        parts = [slice(*bounds) for bounds in _cut(self.chosen.n_bytes, shard_bytes)]
        paths = [
            os.path.join(directory, f"subset-{i:05d}.{self.format}") for i in range(len(parts))
        ]
        if len(parts) == 1:
            return [self._stage(paths[0], parts[0], staging)]
        temporaries = [staging.add(path) for path in paths]
        tasks = (
            WriteTask(replace(self, chosen=self.chosen.take(part)), path, temporary)
            for part, path, temporary in zip(parts, paths, temporaries, strict=True)
        )
        try:
            engine.check_paths(os.path.dirname(temporaries[0]), ())
        except UsageError:  # the place is this machine's alone
            return list(map(write_rows, tasks))
        written: dict[str, OutputFile] = {}
        for task, result in engine.run(write_rows, tasks):
            if isinstance(result, BaseException):
                raise result
            written[task.path] = result
        return [written[path] for path in paths]

    def write_file(self, path: str, staging: Staging) -> OutputFile:
        """Write one file, not yet under its name.

        Raises:
            OutputError: If the rows have no common schema.
        """
        return self._stage(path, slice(0, len(self.chosen.ranks)), staging)

    def _stage(self, path: str, part: slice, staging: Staging) -> OutputFile:
        return self.write_temporary(path, part, staging.add(path))

    def write_temporary(self, path: str, part: slice, temporary: str) -> OutputFile:
        """Write a part of the choice to the temporary file that ``path`` will be.

        Raises:
            OSError: If it cannot be written.
        """
        self._write_file(temporary, part)
        n_records = len(self.chosen.ranks[part])
        n_bytes = os.path.getsize(temporary)
        return OutputFile(os.path.basename(path), n_records, n_bytes, sha256_of(temporary))

    def _write_file(self, path: str, part: slice) -> None:
        if self.format == "parquet":
            self._write_parquet(path, part)
            return
        with open(path, "xb") as raw:
            with open_compressed(raw, self.format) as file:
                self.write_lines(file, part)
            raw.flush()
            os.fsync(raw.fileno())

    def write_lines(self, file: IO[bytes], part: slice) -> None:
        """Write a part of the choice as JSON lines."""
        for piece in self._slices(part):
            lines = self.chosen.read_lines(piece)
            if self.add_field is not None:
                values = self.chosen.alignment[piece].tolist()
                lines = [
                    with_field(line, self.add_field, value)
                    for line, value in zip(lines, values, strict=True)
                ]
            file.write(b"".join(line + b"\n" for line in lines))

    def _write_parquet(self, path: str, part: slice) -> None:
        table = self.chosen.read_table(part)
        if self.add_field is not None:
            if self.add_field in table.column_names:
                raise OutputError(
                    f"the rows already have a column {self.add_field!r}; "
                    "choose another for --add-field"
                )
            table = table.append_column(
                self.add_field, pa.array(self.chosen.alignment[part], pa.float64())
            )
        pq.write_table(table, path, compression="zstd")
        with open(path, "rb+") as file:
            os.fsync(file.fileno())

    def _slices(self, part: slice) -> Iterator[slice]:
        first = part.start or 0
        for start, end in _cut(self.chosen.n_bytes[part], _SLICE_BYTES):
            yield slice(first + start, first + end)


@dataclass(frozen=True)
class WriteTask:
    """One output file.

    Attributes:
        writer: Writes its rows, and has no others.
        path: Its final name.
        temporary: Where it is written.
    """

    writer: SubsetWriter
    path: str
    temporary: str

    def __str__(self) -> str:
        """The file."""
        return self.path


def write_rows(task: WriteTask) -> OutputFile:
    """Write a task's file.

    Raises:
        OutputError: If it cannot be written.
    """
    with suppress(FileNotFoundError):
        os.unlink(task.temporary)  # of a worker that was killed
    try:
        return task.writer.write_temporary(task.path, slice(None), task.temporary)
    except OSError as error:
        raise OutputError(f"cannot write {task.path}: {error.strerror or error}") from None


def _cut(sizes: NDArray[np.int64], limit_bytes: int) -> list[tuple[int, int]]:
    """Cut consecutive rows into stretches of at most some bytes, of one row at least."""
    if len(sizes) == 0:
        return [(0, 0)]
    ends = np.cumsum(sizes + 1)
    cuts, start = [], 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + limit_bytes, side="right")))
        cuts.append((start, end))
        start = end
    return cuts


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
