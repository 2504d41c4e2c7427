"""Arrow IPC: files, which are Feather v2, and streams, as Hugging Face ``datasets`` writes them.

Local shards are mapped into memory, so columns that are not compressed are read where they lie. A
file has a footer and is planned by stretches of its record batches, so that workers share one huge
file; a stream has none and is cut from its beginning, as is what a damaged file still holds. What
a batch says of its own buffers is checked before it is used. A compressed batch is decompressed
whole, whatever it decompresses to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import pyarrow as pa
from numpy.typing import NDArray

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard
from zipsel.readers.columns import check_columns, damaged_rows, pick_columns, read_batch
from zipsel.readers.convert import first_line
from zipsel.readers.rows import Chunk, Reading, RowBatch
from zipsel.readers.table_rows import Group, take_rows
from zipsel.storage import remote
from zipsel.texts import BATCH_BYTES

_FILE_MAGIC = b"ARROW1"
#: The magic is padded to 8 bytes; what follows is a stream.
_FILE_HEAD_BYTES = 8

#: What broken data raise.
_ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError)


#: Loads rows that nothing has checked yet.
_Load = Callable[[], pa.RecordBatch]


class _Stretch(NamedTuple):
    """Rows of one record batch of a file.

    Attributes:
        number: Which batch.
        first: First row in the batch.
        n_rows: Rows.
    """

    number: int
    first: int
    n_rows: int


class _Slice(NamedTuple):
    """Rows of one record batch of a stream.

    Attributes:
        number: Which batch.
        rows: The rows; nothing in them is checked.
        row_bytes: Stored bytes of each, on average.
    """

    number: int
    rows: pa.RecordBatch
    row_bytes: float


def _slices(
    number: int, batch: pa.RecordBatch, row_bytes: float, limit_bytes: int
) -> Iterator[_Slice]:
    """Cut a batch in slices of so many bytes, of one row at least."""
    n_rows = max(1, int(limit_bytes / max(1, row_bytes)))
    for first in range(0, batch.num_rows, n_rows):
        yield _Slice(number, batch.slice(first, n_rows), row_bytes)


class _Stream:
    """Reads streams; see ``zipsel.readers.Reader``. A chunk holds its record batches."""

    def plan(
        self, shard: Shard, reading: Reading, chunk_bytes: int, *, salvage: bool = False
    ) -> list[Chunk] | None:
        """None: where batches begin is known only from the beginning on."""
        check_columns(self.schema(shard, reading).names, shard.path, reading)
        return None

    def cut(
        self,
        shard: Shard,
        reading: Reading,
        chunk_bytes: int,
        *,
        stretch_bytes: int | None = None,
        salvage: bool = False,
    ) -> Iterator[Chunk]:
        """Yield the batches, chunk by chunk or, in stretches, one by one.

        A chunk ends with the batch, or the slice of a large one, with which it has
        ``chunk_bytes``.
        """
        index, n_bytes = 0, 0.0
        damage: list[str] = []
        held: list[_Slice] = []
        for number, (batch, size) in enumerate(_iter_stream(shard, damage if salvage else None)):
            for one in _slices(number, batch, size / max(1, batch.num_rows), chunk_bytes):
                is_full = n_bytes >= chunk_bytes
                if is_full or (stretch_bytes is not None and held):
                    yield Chunk(index, f"rows up to record batch {number}", held)
                    held = []
                if is_full:
                    index, n_bytes = index + 1, 0.0
                held.append(one)
                n_bytes += one.row_bytes * one.rows.num_rows
        yield Chunk(index, "the last record batches", held, final=True, damage="".join(damage))

    def read(
        self, shard: Shard, chunk: Chunk, reading: Reading, *, salvage: bool = False
    ) -> Iterator[RowBatch]:
        """Yield the rows of a chunk; ``salvage`` refuses all rows of a damaged stretch."""
        columns = pick_columns(self.schema(shard, reading).names, shard.path, reading)
        for number, n_rows, load in self._stretches_of(shard, chunk):
            try:
                batch = load()
                if salvage:
                    _check(shard, number, batch)  # all of a chosen row is copied
                rows = read_batch(_check(shard, number, batch.select(columns)), reading)
            except ShardError as error:
                if not salvage:
                    raise
                rows = damaged_rows(n_rows, error.problem)
            yield rows

    def _stretches_of(self, shard: Shard, chunk: Chunk) -> Iterator[tuple[int, int, _Load]]:
        """Number of the record batch, rows, and what loads them."""
        for number, rows, row_bytes in chunk.place:
            for one in _slices(number, rows, row_bytes, BATCH_BYTES):
                yield number, one.rows.num_rows, partial(one.rows.slice, 0)

    def take(self, shard: Shard, places: NDArray[Any], _: Reading) -> Iterator[pa.RecordBatch]:
        """Yield rows by their numbers; damage behind the last wanted row is ignored."""
        return take_rows(shard.path, self._groups(shard), places)

    def _groups(self, shard: Shard) -> Iterator[Group]:
        for number, (batch, _) in enumerate(_iter_stream(shard, [])):
            yield batch.num_rows, partial(_check_all, shard, number, batch)

    def schema(self, shard: Shard, reading: Reading) -> pa.Schema:
        """Names and types of the columns."""
        try:
            schema = self._read_schema(shard)
            _read_names([schema.field(i) for i in range(len(schema))])
        except UnicodeDecodeError:
            raise ShardError(shard.path, "a column's name is no UTF-8") from None
        except _ERRORS as error:
            problem = f"no readable Arrow schema: {first_line(error)}"
            raise ShardError(shard.path, problem) from None
        return schema

    def _read_schema(self, shard: Shard) -> pa.Schema:
        return pa.ipc.open_stream(_open_stream(shard)).schema

    def check(self, shard: Shard, reading: Reading) -> None:
        """Find all record batches."""
        if self.plan(shard, reading, shard.n_bytes) is None:
            deque(_iter_stream(shard, None), maxlen=0)


class _File(_Stream):
    """Reads files. A chunk is some consecutive stretches of record batches."""

    def plan(
        self, shard: Shard, reading: Reading, chunk_bytes: int, *, salvage: bool = False
    ) -> list[Chunk] | None:
        """Chunks of about ``chunk_bytes`` of stored data; None for what can only be salvaged."""
        check_columns(self.schema(shard, reading).names, shard.path, reading)
        try:
            n_rows = _count_rows(shard)
        except ShardError:
            if salvage:
                return None
            raise
        row_bytes = shard.n_bytes / max(1, sum(n_rows))
        limit = max(1, int(BATCH_BYTES / max(1, row_bytes)))
        cuts: list[list[_Stretch]] = [[]]
        n_bytes = 0.0
        for number, count in enumerate(n_rows):
            for first in range(0, count, limit):
                if n_bytes >= chunk_bytes:
                    cuts.append([])
                    n_bytes = 0.0
                cuts[-1].append(_Stretch(number, first, min(limit, count - first)))
                n_bytes += cuts[-1][-1].n_rows * row_bytes
        return [
            Chunk(i, _where(stretches), stretches, final=i == len(cuts) - 1)
            for i, stretches in enumerate(cuts)
        ]

    def _stretches_of(self, shard: Shard, chunk: Chunk) -> Iterator[tuple[int, int, _Load]]:
        if not all(isinstance(one, _Stretch) for one in chunk.place):  # of what is salvaged
            yield from super()._stretches_of(shard, chunk)
            return
        file = _open_file(shard)
        get_batch = lru_cache(maxsize=1)(partial(_get_batch, shard, file))
        for number, first, n_rows in chunk.place:
            yield number, n_rows, lambda: get_batch(number).slice(first, n_rows)  # noqa: B023

    def _read_schema(self, shard: Shard) -> pa.Schema:
        try:
            return _open_file(shard).schema
        except ShardError:
            return super()._read_schema(shard)

    def _groups(self, shard: Shard) -> Iterator[Group]:
        try:
            n_rows, file = _count_rows(shard), _open_file(shard)
        except ShardError:  # salvaged as the stream that it holds
            yield from super()._groups(shard)
            return
        for number, count in enumerate(n_rows):
            yield count, partial(_get_checked, shard, file, number)


def _where(stretches: Sequence[_Stretch]) -> str:
    if not stretches:
        return "no rows"
    return f"record batches {stretches[0].number} to {stretches[-1].number}"


def _iter_stream(shard: Shard, damage: list[str] | None) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Yield each record batch and its stored bytes.

    Args:
        shard: The shard; of a file, the stream that it holds is read.
        damage: To salvage: takes what ended the stream.

    Raises:
        ShardError: If the stream is damaged and not to be salvaged.
    """
    problem, n_batches, end = "", 0, -1
    try:
        source = _open_stream(shard)
        begin = source.tell()
        reader = pa.ipc.open_stream(source)
    except _ERRORS as error:
        raise ShardError(shard.path, f"no readable Arrow schema: {first_line(error)}") from None
    while True:
        place = source.tell()
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            end = source.tell()
            break
        except _ERRORS as error:
            problem = f"damaged Arrow data in batch {n_batches}: {first_line(error)}"
            break
        yield batch, source.tell() - place
        n_batches += 1
    problem = problem or _end_problem(shard, source, n_batches, begin, end == place)
    if problem and damage is None:
        raise ShardError(shard.path, problem)
    if problem and damage is not None:
        damage.append(problem)


