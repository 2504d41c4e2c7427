"""Parquet: row groups → chunks → batches of rows, read column by column.

A text that is one column of strings goes from Arrow's buffers to the scorer without becoming a
Python object. Templates and chats need the row, and pay for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from zipsel.errors import ShardError
from zipsel.readers import SNIPPET_BYTES, ReadOptions, RowBatch
from zipsel.records import CHUNK_BYTES, SLACK_BYTES, TextBatch
from zipsel.rows import Reason, RowError, TextSpec, get_path, group_name, take_text
from zipsel.shards import Shard

#: Rows decoded at once; bounds memory where a row group is large.
_BATCH_ROWS = 1024


@dataclass(frozen=True)
class GroupChunk:
    """Consecutive row groups of a file.

    Attributes:
        index: Which chunk of the shard, from 0.
        first_group: First row group.
        end_group: One past the last.
        first_row: Row of the shard that it begins with.
    """

    index: int
    first_group: int
    end_group: int
    first_row: int


def open_parquet(shard: Shard) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        ShardError: If it has no readable footer.
    """
    try:
        return pq.ParquetFile(shard.path)
    except (pa.ArrowException, OSError) as error:
        raise ShardError(shard.path, f"no readable Parquet footer: {_first_line(error)}") from None


def plan_chunks(file: pq.ParquetFile, chunk_bytes: int = CHUNK_BYTES) -> list[GroupChunk]:
    """Cut a file into chunks of about ``chunk_bytes`` of uncompressed column data."""
    metadata = file.metadata
    chunks: list[GroupChunk] = []
    first, first_row, row, n_bytes = 0, 0, 0, 0
    for group in range(metadata.num_row_groups):
        row += metadata.row_group(group).num_rows
        n_bytes += metadata.row_group(group).total_byte_size
        if n_bytes >= chunk_bytes or group == metadata.num_row_groups - 1:
            chunks.append(GroupChunk(len(chunks), first, group + 1, first_row))
            first, first_row, n_bytes = group + 1, row, 0
    return chunks or [GroupChunk(0, 0, 0, 0)]


def check_columns(file: pq.ParquetFile, shard: Shard, spec: TextSpec) -> None:
    """Raise unless the columns that the text is made of exist.

    Raises:
        ShardError: Naming the columns that there are.
    """
    names = file.schema_arrow.names
    missing = [path for path in spec.paths if path.split(".")[0] not in names]
    if spec.kind == "chat" and len(missing) < len(spec.paths):
        return
    if missing:
        raise ShardError(
            shard.path,
            f"has no column {missing[0].split('.')[0]!r}; it has {', '.join(names) or 'none'}",
        )


def iter_rows(
    shard: Shard, chunk: GroupChunk, spec: TextSpec, options: ReadOptions
) -> Iterator[RowBatch]:
    """Read the texts of a chunk.

    Raises:
        ShardError: If the file is damaged or lacks a column.
    """
    if chunk.first_group == chunk.end_group:
        return
    file = open_parquet(shard)
    check_columns(file, shard, spec)
    paths = [*spec.paths, *([options.group_field] if options.group_field else [])]
    columns = [name for name in file.schema_arrow.names if name in {p.split(".")[0] for p in paths}]
    try:
        for batch in file.iter_batches(
            _BATCH_ROWS, row_groups=range(chunk.first_group, chunk.end_group), columns=columns
        ):
            yield read_batch(batch, spec, options)
    except (pa.ArrowException, OSError) as error:
        raise ShardError(shard.path, f"damaged Parquet data: {_first_line(error)}") from None


def iter_sample(
    shard: Shard, spec: TextSpec, options: ReadOptions, random: Random
) -> Iterator[TextBatch]:
    """The texts of a file's row groups in random order.

    Raises:
        ShardError: As ``iter_rows``.
    """
    groups = list(range(open_parquet(shard).metadata.num_row_groups))
    random.shuffle(groups)
    for group in groups:
        for rows in iter_rows(shard, GroupChunk(0, group, group + 1, 0), spec, options):
            yield rows.texts


def read_batch(batch: pa.RecordBatch, spec: TextSpec, options: ReadOptions) -> RowBatch:
    """Take the texts of a batch that holds the columns that they are made of."""
    strings = _string_column(batch, spec)
    if strings is not None:
        accepted, texts, rejects = _take_strings(strings, options)
    else:
        accepted, texts, rejects = _take_rows(batch, spec, options)
    groups = _groups(batch, options.group_field, accepted) if options.group_field else []
    offsets = np.full(batch.num_rows, -1, np.int64)
    return RowBatch(offsets, texts, accepted, rejects, groups)


