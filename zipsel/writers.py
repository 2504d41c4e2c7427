"""The subset as files: chosen rows from the spool, in order, one output shard at a time.

JSONL rows are their original bytes; Parquet rows keep their columns and types. Crossing from one
format to the other goes through Python objects.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zipsel.errors import OutputError
from zipsel.files import Staging
from zipsel.gather import Spooled
from zipsel.rows import RowError, decode_object

#: Rows held at once while one output file is written.
_SLICE_BYTES = 64 << 20


class OutputFile(msgspec.Struct, frozen=True):
    """A written file.

    Attributes:
        name: Relative to the output directory.
        n_records: Rows.
        n_bytes: Size on disk.
    """

    name: str
    n_records: int
    n_bytes: int


@dataclass(frozen=True)
class Chosen:
    """The chosen rows in the order of writing.

    Attributes:
        ranks: Rank of each as a candidate, which finds it in the spool.
        alignment: Their alignments.
        n_bytes: Bytes of their texts, by which output is cut.
        spooled: Where the rows are.
    """

    ranks: NDArray[np.int64]
    alignment: NDArray[np.float64]
    n_bytes: NDArray[np.int64]
    spooled: Sequence[Spooled]

    def _common(self, spool: Spooled, part: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places in a spool file, and slots in a part of the choice, of the rows in both."""
        _, place, slot = np.intersect1d(
            spool.ranks, self.ranks[part], assume_unique=True, return_indices=True
        )
        by_place = np.argsort(place)
        return place[by_place], slot[by_place]

    def read_lines(self, part: slice) -> list[bytes]:
        """JSON lines of a part of the choice, without newlines."""
        lines: list[bytes] = [b""] * len(self.ranks[part])
        for spool in self.spooled:
            place, slot = self._common(spool, part)
            if not len(place):
                continue
            if spool.is_table:
                for i, row in zip(slot.tolist(), _to_rows(_take(spool, place)), strict=True):
                    lines[i] = msgspec.json.encode(row, enc_hook=str)
                continue
            for i, line in zip(slot.tolist(), _read_lines(spool, place), strict=True):
                lines[i] = line
        return lines

    def read_table(self, part: slice) -> pa.Table:
        """Rows of a part of the choice as a table.

        Raises:
            OutputError: If the rows have no common schema.
        """
        tables: list[pa.Table] = []
        slots: list[NDArray[np.int64]] = []
        try:
            for spool in self.spooled:
                place, slot = self._common(spool, part)
                if not len(place):
                    continue
                if spool.is_table:
                    tables.append(_take(spool, place))
                else:
                    rows = [_decode(line) for line in _read_lines(spool, place)]
                    tables.append(_table_of(rows))
                slots.append(slot)
            if not tables:
                return pa.table({})
            merged = pa.concat_tables(tables, promote_options="permissive")
        except (pa.ArrowException, OverflowError) as error:
            raise OutputError(
                f"the chosen rows do not fit one Parquet schema ({error}); write JSONL instead"
            ) from None
        return merged.take(pa.array(np.argsort(np.concatenate(slots))))


def _take(spool: Spooled, place: NDArray[np.int64]) -> pa.Table:
    with pa.memory_map(spool.path) as source:
        return pa.ipc.open_file(source).read_all().take(pa.array(place))


def _to_rows(table: pa.Table) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = table.to_pylist()
    except (ValueError, OverflowError) as error:  # broken UTF-8, a time that Python has not
        raise OutputError(
            f"a chosen Parquet row has a value that JSON cannot hold ({error}); "
            "write Parquet instead: --format parquet"
        ) from None
    return rows


def _read_lines(spool: Spooled, place: NDArray[np.int64]) -> Iterator[bytes]:
    with open(spool.path, "rb") as file:
        for start, end in zip(
            spool.bounds[place].tolist(), spool.bounds[place + 1].tolist(), strict=True
        ):
            file.seek(start)
            yield file.read(end - start)


def _table_of(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as a table of every field that any of them has; pyarrow alone takes the first's."""
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def _decode(line: bytes) -> dict[str, Any]:
    try:
        return decode_object(line)
    except RowError as error:
        raise OutputError(f"a chosen row does not decode: {error.reason}") from None


def with_field(line: bytes, name: str, value: float) -> bytes:
    """A JSON object's bytes with one more field at the end.

    Raises:
        OutputError: If it has a field of that name.
    """
    key = json.dumps(name).encode()
    if key in line and name in _decode(line):
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
        self, directory: str, shard_bytes: int, staging: Staging
    ) -> list[OutputFile]:
        """Write ``subset-00000`` and so on, not yet under these names.

        Raises:
            OutputError: If the rows have no common schema.
        """
        starts = _cut(self.chosen.n_bytes, shard_bytes)
        names = [f"subset-{i:05d}.{self.format}" for i in range(len(starts))]
        return [
            self._stage(os.path.join(directory, name), slice(start, end), staging)
            for name, (start, end) in zip(names, starts, strict=True)
        ]

    def write_file(self, path: str, staging: Staging) -> OutputFile:
        """Write one file, not yet under its name.

        Raises:
            OutputError: If the rows have no common schema.
        """
        return self._stage(path, slice(0, len(self.chosen.ranks)), staging)

    def _stage(self, path: str, part: slice, staging: Staging) -> OutputFile:
        temporary = staging.add(path)
        self._write_file(temporary, part)
        n_records = part.stop - part.start
        return OutputFile(os.path.basename(path), n_records, os.path.getsize(temporary))

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
        for start, end in _cut(self.chosen.n_bytes[part], _SLICE_BYTES):
            yield slice(part.start + start, part.start + end)


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
