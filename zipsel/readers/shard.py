"""One whole shard: its rows in order, and what is wrong with it before any row is scored."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from zipsel.errors import ShardError
from zipsel.pool.shards import CHUNK_BYTES, Shard
from zipsel.readers import TableReader, reader_of
from zipsel.readers.decompress import open_pieces
from zipsel.readers.reading import Reading
from zipsel.readers.rows import Chunk, RowBatch

if TYPE_CHECKING:
    import pyarrow as pa

#: Compressed bytes that are read through for no other purpose than to find damage: a second or
#: two. Damage in larger pools is found, all of it at once, when they are scored.
_READ_THROUGH_BYTES = 256 << 20


def iter_chunks(shard: Shard, reading: Reading, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """Yield the chunks of a shard in order, planned where that is possible."""
    reader = reader_of(shard)
    planned = reader.plan(shard, reading, chunk_bytes)
    yield from reader.cut(shard, reading, chunk_bytes) if planned is None else planned


def iter_shard(shard: Shard, reading: Reading) -> Iterator[RowBatch]:
    """Yield the rows of a shard in order, in bounded batches."""
    for chunk in iter_chunks(shard, reading):
        yield from reader_of(shard).read(shard, chunk, reading)


def find_damage(shards: Sequence[Shard], reading: Reading) -> list[ShardError]:
    """Errors of shards that are to be named beside those found already.

    Schemas and headers are looked at; compressed shards are decompressed to their end where that
    does not take long.
    """
    streams = [shard for shard in shards if shard.compression]
    if sum(shard.n_bytes for shard in streams) > _READ_THROUGH_BYTES:
        streams = []
    errors = []
    for shard in shards:
        try:
            reader_of(shard).check(shard, reading)
            if shard in streams:
                with open_pieces(shard, reading) as pieces:
                    deque(pieces, maxlen=0)
        except ShardError as error:
            errors.append(error)
    return errors


def schema_errors(shards: Sequence[Shard], reading: Reading) -> list[ShardError]:
    """Tables whose rows do not fit into one Parquet file with those of the tables before.

    A column may be absent, or of a narrower type; that is widened. Schemas that cannot be read
    are left to pass one.
    """
    import pyarrow as pa

    from zipsel.readers.schemas import parquet_problem
    from zipsel.readers.table_rows import plain_schema

    merged, errors = pa.schema([]), []
    seen: dict[str, tuple[Shard, pa.DataType]] = {}
    for shard in shards:
        if not shard.is_table:
            continue
        try:
            schema = cast(TableReader, reader_of(shard)).schema(shard, reading).remove_metadata()
            if problem := parquet_problem(plain_schema(schema)):
                remedy = "remove the column, or write JSONL: --format jsonl"
                errors.append(ShardError(shard.path, f"{problem}; {remedy}"))
                continue
            merged = pa.unify_schemas([merged, schema], promote_options="permissive")
        except ShardError:
            continue
        except pa.ArrowException:
            errors.append(ShardError(shard.path, _schema_problem(schema, merged, seen)))
            continue
        for field in schema:
            seen.setdefault(field.name, (shard, field.type))
    return errors


def _schema_problem(
    schema: pa.Schema, merged: pa.Schema, seen: dict[str, tuple[Shard, pa.DataType]]
) -> str:
    import pyarrow as pa

    for name in schema.names:
        if schema.names.count(name) > 1:
            return f"has {schema.names.count(name)} columns named {name!r}"
    for field in schema:
        if field.name not in seen:
            continue
        try:
            pa.unify_schemas(
                [pa.schema([merged.field(field.name)]), pa.schema([field])],
                promote_options="permissive",
            )
        except pa.ArrowException:
            other, kind = seen[field.name]
            return (
                f"its column {field.name!r} is {field.type} where {other.path} has {kind}; "
                "make them agree, or write JSONL: --format jsonl"
            )
    return "its columns cannot be combined with those of the shards before; write JSONL"
