"""A batch of Arrow columns → its texts, and a reject for every row that has none.

A text that is one column of strings or bytes goes from Arrow's buffers to the scorer without
becoming a Python object. Templates and chats need the row, and pay for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zipsel.errors import NoTextError, ShardError
from zipsel.readers.convert import value_of
from zipsel.readers.reading import CHAT_FIELDS, Reading, TextSpec
from zipsel.readers.row_text import get_path, group_name, take_text
from zipsel.readers.rows import SNIPPET_BYTES, Reason, RowBatch, RowError, Taken, list_names
from zipsel.readers.table_rows import decode_values, is_view, plain_type
from zipsel.texts import SLACK_BYTES, TextBatch


def read_batch(batch: pa.RecordBatch, reading: Reading) -> RowBatch:
    """Take the texts of a batch that holds the columns that they are made of."""
    binary, found, taken = _binary_column(batch, reading.text), "", Taken()
    if binary is not None:
        accepted, texts, rejects = _take_binary(binary, reading)
    else:
        accepted, texts, rejects, found = _take_rows(batch, reading, taken)
    groups = _groups(batch, reading.group_field, accepted) if reading.group_field else []
    offsets = np.full(batch.num_rows, -1, np.int64)
    return RowBatch(offsets, texts, accepted, rejects, groups, found=found, taken=taken)


def column_of(names: Sequence[str], path: str) -> str:
    """The column that a dotted path begins in; one of just that name comes first."""
    return path if path in names else path.split(".")[0]


def check_columns(names: Sequence[str], path: str, reading: Reading) -> None:
    """Raise unless the columns that the text is made of exist, and each column has its own name.

    Of two columns with one name, a JSON object would lose one.

    Raises:
        ShardError: Naming the columns that there are; ``NoTextError`` if the text is not there.
    """
    wanted = [column_of(names, field) for field in reading.text.paths]
    missing = [name for name in wanted if name not in names]
    enough = {"template": len(wanted), "field": 1}.get(reading.text.kind, 1)
    if reading.text.kind == "chat":
        wanted, missing = list(CHAT_FIELDS), [name for name in CHAT_FIELDS if name not in names]
    if len(wanted) - len(missing) < enough:
        shown = " or ".join(map(repr, missing[:2] if enough == 1 else missing[:1]))
        problem = f"has no column {shown}; it has {list_names(names) or 'none'}"
        raise NoTextError(path, problem)
    double = next((name for name, count in Counter(names).items() if count > 1), None)
    if double is not None:
        problem = f"has {names.count(double)} columns named {double!r}; name each its own"
        raise ShardError(path, problem)


def pick_columns(names: Sequence[str], path: str, reading: Reading) -> list[str]:
    """The columns that texts and groups are made of, in the order of the file."""
    check_columns(names, path, reading)
    paths = [*reading.text.paths, reading.group_field or ""]
    wanted = {column_of(names, path) for path in paths}
    return [name for name in names if name in wanted]


def damaged_rows(n_rows: int, problem: str) -> RowBatch:
    """Rows that cannot be read, in a file that is being salvaged."""
    return RowBatch(
        offsets=np.full(n_rows, -1, np.int64),
        texts=TextBatch.from_encoded([]),
        accepted=np.zeros(0, np.int64),
        rejects={i: (Reason.DAMAGED, b"") for i in range(n_rows)},
        groups=[],
        damage=problem,
    )


def _binary_column(batch: pa.RecordBatch, spec: TextSpec) -> pa.LargeBinaryArray | None:
    """The bytes of the text column; None where the text must be taken row by row."""
    if spec.kind != "field" or len(spec.paths) > 1:
        return None
    (path,) = spec.paths
    name = column_of(batch.schema.names, path)
    column = batch.column(name)
    for step in path.removeprefix(name).split(".")[1:]:
        if not pa.types.is_struct(column.type) or column.type.get_field_index(step) < 0:
            return None
        column = pc.struct_field(column, step)
    column = decode_values(column)
    if not any(is_kind(column.type) for is_kind in _IS_TEXT):
        return None
    try:
        if is_view(column.type):
            column = column.cast(plain_type(column.type))
        return column.cast(pa.large_binary())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


_IS_TEXT = (
    is_view,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
)


def _take_binary(
    binary: pa.LargeBinaryArray, reading: Reading
) -> tuple[np.ndarray, TextBatch, dict[int, tuple[Reason, bytes]]]:
    lengths = pc.fill_null(pc.binary_length(binary), 0).to_numpy(zero_copy_only=False)
    valid = binary.is_valid().to_numpy(zero_copy_only=False)
    long = lengths > reading.max_row_bytes
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
    """The texts, empty where they are null or no UTF-8, and where the latter is.

    Empty, not null: Arrow keeps a null's bytes, and kernels for strings trip over them.
    """
    if binary.null_count:
        binary = pc.fill_null(binary, pa.scalar(b"", pa.large_binary()))
    try:
        return binary.cast(pa.large_string()), np.zeros(len(binary), bool)
    except pa.ArrowInvalid:
        broken = np.array([not is_utf8(value.as_py()) for value in binary])
        whole = pc.if_else(pa.array(broken), pa.scalar(b"", pa.large_binary()), binary)
        return whole.cast(pa.large_string()), broken


def is_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8."""
    try:
        data.decode()
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
    batch: pa.RecordBatch, reading: Reading, taken: Taken
) -> tuple[np.ndarray, TextBatch, dict[int, tuple[Reason, bytes]], str]:
    texts: list[bytes] = []
    accepted: list[int] = []
    found = ""
    rejects: dict[int, tuple[Reason, bytes]] = {}
    for i in range(batch.num_rows):
        row: dict[str, Any] = {}
        try:
            row = _to_row(batch, i)
            text = take_text(decode_binary(row, reading.text), reading.text, taken).encode()
            if len(text) > reading.max_row_bytes:
                raise RowError(Reason.TOO_LONG)
        except RowError as error:
            snippet = repr(row)[:SNIPPET_BYTES].encode(errors="replace")[:SNIPPET_BYTES]
            rejects[i] = (error.reason, snippet)
            found = found or error.found
            continue
        texts.append(text)
        accepted.append(i)
    return np.array(accepted, np.int64), TextBatch.from_encoded(texts), rejects, found


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
            row = _decode_at(row, [path] if path in row else path.split("."))
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
    name = column_of(batch.schema.names, group_field)
    if name not in batch.schema.names:
        return [None] * len(accepted)
    groups: list[str | None] = []
    column = batch.column(name)
    for i in accepted.tolist():  # of views, Arrow takes no rows
        try:
            groups.append(group_name(get_path({name: value_of(column[i])}, group_field)))
        except (RowError, ValueError, OverflowError, pa.ArrowException):
            groups.append(None)
    return groups
