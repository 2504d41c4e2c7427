"""The spool: files that hold the rows pass two fetched, and the chosen rows in their order.

A spool file of JSON lines holds the lines end to end, unchanged; a spool file of Parquet or Arrow
rows is an Arrow stream. Converting rows from one kind to the other goes through Python objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zipsel.errors import OutputError
from zipsel.readers.fetch import text_of_row
from zipsel.readers.json_rows import RowParser, decode_object
from zipsel.readers.rows import RowError, TextSpec


@dataclass
class SpoolFile:
    """Rows in a file.

    Attributes:
        path: The spool file.
        is_table: Whether it is Arrow IPC (rows of Parquet or Arrow) or JSON lines end to end.
        ranks: Rank of each row, in the order of the file.
        starts: Byte offset of each line; for a table the number of the row in the file.
        lengths: Bytes of each line; for a table 1.
        features: What the inspection found of each row, in the order of the file.
    """

    path: str
    is_table: bool
    ranks: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    features: list[Any] = field(default_factory=list)

    def take(self, places: NDArray[np.int64]) -> SpoolFile:
        """Some of the rows, without their features."""
        return SpoolFile(
            self.path, self.is_table, self.ranks[places], self.starts[places], self.lengths[places]
        )

    def read_table(self) -> pa.Table:
        """The rows of a table."""
        with pa.memory_map(self.path) as source:
            table = pa.ipc.open_stream(source).read_all()
            # Runs may come from row groups whose dictionaries differ.
            return table.unify_dictionaries().take(pa.array(self.starts))

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


class Spool:
    """Rows of many spool files, found by rank.

    Sorting all ranks once makes a look-up O(rows asked for): the time to write does not grow with
    output files x spool files.

    Args:
        files: Spool files without a common rank.
    """

    def __init__(self, files: Sequence[SpoolFile]) -> None:
        self._files = files
        self._ends = np.cumsum([len(file.ranks) for file in files], dtype=np.int64)
        ranks = np.concatenate([np.zeros(0, np.int64), *(file.ranks for file in files)])
        self._by_rank = np.argsort(ranks)
        self._ranks = ranks[self._by_rank]

    def find(self, ranks: NDArray[np.int64]) -> Iterator[tuple[SpoolFile, NDArray[np.int64]]]:
        """Yield, of each file, the rows that have some distinct ranks, and their slots among these.

        Rows come in the order of the file, which reads it from its beginning to its end.
        """
        if not self._files:
            return
        at = np.searchsorted(self._ranks, ranks)
        found = np.flatnonzero(self._ranks.take(at, mode="clip") == ranks)
        places = self._by_rank[at[found]]
        by_place = np.argsort(places)
        places, slots = places[by_place], found[by_place]
        number = np.searchsorted(self._ends, places, side="right")
        borders = np.flatnonzero(np.diff(number)) + 1
        for of_file, slots_of_file in zip(
            np.split(places, borders), np.split(slots, borders), strict=True
        ):
            if len(of_file):
                i = int(np.searchsorted(self._ends, of_file[0], side="right"))
                file = self._files[i]
                first = int(self._ends[i]) - len(file.ranks)
                yield file.take(of_file - first), slots_of_file

    def take(self, ranks: NDArray[np.int64]) -> Spool:
        """A spool of some rows alone."""
        return Spool([file for file, _ in self.find(ranks)])

    def read_texts(self, ranks: NDArray[np.int64], spec: TextSpec) -> list[str]:
        """Texts of the rows that have some distinct ranks, in the order of these."""
        texts = [""] * len(ranks)
        for file, slots in self.find(ranks):
            for i, text in zip(slots.tolist(), file.iter_texts(spec), strict=True):
                texts[i] = text
        return texts


@dataclass(frozen=True)
class Chosen:
    """The chosen rows in the order of writing.

    Attributes:
        ranks: Rank of each as a candidate, which finds it in the spool.
        alignment: Their alignments.
        n_bytes: Bytes of their texts, by which output is cut.
        spool: Holds the rows.
    """

    ranks: NDArray[np.int64]
    alignment: NDArray[np.float64]
    n_bytes: NDArray[np.int64]
    spool: Spool

    def take(self, part: slice) -> Chosen:
        """A part of the choice, with no more of the spool than it needs."""
        ranks = self.ranks[part]
        return Chosen(ranks, self.alignment[part], self.n_bytes[part], self.spool.take(ranks))

    def read_lines(self, part: slice) -> list[bytes]:
        """JSON lines of a part of the choice, without newlines."""
        lines: list[bytes] = [b""] * len(self.ranks[part])
        for file, slot in self.spool.find(self.ranks[part]):
            if file.is_table:
                for i, row in zip(slot.tolist(), _to_rows(file.read_table()), strict=True):
                    lines[i] = msgspec.json.encode(row, enc_hook=str)
                continue
            for i, line in zip(slot.tolist(), file.iter_lines(), strict=True):
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
            for file, slot in self.spool.find(self.ranks[part]):
                if file.is_table:
                    tables.append(file.read_table())
                else:
                    tables.append(_table_of([decode_line(line) for line in file.iter_lines()]))
                slots.append(slot)
            if not tables:
                return pa.table({})
            merged = pa.concat_tables(tables, promote_options="permissive")
        except (pa.ArrowException, OverflowError) as error:
            raise OutputError(
                f"the chosen rows do not fit one Parquet schema ({error}); write JSONL instead"
            ) from None
        return merged.take(pa.array(np.argsort(np.concatenate(slots))))


def _to_rows(table: pa.Table) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = table.to_pylist()
    except (ValueError, OverflowError) as error:  # broken UTF-8, a time that Python has not
        raise OutputError(
            f"a chosen Parquet row has a value that JSON cannot hold ({error}); "
            "write Parquet instead: --format parquet"
        ) from None
    return rows


def _table_of(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as a table of every field that any of them has; pyarrow alone takes the first's."""
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def decode_line(line: bytes) -> dict[str, Any]:
    """Decode a chosen line.

    Raises:
        OutputError: If it is no JSON object.
    """
    try:
        return decode_object(line)
    except RowError as error:
        raise OutputError(f"a chosen row does not decode: {error.reason}") from None
