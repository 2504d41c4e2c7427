"""What ``zipsel.select`` returns: the numbers of a run, its rows, and a view for a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from zipsel.console.safe_text import human_bytes
from zipsel.errors import OutputError
from zipsel.output.place import Output
from zipsel.pool.shards import Shard, open_shard
from zipsel.readers.convert import to_tables
from zipsel.readers.json_rows import decode_object
from zipsel.readers.reading import Reading
from zipsel.readers.rows import Lines
from zipsel.readers.schemas import ConversionError, fit_schema, join_schemas
from zipsel.readers.shard import iter_shard
from zipsel.report.html import render_notebook
from zipsel.report.model import Report
from zipsel.storage.paths import read_bytes

#: The subset's rows have been read before, whatever limit their pool had.
_ANY_LENGTH = 1 << 40


def _read_again(report: bytes) -> bytes:
    """A report as one that was read is written."""
    return msgspec.json.decode(report, type=Report).to_json()


def _iter_lines(shard: Shard) -> Iterator[bytes]:
    for batch in iter_shard(shard, Reading(max_row_bytes=_ANY_LENGTH)):
        lines = cast(Lines, batch.lines)
        yield from (lines[i] for i in range(batch.n_rows))


def _read_parquet(path: str) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read()


@dataclass(frozen=True, repr=False)
class SelectResult:
    """What ``select`` did.

    Attributes:
        output: The directory or file.
        files: The subset's files, in order.
        n_rows: Rows of the pool, refused ones among them.
        n_rejected: Refused rows.
        n_chosen: Rows of the subset.
        n_chosen_bytes: Bytes of their texts.
        threshold: Lowest alignment of a chosen row; None if none was chosen.
        report: Everything else, as in ``report.json``.
    """

    output: str
    files: tuple[str, ...]
    n_rows: int
    n_rejected: int
    n_chosen: int
    n_chosen_bytes: int
    threshold: float | None
    report: Report = field(hash=False)

    def __repr__(self) -> str:
        """The run on one line."""
        least = "" if self.threshold is None else f", alignment {self.threshold:.3f} or more"
        return (
            f"<SelectResult {self.output!r}: {self.n_chosen:,} of {self.n_rows:,} rows, "
            f"{human_bytes(self.n_chosen_bytes)} of text{least}>"
        )

    def _repr_html_(self) -> str:
        """The report's head and its best records, for a notebook."""
        return render_notebook(self.report)

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the subset as dictionaries: best first, unless ``order`` was ``input``.

        Raises:
            OutputError: If another run has written into the output since.
        """
        for shard in self._open_files():
            if shard.is_table:
                with pq.ParquetFile(shard.path) as file:
                    for batch in file.iter_batches():
                        yield from batch.to_pylist()
            else:
                yield from map(decode_object, _iter_lines(shard))

    def _open_files(self) -> Iterator[Shard]:
        report = read_bytes(Output(self.output).side_file("report.json"))
        if _read_again(report) != _read_again(self.report.to_json()):
            raise OutputError(
                f"{self.output} holds the subset of a later run; select into another output"
            )
        for path in self.files:
            yield open_shard(path, 0)

    def to_arrow(self) -> pa.Table:
        """The subset's rows as one table: of Parquet with its types, of JSONL with those it needs.

        Raises:
            OutputError: As ``iter_rows``.
            pyarrow.ArrowInvalid: If no table holds the values of a field; use ``iter_rows``.
        """
        shards = list(self._open_files())
        if any(shard.is_table for shard in shards):
            return pa.concat_tables([_read_parquet(shard.path) for shard in shards])
        lines = (line for shard in shards for line in _iter_lines(shard))
        try:
            tables = list(to_tables(lines))
            schema = join_schemas([table.schema for table in tables])
            return pa.concat_tables(
                [schema.empty_table(), *(fit_schema(t, schema) for t in tables)]
            )
        except ConversionError as error:
            raise pa.ArrowInvalid(f"no table holds a row: {error.problem}") from None

    def to_pandas(self) -> Any:
        """The rows of ``iter_rows`` as a data frame; needs pandas."""
        return self.to_arrow().to_pandas()
