"""One shard → bounded batches of rows, whatever its format.

The format table (``zipsel.pool.formats``) names the reader of each format. Nothing outside this
folder asks what format a shard has, or what a chunk holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from zipsel.errors import UsageError
from zipsel.pool.formats import FORMATS, split_suffix

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from zipsel.pool.shards import Shard
    from zipsel.readers.reading import Reading
    from zipsel.readers.rows import Chunk, RowBatch


class Reader(Protocol):
    """How the shards of one format are read. A shard is planned, or cut from its beginning.

    ``reading`` says how rows become texts. A shard that cannot be read is a ``ShardError``.
    """

    def plan(
        self, shard: Shard, reading: Reading, chunk_bytes: int, *, salvage: bool = False
    ) -> list[Chunk] | None:
        """Chunks of about ``chunk_bytes``, to be read in any order; None for a shard to be cut.

        ``salvage`` accepts a shard that is damaged behind its first rows. Rows that cannot have a
        text are a ``NoTextError``.
        """
        ...

    def cut(
        self,
        shard: Shard,
        reading: Reading,
        chunk_bytes: int,
        *,
        stretch_bytes: int | None = None,
        salvage: bool = False,
    ) -> Iterator[Chunk]:
        """Yield chunks of about ``chunk_bytes`` of decompressed shard in order, with their rows.

        With ``stretch_bytes`` a chunk comes in stretches of about so many bytes, to bound memory.
        With ``salvage`` damage ends the shard without an error; the last chunk says what it was.
        """
        ...

    def read(
        self, shard: Shard, chunk: Chunk, reading: Reading, *, salvage: bool = False
    ) -> Iterator[RowBatch]:
        """Yield the rows of a chunk in bounded batches; ``salvage`` refuses damaged rows."""
        ...

    def take(self, shard: Shard, places: NDArray[Any], reading: Reading) -> Iterator[Any]:
        """Yield rows that are known to exist, with all their fields.

        ``places`` are ascending row numbers of a table, from which record batches come; otherwise
        byte offsets, from which JSON lines come.
        """
        ...

    def check(self, shard: Shard, reading: Reading) -> None:
        """Raise ``ShardError`` for whatever can be found without reading a shard's rows."""
        ...


class TableReader(Reader, Protocol):
    """The reader of a format whose rows are Arrow rows."""

    def schema(self, shard: Shard, reading: Reading) -> pa.Schema:
        """Names and types of a shard's columns."""
        ...


def reader_of(shard: Shard) -> Reader:
    """The reader of a shard's format; its module is loaded when the first shard needs it."""
    module, _, name = FORMATS[shard.format].reader.partition(":")
    return cast(Reader, getattr(import_module(module), name))


def refuse_without_effect(reading: Reading, paths: Iterable[str]) -> None:
    """Raise ``UsageError`` if options of CSV and TSV are given and no file is either."""
    kinds = [split_suffix(path)[0] for path in paths]
    given = reading.csv_options
    if given and not any(kind is not None and kind.is_delimited for kind in kinds):
        raise UsageError(f"{' and '.join(given)} would have no effect: no input is CSV or TSV")
