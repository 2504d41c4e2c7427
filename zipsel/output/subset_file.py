"""One file of the subset: its rows from the spool, as lines or as a table.

JSONL rows are their original bytes; Parquet rows keep their columns and types.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zipsel.console.progress import Advance, tell_nobody
from zipsel.errors import OutputError
from zipsel.readers.json_rows import decode_object
from zipsel.readers.schemas import first_failing, first_line, parquet_problem, with_parquet_units
from zipsel.selection.chosen_rows import Chosen, UnwritableRowError
from zipsel.storage.columns import stretches

#: Rows held at once while one output file is written, and what a row takes beside its bytes.
_SLICE_BYTES, _BYTES_BESIDE = 16 << 20, 256

WRITE_JSONL = "write JSONL instead: --output FILE.jsonl, or a directory with --format jsonl"


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


class AddedField:
    """One more field at the end of JSON objects, which stay bytes.

    Args:
        name: Of the field.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = json.dumps(name).encode()
        # JSON can escape any character: what may be the name is decoded to see.
        escape = rb"|\\u[0-9a-fA-F]{4}(?:\\u[0-9a-fA-F]{4})?|\\[^u])"
        raw = (re.escape(character.encode(errors="surrogatepass")) for character in name)
        self._spellings = re.compile(b'"' + b"".join(b"(?:" + one + escape for one in raw) + b'"')

    def append(self, line: bytes, value: float) -> bytes:
        """The bytes of an object with the field.

        Raises:
            OutputError: If the object has a field of that name.
        """
        if self._spellings.search(line) and self.name in decode_object(line):
            raise OutputError(
                f"a row already has a field {self.name!r}; choose another for --add-field"
            )
        body = line.rstrip()[:-1].rstrip()
        comma = b"" if body.endswith(b"{") else b","
        return body + comma + self._key + b":" + json.dumps(value).encode() + b"}"


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


def read_schema(task: WriteTask) -> pa.Schema:
    """The columns of a task's rows.

    Raises:
        UnwritableRowError: If the rows have no common schema.
    """
    return task.chosen.read_schema()


def tell(advance: Advance, chosen: Chosen) -> None:
    """Tell that rows are written."""
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
                tell(advance, task.chosen)
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
    for part in cut_rows(chosen.n_bytes, _SLICE_BYTES, _BYTES_BESIDE):
        of_part = chosen.take(slice(*part))
        lines = of_part.read_lines()
        for name, values in _added(of_part, add_field):
            lines = list(map(AddedField(name).append, lines, values.tolist()))
        file.write(b"\n".join([*lines, b""]))
        tell(advance, of_part)


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
        raise OutputError(f"{problem}; {WRITE_JSONL}")
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


def cut_rows(
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
