"""Opens Arrow IPC files and streams, and checks what their record batches say of their buffers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard
from zipsel.readers.schemas import first_line
from zipsel.storage import ranges, remote

_FILE_MAGIC = b"ARROW1"
#: The magic is padded to 8 bytes; what follows is a stream.
_FILE_HEAD_BYTES = 8

#: What broken data raise.
ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError)


def iter_stream(shard: Shard, damage: list[str] | None) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Yield each record batch and its stored bytes.

    Args:
        shard: The shard; of a file, the stream that it holds is read.
        damage: To salvage: takes what ended the stream.

    Raises:
        ShardError: If the stream is damaged and not to be salvaged.
    """
    problem, n_batches, end = "", 0, -1
    try:
        source = open_stream(shard)
        begin = source.tell()
        reader = pa.ipc.open_stream(source)
    except ERRORS as error:
        raise ShardError(shard.path, f"no readable Arrow schema: {first_line(error)}") from None
    while True:
        place = source.tell()
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            end = source.tell()
            break
        except ERRORS as error:
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
            open_file(shard)
        except ShardError as error:
            return error.problem
    return ""


def get_batch(shard: Shard, file: Any, number: int) -> pa.RecordBatch:
    """Read a record batch of a file; a damaged one is a ``ShardError``."""
    try:
        return file.get_batch(number)
    except MemoryError:
        raise
    except ERRORS as error:
        raise _damaged(shard, number, error) from None


def check_batch(shard: Shard, number: int, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Raise ``ShardError`` unless every column's buffers hold what they say."""
    try:
        for column in batch.columns:
            _as_bytes(column).validate(full=True)
    except MemoryError:
        raise
    except ERRORS as error:
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


def read_names(fields: Sequence[pa.Field]) -> list[str]:
    """Names of columns and of what is nested in them; ``UnicodeDecodeError`` if one is no UTF-8."""
    names = [field.name for field in fields]
    for field in fields:
        kind = field.type
        if pa.types.is_struct(kind):
            names += read_names([kind.field(i) for i in range(kind.num_fields)])
        elif pa.types.is_map(kind):
            names += read_names([kind.key_field, kind.item_field])
        elif hasattr(kind, "value_field"):
            names += read_names([kind.value_field])
    return names


def open_file(shard: Shard) -> Any:
    """The reader of a file by its footer; a ``ShardError`` if there is none."""
    try:
        return pa.ipc.open_file(_open_source(shard))
    except ERRORS as error:
        problem = f"no readable Arrow footer: {first_line(error)}"
        raise ShardError(shard.path, problem) from None


def count_rows(shard: Shard) -> list[int]:
    """Rows of each record batch of a file, reading one column, of fixed width if there is one."""
    schema = open_file(shard).schema
    fixed = [i for i, field in enumerate(schema) if pa.types.is_primitive(field.type)]
    options = pa.ipc.IpcReadOptions(included_fields=fixed[:1] or [0]) if len(schema) else None
    try:
        reader = pa.ipc.open_file(_open_source(shard), options=options)
        return [reader.get_batch(i).num_rows for i in range(reader.num_record_batches)]
    except ERRORS as error:
        raise ShardError(shard.path, f"damaged Arrow data: {first_line(error)}") from None


def open_stream(shard: Shard) -> Any:
    """A shard's bytes where its stream begins, behind the magic of a file."""
    source = _open_source(shard)
    is_file = source.read(len(_FILE_MAGIC)) == _FILE_MAGIC
    source.seek(_FILE_HEAD_BYTES if is_file else 0)
    return source


def _open_source(shard: Shard) -> Any:
    """A shard's bytes, mapped into memory or behind a URL, or a ``ShardError``."""
    try:
        if remote.is_remote(shard.path):
            return pa.PythonFile(ranges.open_remote(shard.path, shard.n_bytes), mode="r")
        return pa.memory_map(shard.path)
    except ERRORS as error:
        raise ShardError(shard.path, f"cannot be read: {first_line(error)}") from None