def _end_problem(shard: Shard, source: Any, n_batches: int, begin: int, is_cut: bool) -> str:
    """What is wrong where a stream ends, before which ``source`` stands; empty for nothing."""
    n_left = source.size() - source.tell()
    if is_cut:
        return f"truncated: the Arrow stream has no end after batch {n_batches - 1}"
    if not begin and n_left:
        return f"{n_left:,} bytes follow the end of the Arrow stream; a file holds one stream"
    if begin:
        try:
            _open_file(shard)
        except ShardError as error:
            return error.problem
    return ""


def _check_all(shard: Shard, number: int, batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    return [_check(shard, number, batch)]


def _get_checked(shard: Shard, file: Any, number: int) -> list[pa.RecordBatch]:
    return [_check(shard, number, _get_batch(shard, file, number))]


def _get_batch(shard: Shard, file: Any, number: int) -> pa.RecordBatch:
    try:
        return file.get_batch(number)
    except MemoryError:
        raise
    except _ERRORS as error:
        raise _damaged(shard, number, error) from None


def _check(shard: Shard, number: int, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Raise ``ShardError`` unless every column's buffers hold what they say."""
    try:
        for column in batch.columns:
            _as_bytes(column).validate(full=True)
    except MemoryError:
        raise
    except _ERRORS as error:
        raise _damaged(shard, number, error) from None
    return batch


def _damaged(shard: Shard, number: int, error: Exception) -> ShardError:
    problem = f"damaged Arrow data in batch {number}: {first_line(error)}"
    return ShardError(shard.path, problem)


def _as_bytes(column: pa.Array) -> pa.Array:
    """Strings as bytes: whether they are UTF-8 is for each row, not for the file."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_string(column.type):
        return column.view(pa.binary())
    return column.view(pa.large_binary()) if pa.types.is_large_string(column.type) else column


def _read_names(fields: Sequence[pa.Field]) -> list[str]:
    """Names of columns and of what is nested in them.

    Raises:
        UnicodeDecodeError: If one is no UTF-8, of which Arrow does not care.
    """
    names = [field.name for field in fields]
    for field in fields:
        kind = field.type
        if pa.types.is_struct(kind):
            names += _read_names([kind.field(i) for i in range(kind.num_fields)])
        elif pa.types.is_map(kind):
            names += _read_names([kind.key_field, kind.item_field])
        elif hasattr(kind, "value_field"):
            names += _read_names([kind.value_field])
    return names


def _open_file(shard: Shard) -> Any:
    """The reader of a file by its footer.

    Raises:
        ShardError: If there is none.
    """
    try:
        return pa.ipc.open_file(_open_source(shard))
    except _ERRORS as error:
        problem = f"no readable Arrow footer: {first_line(error)}"
        raise ShardError(shard.path, problem) from None


def _count_rows(shard: Shard) -> list[int]:
    """Rows of each record batch of a file, reading one column, of fixed width if there is one."""
    schema = _open_file(shard).schema
    fixed = [i for i, field in enumerate(schema) if pa.types.is_primitive(field.type)]
    options = pa.ipc.IpcReadOptions(included_fields=fixed[:1] or [0]) if len(schema) else None
    try:
        reader = pa.ipc.open_file(_open_source(shard), options=options)
        return [reader.get_batch(i).num_rows for i in range(reader.num_record_batches)]
    except _ERRORS as error:
        raise ShardError(shard.path, f"damaged Arrow data: {first_line(error)}") from None


def _open_stream(shard: Shard) -> Any:
    """A shard's bytes where its stream begins, behind the magic of a file."""
    source = _open_source(shard)
    is_file = source.read(len(_FILE_MAGIC)) == _FILE_MAGIC
    source.seek(_FILE_HEAD_BYTES if is_file else 0)
    return source


def _open_source(shard: Shard) -> Any:
    """A shard's bytes: mapped into memory, or behind a URL.

    Raises:
        ShardError: If they cannot be opened.
    """
    try:
        if remote.is_remote(shard.path):
            return pa.PythonFile(remote.open_remote(shard.path, shard.n_bytes), mode="r")
        return pa.memory_map(shard.path)
    except _ERRORS as error:
        raise ShardError(shard.path, f"cannot be read: {first_line(error)}") from None


FILES = _File()
STREAMS = _Stream()
