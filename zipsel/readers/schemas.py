"""Whether the rows of Parquet and Arrow shards can stand in one file."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard


def schema_errors(shards: Sequence[Shard]) -> list[ShardError]:
    """Parquet and Arrow shards whose rows cannot stand in one file with those of the shards before.

    A column may be absent, or of a narrower type; that is widened. Unreadable footers are for
    the reader to report.
    """
    from zipsel.readers.tables import read_schema  # loads pyarrow.compute

    merged, errors = pa.schema([]), []
    seen: dict[str, tuple[Shard, pa.DataType]] = {}
    for shard in shards:
        if not shard.is_table:
            continue
        try:
            schema = read_schema(shard).remove_metadata()
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
