"""The spool: files that hold the rows pass two fetched.

A spool file of JSON lines holds the lines end to end, unchanged; a spool file of Parquet or Arrow
rows is an Arrow stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zipsel.readers.fetch import text_of_row
from zipsel.readers.json_rows import RowParser
from zipsel.readers.reading import TextSpec
from zipsel.selection.duplicates import unpack_sketch
from zipsel.storage.columns import stretches

#: Mapped spool files of tables and of lines; they hold address space and no memory.
_OPEN_TABLES, _OPEN_LINES = 64, 1024

#: What is known of a fetched row: where it is in its spool file (byte offset and length of a line;
#: for a table its number and 1), the number of the file, the digest of its text, its tokens (-1
#: where they were not counted), and where its n-grams and its sketch are in files beside the spool
#: file, counted in elements.
ROW = np.dtype(
    [
        ("start", np.int64),
        ("length", np.int64),
        ("file", np.int32),
        ("digest", "V16"),
        ("n_tokens", np.int32),
        ("ngrams", np.int64),
        ("n_ngrams", np.int32),
        ("sketch", np.int64),
        ("n_sketch", np.int32),
    ]
)


def ngrams_path(spool_path: str) -> str:
    """The file with the n-grams of a spool file's rows: uint32 numbers end to end."""
    return f"{spool_path}.ngrams"


def sketches_path(spool_path: str) -> str:
    """The file with the sketches of a spool file's rows, end to end."""
    return f"{spool_path}.sketches"


@dataclass(frozen=True)
class SpoolFile:
    """Rows of a spool file.

    Attributes:
        path: The spool file.
        is_table: Whether it is Arrow IPC (rows of Parquet or Arrow) or JSON lines end to end.
        ranks: Rank of each row, in the order of the file.
        starts: Byte offset of each line; for a table the number of the row in the file.
        lengths: Bytes of each line; for a table 1.
    """

    path: str
    is_table: bool
    ranks: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def read_table(self) -> pa.Table:
        """The rows of a table."""
        with pa.memory_map(self.path) as source:
            table = pa.ipc.open_stream(source).read_all()
            return table.take(pa.array(self.starts))

    def read_schema(self) -> pa.Schema:
        """The columns of a table."""
        with pa.memory_map(self.path) as source:
            return pa.ipc.open_stream(source).schema

    def iter_lines(self) -> Iterator[bytes]:
        """Yield the lines, without newlines."""
        with open(self.path, "rb") as file:
            for start, length in zip(self.starts.tolist(), self.lengths.tolist(), strict=True):
                file.seek(start)
                yield file.read(length)

    def iter_texts(self, spec: TextSpec) -> Iterator[str]:
        """Yield the text of each row."""
        if self.is_table:
            table = self.read_table()
            yield from (text_of_row(table, i, spec) for i in range(len(table)))
            return
        parser = RowParser(spec)
        for line in self.iter_lines():
            yield parser.parse(line)[0]