def _string_column(batch: pa.RecordBatch, spec: TextSpec) -> pa.LargeStringArray | None:
    """The text column as ``large_string``; None where the text must be taken row by row."""
    if spec.kind != "field":
        return None
    first, *rest = spec.value.split(".")
    column = batch.column(first)
    for step in rest:
        if not pa.types.is_struct(column.type) or column.type.get_field_index(step) < 0:
            return None
        column = pc.struct_field(column, step)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if not (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    ):
        return None
    try:
        strings = column.cast(pa.large_string())
        strings.validate(full=True)  # Parquet promises UTF-8 and writers break the promise
    except pa.ArrowInvalid:
        return None
    return strings


def _take_strings(
    strings: pa.LargeStringArray, options: ReadOptions
) -> tuple[np.ndarray, TextBatch, dict[int, tuple[Reason, bytes]]]:
    lengths = pc.fill_null(pc.binary_length(strings), 0).to_numpy(zero_copy_only=False)
    valid = strings.is_valid().to_numpy(zero_copy_only=False)
    blank = pc.fill_null(pc.utf8_is_space(strings), False).to_numpy(zero_copy_only=False)
    empty = valid & ((lengths == 0) | blank)
    long = lengths > options.max_row_bytes
    keep = valid & ~empty & ~long
    accepted = np.flatnonzero(keep).astype(np.int64)
    rejects: dict[int, tuple[Reason, bytes]] = {}
    for i in np.flatnonzero(~keep).tolist():
        reason = Reason.EMPTY if empty[i] else Reason.TOO_LONG if long[i] else Reason.NULL
        value = strings[i].as_py() or ""
        rejects[i] = (reason, value[:SNIPPET_BYTES].encode()[:SNIPPET_BYTES])
    kept = strings if len(accepted) == len(strings) else strings.filter(pa.array(keep))
    return accepted, _to_text_batch(kept), rejects


def _to_text_batch(strings: pa.LargeStringArray) -> TextBatch:
    _, offsets_buffer, data_buffer = strings.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64)[
        strings.offset : strings.offset + len(strings) + 1
    ]
    if len(strings) == 0 or data_buffer is None:
        return TextBatch.from_encoded([b""] * len(strings))
    data = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
    return TextBatch(np.append(data, np.zeros(SLACK_BYTES, np.uint8)), offsets - offsets[0])


def _take_rows(
    batch: pa.RecordBatch, spec: TextSpec, options: ReadOptions
) -> tuple[np.ndarray, TextBatch, dict[int, tuple[Reason, bytes]]]:
    texts: list[bytes] = []
    accepted: list[int] = []
    rejects: dict[int, tuple[Reason, bytes]] = {}
    for i in range(batch.num_rows):
        row: dict[str, Any] = {}
        try:
            row = _to_row(batch, i)
            text = take_text(_decode_binary(row, spec), spec).encode()
            if len(text) > options.max_row_bytes:
                raise RowError(Reason.TOO_LONG)
        except RowError as error:
            snippet = repr(row)[:SNIPPET_BYTES].encode(errors="replace")[:SNIPPET_BYTES]
            rejects[i] = (error.reason, snippet)
            continue
        texts.append(text)
        accepted.append(i)
    return np.array(accepted, np.int64), TextBatch.from_encoded(texts), rejects


def _to_row(batch: pa.RecordBatch, i: int) -> dict[str, Any]:
    try:
        return {name: batch.column(name)[i].as_py() for name in batch.schema.names}
    except UnicodeDecodeError:
        raise RowError(Reason.INVALID_UTF8) from None


def _decode_binary(row: dict[str, Any], spec: TextSpec) -> dict[str, Any]:
    """Text kept in a top-level binary column is UTF-8 or refused."""
    for path in spec.paths:
        value = row.get(path)
        if isinstance(value, bytes):
            try:
                row[path] = value.decode()
            except UnicodeDecodeError:
                raise RowError(Reason.INVALID_UTF8) from None
    return row


def _groups(batch: pa.RecordBatch, group_field: str, accepted: np.ndarray) -> list[str | None]:
    name = group_field.split(".")[0]
    if name not in batch.schema.names:
        return [None] * len(accepted)
    values = batch.column(name).take(pa.array(accepted)).to_pylist()
    groups: list[str | None] = []
    for value in values:
        try:
            groups.append(group_name(get_path({name: value}, group_field)))
        except RowError:
            groups.append(None)
    return groups


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def read_group(file: pq.ParquetFile, shard: Shard, group: int) -> pa.Table:
    """One row group, all columns.

    Raises:
        ShardError: If it is damaged.
    """
    try:
        return file.read_row_group(group)
    except (pa.ArrowException, OSError) as error:
        raise ShardError(shard.path, f"damaged Parquet data: {_first_line(error)}") from None
