"""What stands where in an Arrow IPC stream or file.

A stream has no footer: its batches are found by walking along it once. One that does not end as
streams end was cut off, and a file without its footer is walked along as the stream that it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard
from zipsel.storage import remote
from zipsel.texts import BATCH_BYTES

_FILE_MAGIC = b"ARROW1"
#: The magic is padded to 8 bytes; what follows is a stream.
_FILE_HEAD_BYTES = 8

#: What broken data raise.
ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError)


@dataclass(frozen=True)
class Group:
    """A record batch, or a stretch of one.

    Attributes:
        batch: Which batch of the file.
        place: Byte at which the batch begins; -1 where it is not read by that.
        first: First row in the batch.
        n_rows: Rows.
    """

    batch: int
    place: int
    first: int
    n_rows: int


@dataclass(frozen=True)
class Index:
    """What stands where in a file.

    Attributes:
        schema: Of the file.
        batches: Place and rows of each record batch.
        damage: What is wrong behind the last of them; empty for nothing.
    """

    schema: pa.Schema
    batches: tuple[tuple[int, int], ...]
    damage: str

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return sum(n_rows for _, n_rows in self.batches)

    def cut(self, n_bytes: int) -> list[Group]:
        """Groups of about ``BATCH_BYTES``, in a file of ``n_bytes``."""
        limit = max(1, BATCH_BYTES * self.n_rows // max(1, n_bytes))
        return [
            Group(i, place, first, min(limit, n_rows - first))
            for i, (place, n_rows) in enumerate(self.batches)
            for first in range(0, n_rows, limit)
        ]


def read_index(shard: Shard, *, salvage: bool = False) -> Index:
    """Find the record batches of a file.

    Args:
        shard: The file.
        salvage: Accept one that is damaged behind its first batches.

    Raises:
        ShardError: If it has no schema, or is damaged and not to be salvaged.
    """
    index = _walk(shard)
    try:
        _read_names([index.schema.field(i) for i in range(len(index.schema))])
    except UnicodeDecodeError:
        raise ShardError(shard.path, "a column's name is no UTF-8") from None
    if index.damage and not salvage:
        raise ShardError(shard.path, index.damage)
    return index


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


@lru_cache(maxsize=16)
def _walk(shard: Shard) -> Index:
    source = open_source(shard)
    try:
        try:
            reader = open_footer(source)
            return _walk_stream(source) if reader is None else _walk_file(source, reader.schema)
        except ERRORS as error:
            if source.tell() != _FILE_HEAD_BYTES:
                raise
            found, problem = _walk_stream(source), first_line(error)
            return Index(found.schema, found.batches, f"no readable Arrow footer: {problem}")
    except ERRORS as error:
        raise ShardError(shard.path, f"no readable Arrow schema: {first_line(error)}") from None


def open_footer(source: Any) -> Any:
    """The reader of a file by its footer; None for a stream, which ``source`` then stands before.

    Raises:
        pa.ArrowException: If it begins as a file and has no footer; it stands before its stream.
    """
    source.seek(0)
    if source.read(len(_FILE_MAGIC)) != _FILE_MAGIC:
        source.seek(0)
        return None
    try:
        return pa.ipc.open_file(source)
    finally:
        source.seek(_FILE_HEAD_BYTES)


def _walk_file(source: Any, schema: pa.Schema) -> Index:
    reader = pa.ipc.open_file(source, options=_cheapest(schema))
    rows = [reader.get_batch(i).num_rows for i in range(reader.num_record_batches)]
    return Index(schema, tuple((-1, n_rows) for n_rows in rows), "")


def _walk_stream(source: Any) -> Index:
    start = source.tell()
    schema = pa.ipc.open_stream(source).schema
    source.seek(start)
    reader = pa.ipc.open_stream(source, options=_cheapest(schema))
    by_place = not any(_has_dictionary(field.type) for field in schema)
    batches: list[tuple[int, int]] = []
    damage = ""
    while True:
        place = source.tell()
        try:
            batches.append((place if by_place else -1, reader.read_next_batch().num_rows))
        except StopIteration:
            break
        except ERRORS as error:
            damage = f"damaged Arrow data in batch {len(batches)}: {first_line(error)}"
            break
    end = source.tell()
    n_left = source.size() - end
    if not damage and end == place:
        damage = f"truncated: the Arrow stream has no end after batch {len(batches) - 1}"
    elif not damage and n_left and start == 0:
        damage = f"{n_left:,} bytes follow the end of the Arrow stream; a file holds one stream"
    return Index(schema, tuple(batches), damage)


def _cheapest(schema: pa.Schema) -> pa.ipc.IpcReadOptions | None:
    """Options that read one column, which is enough to count rows, of fixed width if there is."""
    fixed = [i for i, field in enumerate(schema) if pa.types.is_primitive(field.type)]
    return pa.ipc.IpcReadOptions(included_fields=fixed[:1] or [0]) if len(schema) else None


def _has_dictionary(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    inner = (kind.field(i).type for i in range(kind.num_fields))
    return pa.types.is_dictionary(kind) or any(map(_has_dictionary, inner))


def open_source(shard: Shard) -> Any:
    """Open a file's bytes: mapped into memory, or behind a URL.

    Raises:
        ShardError: If they cannot be opened.
    """
    try:
        if remote.is_remote(shard.path):
            return pa.PythonFile(remote.open_remote(shard.path, shard.n_bytes), mode="r")
        return pa.memory_map(shard.path)
    except ERRORS as error:
        raise ShardError(shard.path, f"cannot be read: {first_line(error)}") from None


def first_line(error: Exception) -> str:
    """The first line of an error's message."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
