"""Parquet: row groups → chunks → batches of rows, read column by column.

A text that is one column of strings goes from Arrow's buffers to the scorer without becoming a
Python object. Templates and chats need the row, and pay for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from zipsel import storage
from zipsel.errors import ShardError
from zipsel.readers import SNIPPET_BYTES, ReadOptions, RowBatch
from zipsel.records import CHUNK_BYTES, SLACK_BYTES, TextBatch
from zipsel.rows import Reason, RowError, TextSpec, get_path, group_name, take_text
from zipsel.shards import Shard

#: Rows decoded at once; bounds memory where a row group is large.
_BATCH_ROWS = 1024

#: Bytes that one column's batch may decode to, but for single rows that are longer.
_BATCH_MAX_BYTES = 64 << 20


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


def open_parquet(shard: Shard, **options: Any) -> pq.ParquetFile:
    """Open a Parquet file, with options of ``ParquetFile``.

    Raises:
        ShardError: If it has no readable footer.
    """
    try:
        remote = storage.is_remote(shard.path)
        source = storage.open_remote(shard.path, shard.n_bytes) if remote else shard.path
        file = pq.ParquetFile(source, **options)
        list(file.schema_arrow.names)  # decodes them, which may be where it is broken
        return file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
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
    """Raise unless the columns that the text is made of exist, each once.

    Raises:
        ShardError: Naming the columns that there are.
    """
    names = file.schema_arrow.names
    wanted = [path.split(".")[0] for path in spec.paths]
    missing = [name for name in wanted if name not in names]
    if missing and not (spec.kind == "chat" and len(missing) < len(wanted)):
        raise ShardError(
            shard.path, f"has no column {missing[0]!r}; it has {', '.join(names) or 'none'}"
        )
    double = [name for name in wanted if names.count(name) > 1]
    if double:
        raise ShardError(shard.path, f"has {names.count(double[0])} columns named {double[0]!r}")


def iter_rows(
    shard: Shard,
    chunk: GroupChunk,
    spec: TextSpec,
    options: ReadOptions,
    damage: list[str] | None = None,
) -> Iterator[RowBatch]:
    """Read the texts of a chunk.

    Args:
        shard: The file.
        chunk: Which row groups.
        spec: Where the text of a row is.
        options: How rows are read.
        damage: To salvage: takes what was wrong with row groups that cannot be read, all of
            whose rows are refused as damaged, so that later rows keep their numbers.

    Raises:
        ShardError: If the file is damaged and not to be salvaged, or lacks a column.
    """
    if chunk.first_group == chunk.end_group:
        return
    file = open_parquet(shard)
    check_columns(file, shard, spec)
    wanted = {path.split(".")[0] for path in [*spec.paths, options.group_field or ""]}
    columns = [name for name in file.schema_arrow.names if name in wanted]
    for group in range(chunk.first_group, chunk.end_group):
        if damage is not None and (problem := _group_problem(file, shard, group)):
            damage.append(problem)
            yield _damaged(file.metadata.row_group(group).num_rows)
            continue
        for batch in iter_batches(file, shard, group, columns):
            try:
                rows = read_batch(batch, spec, options)
            except MemoryError:
                raise
            except pa.ArrowException as error:
                raise _damaged_data(shard, error) from None
            yield rows


def _group_problem(file: pq.ParquetFile, shard: Shard, group: int) -> str:
    """What is wrong with a row group in any column, since all of a chosen row is copied."""
    try:
        for _ in iter_batches(file, shard, group, None):
            pass
    except ShardError as error:
        return f"row group {group}: {error.problem}"
    return ""


def _damaged(n_rows: int) -> RowBatch:
    return RowBatch(
        offsets=np.full(n_rows, -1, np.int64),
        texts=TextBatch.from_encoded([]),
        accepted=np.zeros(0, np.int64),
        rejects={i: (Reason.DAMAGED, b"") for i in range(n_rows)},
        groups=[],
    )


def iter_batches(
    file: pq.ParquetFile, shard: Shard, group: int, columns: list[str] | None
) -> Iterator[pa.RecordBatch]:
    """Decode a row group in batches of bounded memory.

    Raises:
        ShardError: If it is damaged.
    """
    try:
        n_rows = _safe_batch_rows(file, shard, group, columns)
        for batch in file.iter_batches(n_rows, row_groups=[group], columns=columns):
            for column in batch.columns:
                if pa.types.is_dictionary(column.type):  # whose indices nothing has checked yet
                    column.validate(full=True)
            yield batch
    except MemoryError:  # also Arrow's, which says nothing about the file
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged_data(shard, error) from None


def _damaged_data(shard: Shard, error: Exception) -> ShardError:
    return ShardError(shard.path, f"damaged Parquet data: {_first_line(error)}")


def _safe_batch_rows(
    file: pq.ParquetFile, shard: Shard, group: int, columns: list[str] | None
) -> int:
    """Rows that can be decoded at once.

    A dictionary page holds a value once however often rows repeat it: a file of a few KB may
    decode to terabytes. Where that could be, the dictionary is read by itself and its longest
    value decides.
    """
    # Read a row first: a broken row group is an error there, and aborts the process where its
    # metadata are asked for.
    next(file.iter_batches(1, row_groups=[group], columns=columns), None)
    metadata = file.metadata.row_group(group)
    paths = [file.schema.column(i).path for i in range(metadata.num_columns)]
    suspects = [
        path
        for i, path in enumerate(paths)
        if (columns is None or path.split(".")[0] in columns)
        and (column := metadata.column(i)).physical_type == "BYTE_ARRAY"
        and column.has_dictionary_page
        and column.total_uncompressed_size * _BATCH_ROWS > _BATCH_MAX_BYTES
    ]
    if not suspects:
        return _BATCH_ROWS
    probe = open_parquet(shard, read_dictionary=suspects, buffer_size=1 << 20)
    names = sorted({path.split(".")[0] for path in suspects})
    first = next(probe.iter_batches(1, row_groups=[group], columns=names), None)
    longest = max(map(_longest_value, first.columns)) if first is not None else 0
    return min(_BATCH_ROWS, max(1, _BATCH_MAX_BYTES // max(1, longest)))


def _longest_value(column: pa.Array) -> int:
    """Bytes of the longest dictionary value; of a nested column, all bytes of its one row."""
    if pa.types.is_dictionary(column.type):
        return int(pc.max(pc.binary_length(column.dictionary)).as_py() or 0)
    return int(column.nbytes)


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
    binary = _binary_column(batch, spec)
    if binary is not None:
        accepted, texts, rejects = _take_binary(binary, options)
    else:
        accepted, texts, rejects = _take_rows(batch, spec, options)
    groups = _groups(batch, options.group_field, accepted) if options.group_field else []
    offsets = np.full(batch.num_rows, -1, np.int64)
    return RowBatch(offsets, texts, accepted, rejects, groups)


def _binary_column(batch: pa.RecordBatch, spec: TextSpec) -> pa.LargeBinaryArray | None:
    """The bytes of the text column; None where the text must be taken row by row."""
    if spec.kind != "field":
        return None
    first, *rest = spec.value.split(".")
    column = batch.column(first)
    for step in rest:
        if not pa.types.is_struct(column.type) or column.type.get_field_index(step) < 0:
            return None
        column = pc.struct_field(column, step)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not any(is_kind(column.type) for is_kind in _IS_TEXT):
        return None
    try:
        if pa.types.is_string_view(column.type):
            column = column.cast(pa.large_string())
        return column.cast(pa.large_binary())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


_IS_TEXT = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
)


def _take_binary(
    binary: pa.LargeBinaryArray, options: ReadOptions
) -> tuple[np.ndarray, TextBatch, dict[int, tuple[Reason, bytes]]]:
    lengths = pc.fill_null(pc.binary_length(binary), 0).to_numpy(zero_copy_only=False)
    valid = binary.is_valid().to_numpy(zero_copy_only=False)
    long = lengths > options.max_row_bytes
    if long.any():  # not looked at any closer: that would cost time in proportion to a bomb
        short = pc.if_else(pa.array(long), pa.scalar(None, pa.large_binary()), binary)
        strings, broken = _check_utf8(short)
    else:
        strings, broken = _check_utf8(binary)
    blank = pc.fill_null(pc.utf8_is_space(strings), False).to_numpy(zero_copy_only=False)
    empty = valid & ((lengths == 0) | blank)
    keep = valid & ~empty & ~long & ~broken
    accepted = np.flatnonzero(keep).astype(np.int64)
    rejects: dict[int, tuple[Reason, bytes]] = {}
    for i in np.flatnonzero(~keep).tolist():
        reason = (
            Reason.NULL
            if not valid[i]
            else Reason.TOO_LONG
            if long[i]
            else Reason.INVALID_UTF8
            if broken[i]
            else Reason.EMPTY
        )
        data = binary[i].as_buffer()
        rejects[i] = (reason, b"" if data is None else data[:SNIPPET_BYTES].to_pybytes())
    kept = strings if len(accepted) == len(strings) else strings.filter(pa.array(keep))
    return accepted, _to_text_batch(kept), rejects


def _check_utf8(binary: pa.LargeBinaryArray) -> tuple[pa.LargeStringArray, np.ndarray]:
    """The texts, empty where they are no UTF-8, and where that is: writers break the promise."""
    try:
        return binary.cast(pa.large_string()), np.zeros(len(binary), bool)
    except pa.ArrowInvalid:
        broken = np.array([not _is_utf8(value.as_py()) for value in binary])
        # Empty, not null: Arrow keeps a null's bytes, and kernels for strings trip over them.
        whole = pc.if_else(pa.array(broken), pa.scalar(b"", pa.large_binary()), binary)
        return whole.cast(pa.large_string()), broken


def _is_utf8(data: bytes | None) -> bool:
    try:
        (data or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


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
            text = take_text(decode_binary(row, spec), spec).encode()
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
    except (ValueError, OverflowError):  # a time or a number that Python does not have
        raise RowError(Reason.WRONG_TYPE) from None


def decode_binary(row: dict[str, Any], spec: TextSpec) -> dict[str, Any]:
    """A row whose texts are strings also where the file keeps them as bytes.

    Raises:
        RowError: If such bytes are no UTF-8.
    """
    try:
        for path in spec.paths:
            row = _decode_at(row, path.split("."))
    except UnicodeDecodeError:
        raise RowError(Reason.INVALID_UTF8) from None
    return row


def _decode_at(value: Any, steps: list[str]) -> Any:
    if not steps:
        return value.decode() if isinstance(value, bytes) else value
    if not isinstance(value, dict) or steps[0] not in value:
        return value
    return {**value, steps[0]: _decode_at(value[steps[0]], steps[1:])}


def _groups(batch: pa.RecordBatch, group_field: str, accepted: np.ndarray) -> list[str | None]:
    name = group_field.split(".")[0]
    if name not in batch.schema.names:
        return [None] * len(accepted)
    groups: list[str | None] = []
    for value in batch.column(name).take(pa.array(accepted)):
        try:
            groups.append(group_name(get_path({name: value.as_py()}, group_field)))
        except (RowError, ValueError, OverflowError):
            groups.append(None)
    return groups


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def schema_errors(shards: Sequence[Shard]) -> list[ShardError]:
    """Parquet shards whose rows cannot stand in one file with those of the shards before.

    A column may be absent, or of a narrower type; that is widened. Unreadable footers are for
    the reader to report.
    """
    merged, errors = pa.schema([]), []
    seen: dict[str, tuple[Shard, pa.DataType]] = {}
    for shard in shards:
        if shard.format != "parquet":
            continue
        try:
            schema = open_parquet(shard).schema_arrow.remove_metadata()
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
