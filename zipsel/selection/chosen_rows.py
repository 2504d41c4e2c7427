"""The chosen rows in their order, as lines or as a table: what the writers take.

Converting rows from one kind to the other goes through Python objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zipsel.errors import OutputError
from zipsel.readers.convert import to_json, to_tables
from zipsel.readers.schemas import ConversionError, fit_schema, join_schemas
from zipsel.selection.spool import Spool, SpoolFile


@dataclass(frozen=True)
class Chosen:
    """The chosen rows in the order of writing.

    Attributes:
        ranks: Rank of each as a candidate, which finds it in the spool.
        alignment: Their alignments.
        n_bytes: Bytes of their texts, by which output is cut.
        spool: Holds the rows.
        gains: What each added to the subset, or None; see ``chooser.Taken``.
    """

    ranks: NDArray[np.int64]
    alignment: NDArray[np.float64]
    n_bytes: NDArray[np.int64]
    spool: Spool
    gains: NDArray[np.float64] | None = None

    def take(self, part: slice) -> Chosen:
        """A part of the choice, with no more of the spool than it needs."""
        ranks = self.ranks[part]
        gains = None if self.gains is None else self.gains[part]
        spool = self.spool.take(ranks)
        return Chosen(ranks, self.alignment[part], self.n_bytes[part], spool, gains)

    def read_lines(self) -> list[bytes]:
        """The rows as JSON lines, without newlines.

        Raises:
            UnwritableRowError: If JSON cannot hold a row.
        """
        lines: list[bytes] = [b""] * len(self.ranks)
        for file, slots in self.spool.find(self.ranks):
            with _naming(file.ranks):
                found = to_json(file.read_table()) if file.is_table else file.iter_lines()
                for i, line in zip(slots.tolist(), found, strict=True):
                    lines[i] = line
        return lines

    def read_schema(self) -> pa.Schema:
        """The schema of ``read_table``; of rows that are tables already no values are read.

        Columns come in the order in which the rows have them first, whatever files the rows stand
        in, so that the schema is the same for any number of workers.

        Raises:
            UnwritableRowError: As ``read_table``.
        """
        return self._join(self._read_tables(lambda file: file.read_schema().empty_table()))

    def read_table(self, schema: pa.Schema | None = None) -> pa.Table:
        """The rows as a table.

        Args:
            schema: The columns, joined of these rows' own and others; None for these rows' own.

        Raises:
            UnwritableRowError: If a row does not fit the schema.
        """
        found = self._read_tables(SpoolFile.read_table)
        schema = self._join(found) if schema is None else schema
        tables = []
        for slots, table in found:
            with _naming(self.ranks[slots]):
                tables.append(fit_schema(table, schema))
        if not tables:
            return schema.empty_table()
        order = np.argsort(np.concatenate([slots for slots, _ in found]))
        return pa.concat_tables(tables).take(pa.array(order))

    def _read_tables(
        self, read: Callable[[SpoolFile], pa.Table]
    ) -> list[tuple[NDArray[np.int64], pa.Table]]:
        """Tables of the rows with the slots of these, in the order of their first slots.

        Lines become tables in the order of writing.
        """
        found: list[tuple[NDArray[np.int64], pa.Table]] = []
        lines: dict[int, bytes] = {}
        for file, slots in self.spool.find(self.ranks):
            if file.is_table:
                found.append((slots, read(file)))
            else:
                lines.update(zip(slots.tolist(), file.iter_lines(), strict=True))
        of_lines = np.array(sorted(lines), np.int64)
        first = 0
        with _naming(self.ranks[of_lines]):
            for table in to_tables(lines.pop(slot) for slot in of_lines.tolist()):
                found.append((of_lines[first : first + len(table)], table))
                first += len(table)
        return sorted(found, key=lambda pair: int(pair[0].min()))

    def _join(self, tables: Sequence[tuple[NDArray[np.int64], pa.Table]]) -> pa.Schema:
        firsts = np.array([self.ranks[slots[0]] for slots, _ in tables], np.int64)
        with _naming(firsts):
            return join_schemas([table.schema for _, table in tables])


class UnwritableRowError(OutputError):
    """A chosen row cannot be written in the format of the subset.

    Args:
        rank: Rank of the row as a candidate.
        problem: What the format cannot hold.
    """

    def __init__(self, rank: int, problem: str) -> None:
        super().__init__(rank, problem)
        self.rank = rank
        self.problem = problem


@contextmanager
def _naming(ranks: NDArray[np.int64]) -> Iterator[None]:
    """Give an error about one of the rows its rank."""
    try:
        yield
    except ConversionError as error:
        raise UnwritableRowError(int(ranks[error.row]), error.problem) from None
