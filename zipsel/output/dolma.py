"""Scores as Dolma attributes: for each document file one of the same name, row by row.

A line is ``{"id": …, "attributes": {NAME: [[0, n_characters, alignment]]}}``: one span over the
whole text, as Dolma's taggers write it and its mixer filters by it. Rows and their order are those
of the documents; a refused row keeps its line, with no span. Format: ``docs/data-format.md`` of
``allenai/dolma``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from zipsel.errors import OutputError, ShardError, UsageError
from zipsel.output.subset_file import open_compressed
from zipsel.pool.shards import Shard
from zipsel.readers import fetch
from zipsel.readers.json_rows import RowParser, decode_object
from zipsel.readers.reading import Reading
from zipsel.readers.rows import RowError
from zipsel.scoring.sidecar import Part, column_values


def check_shards(shards: Sequence[Shard]) -> None:
    """Refuse shards that are no Dolma documents (``UsageError``)."""
    for shard in shards:
        if shard.is_table:
            raise UsageError(
                f"{shard.path}: Dolma's documents are JSON lines, not {shard.format}; "
                "leave out --format dolma"
            )


def write_attributes(
    path: str, parts: Sequence[tuple[Part, pa.Table]], name: str, reading: Reading
) -> None:
    """Write the attributes of one shard, compressed as the shard is.

    Args:
        path: The file.
        parts: Of the shard, with their columns ``alignment`` and ``offset``.
        name: Of the attribute.
        reading: How rows become texts.

    Raises:
        OutputError: If a document has no ``id``.
        OSError: If the file cannot be written.
    """
    compression = parts[0][0].shard.compression
    with (
        open(path, "xb") as raw,
        open_compressed(raw, f"jsonl.{compression}" if compression else "jsonl") as file,
    ):
        for line in _iter_lines(parts, name, reading):
            file.write(line)


def _iter_lines(
    parts: Sequence[tuple[Part, pa.Table]], name: str, reading: Reading
) -> Iterator[bytes]:
    """Attribute lines of one shard, whose parts are fetched at once: it is decompressed once."""
    shard, tables = parts[0][0].shard, [table for _, table in parts]
    alignment = np.concatenate([column_values(one, "alignment", np.nan) for one in tables])
    offsets = np.concatenate([column_values(one, "offset", -1) for one in tables])
    lines = fetch.iter_lines(shard, offsets, reading)
    parser = RowParser(reading.text)
    for row, (line, value) in enumerate(zip(lines, map(float, alignment), strict=True)):
        spans: list[Any] = []
        if value == value:
            spans = [[0, len(parser.parse(line)[0]), value]]
        document = _id_of(line, shard, row)
        yield msgspec.json.encode({"id": document, "attributes": {name: spans}}) + b"\n"


def _id_of(line: bytes, shard: Shard, row: int) -> Any:
    try:
        document = decode_object(line).get("id")
    except RowError as error:
        raise ShardError(
            shard.path, f"row {row}: {error.reason}; Dolma cannot read this file either"
        ) from None
    if document is None:
        raise OutputError(
            f"{shard.path} row {row} has no id, by which Dolma tells "
            "documents; leave out --format dolma"
        )
    return document