@dataclass(frozen=True)
class SpooledRows:
    """Rows of spool files, by rank.

    Attributes:
        files: Path of each spool file, and whether it is a table.
        ranks: Rank of each row, ascending; the first of a run of consecutive ranks alone, where
            ``rows`` has one element a rank.
        rows: What is known of each row, ``ROW``.
    """

    files: Sequence[tuple[str, bool]]
    ranks: int | NDArray[np.int64]
    rows: NDArray[np.void]

    def find(self, ranks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which of some distinct ranks are here, as places in ``ranks``, and where."""
        if isinstance(self.ranks, int):
            at = ranks - self.ranks
            slots = np.flatnonzero((at >= 0) & (at < len(self.rows)))
        else:
            at = np.searchsorted(self.ranks, ranks)
            slots = np.flatnonzero(self.ranks.take(at, mode="clip") == ranks)
        return slots, at[slots]

    def read_text(self, place: int, reader: RowTexts) -> str:
        """The text of the row at a place."""
        row = self.rows[place]
        path, is_table = self.files[int(row["file"])]
        return reader.read(path, is_table, int(row["start"]), int(row["length"]))

    def read_sketches(self, rows: NDArray[np.void]) -> Iterator[Any]:
        """Yield the sketch of each of some rows; None if none was made."""
        columns = (rows["file"].tolist(), rows["sketch"].tolist(), rows["n_sketch"].tolist())
        for number, start, length in zip(*columns, strict=True):
            if length == 0:
                yield None
                continue
            with open(sketches_path(self.files[number][0]), "rb") as file:
                file.seek(start)
                yield unpack_sketch(file.read(length))


class RowTexts:
    """Reads texts of single rows of spool files, one at a time.

    Args:
        spec: Where the text of a row is.
    """

    def __init__(self, spec: TextSpec) -> None:
        self._spec = spec
        self._parser = RowParser(spec)
        self._table_of = lru_cache(maxsize=_OPEN_TABLES)(_map_table)
        self._lines_of = lru_cache(maxsize=_OPEN_LINES)(_map_lines)

    def read(self, path: str, is_table: bool, start: int, length: int) -> str:
        """The text of a row of a file."""
        if is_table:
            return text_of_row(self._table_of(path), start, self._spec)
        return self._parser.parse(self._lines_of(path)[start : start + length])[0]


def _map_lines(path: str) -> mmap:
    with open(path, "rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def _map_table(path: str) -> pa.Table:
    return pa.ipc.open_stream(pa.memory_map(path)).read_all()


class Spool:
    """Rows of many spool files, found by rank in a time that does not grow with their number.

    Args:
        fetched: Rows without a common rank.
    """

    def __init__(self, fetched: Sequence[SpooledRows]) -> None:
        self._fetched = fetched

    def find(self, ranks: NDArray[np.int64]) -> Iterator[tuple[SpoolFile, NDArray[np.int64]]]:
        """Yield, of each file, the rows that have some distinct ranks, and their slots among these.

        Rows come in the order of the file, which reads it from its beginning to its end.
        """
        for fetched in self._fetched:
            slots, places = fetched.find(ranks)
            rows = fetched.rows[places]
            order = np.lexsort((rows["start"], rows["file"]))
            rows, slots = rows[order], slots[order]
            borders = np.flatnonzero(np.diff(rows["file"])) + 1
            for of_file, slots_of_file in zip(
                np.split(rows, borders), np.split(slots, borders), strict=True
            ):
                if len(of_file):
                    path, is_table = fetched.files[int(of_file["file"][0])]
                    starts, lengths = of_file["start"].copy(), of_file["length"].copy()
                    yield (
                        SpoolFile(path, is_table, ranks[slots_of_file], starts, lengths),
                        slots_of_file,
                    )

    def take(self, ranks: NDArray[np.int64]) -> Spool:
        """A spool of some rows alone."""
        taken = []
        for fetched in self._fetched:
            slots, places = fetched.find(np.sort(ranks))
            rows = fetched.rows[places]
            numbers, rows["file"] = np.unique(rows["file"], return_inverse=True)
            files = [fetched.files[number] for number in numbers.tolist()]
            taken.append(SpooledRows(files, np.sort(ranks)[slots], rows))
        return Spool([one for one in taken if len(one.rows)])

    def count_tokens(self, ranks: NDArray[np.int64]) -> int:
        """Tokens of the rows that have some distinct ranks; negative where none were counted."""
        return sum(
            int(one.rows["n_tokens"][one.find(np.sort(ranks[some]))[1]].sum())
            for one in self._fetched
            for some in stretches(len(ranks))
        )

    def text_hashes(self, ranks: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Half of the digest of the text of each of some distinct ranks, in their order."""
        hashes = np.zeros(len(ranks), np.uint64)
        for one in self._fetched:
            slots, places = one.find(ranks)
            hashes[slots] = one.rows["digest"][places].view("<u8")[::2]
        return hashes

    def read_texts(self, ranks: NDArray[np.int64], spec: TextSpec) -> list[str]:
        """Texts of the rows that have some distinct ranks, in the order of these."""
        texts = [""] * len(ranks)
        for file, slots in self.find(ranks):
            for i, text in zip(slots.tolist(), file.iter_texts(spec), strict=True):
                texts[i] = text
        return texts
