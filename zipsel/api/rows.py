"""Rows that are in memory, kept in files of the work directory: what workers and reports can name.

A file's name is a digest of its content, so that the same rows are the same shard in every run: its
scores are found again, and ``zipsel explain --run`` finds its records.
"""

from __future__ import annotations

import filecmp
import json
import os
import time
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from zipsel.errors import UsageError
from zipsel.storage.workdir import WorkDir

#: Rows that a data set gives at once.
_BATCH_ROWS = 1000


def is_rows(name: str, value: Any) -> bool:
    """Whether a value holds rows itself, and does not name files that do.

    Raises:
        UsageError: If it is a list of texts, where names of files or rows are read.
    """
    if value is None or isinstance(value, str | bytes | os.PathLike | int | float):
        return False
    if isinstance(value, list | tuple):
        texts = [one for one in value if isinstance(one, str)]
        if texts and all(" " in one and not os.path.exists(one) for one in texts):
            raise UsageError(f"{name} holds texts where paths or rows are read; {_remedy(name)}")
        return any(isinstance(one, Mapping) for one in value)
    return True


def keep_rows(name: str, value: Any, work_dir: str) -> str:
    """Write rows to a file of the work directory.

    Args:
        name: Of the argument, for messages.
        value: Mappings, an Arrow table or stream, a data set of Hugging Face ``datasets``, or
            any iterable of mappings.
        work_dir: Where the file goes.

    Returns:
        Its path.

    Raises:
        UsageError: If the value holds something else, or nothing.
    """
    tables = _tables_of(name, value)
    with WorkDir(work_dir).scratch("rows") as folder:
        written = os.path.join(folder, "rows")
        if tables is None:
            suffix, n_rows = "jsonl", _write_lines(name, value, written)
        else:
            suffix, n_rows = "arrow", _write_tables(tables, written)
        if not n_rows:
            raise UsageError(f"{name} holds no row")
        kept = os.path.join(work_dir, "rows")
        os.makedirs(kept, exist_ok=True)
        path = os.path.join(kept, f"{_digest(written)}.{suffix}")
        if os.path.exists(path) and filecmp.cmp(written, path, shallow=False):
            # Another run may be reading it, and would take a new time of change for a new file.
            os.utime(path, ns=(time.time_ns(), os.stat(path).st_mtime_ns))
        else:
            os.replace(written, path)
    return path


def _tables_of(name: str, value: Any) -> Iterable[Any] | None:
    """The value as Arrow tables; None if it is none."""
    if isinstance(value, pa.Table | pa.RecordBatch):
        return [value]
    if isinstance(value, pa.RecordBatchReader):
        batches: Iterable[Any] = value
        return batches
    if isinstance(value, Mapping):
        names = ", ".join(map(str, list(value)[:5]))
        raise UsageError(f"{name} is a mapping of {names}; give one of its values, such as a split")
    if hasattr(value, "with_format") and hasattr(value, "iter"):  # of datasets, also streamed
        if value.features is None:  # of a generator: batches of it may have different columns
            return None
        tables: Iterable[Any] = value.with_format("arrow").iter(batch_size=_BATCH_ROWS)
        return tables
    if hasattr(value, "__arrow_c_stream__"):
        try:
            stream: Iterable[Any] = pa.RecordBatchReader.from_stream(value)
        except pa.ArrowInvalid:  # one column, such as a Series
            raise UsageError(_no_rows(name, value)) from None
        return stream
    if not hasattr(value, "__iter__"):
        raise UsageError(
            f"{name} is a {type(value).__name__}, which gives no rows; give a list of rows, a "
            "data frame or an Arrow table (of a lazy one, what it collects)"
        )
    return None


def _write_tables(tables: Iterable[Any], path: str) -> int:
    writer, n_rows = None, 0
    try:
        for table in tables:
            if writer is None:
                writer = pa.ipc.new_file(path, table.schema)
            writer.write(table)
            n_rows += table.num_rows
    finally:
        if writer is not None:
            writer.close()
    return n_rows


def _write_lines(name: str, rows: Iterable[Any], path: str) -> int:
    n_rows = 0
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            if not isinstance(row, Mapping):
                raise UsageError(_no_rows(name, row))
            try:
                _refuse_other_keys(row)
                file.write(json.dumps(dict(row), ensure_ascii=False))
                file.write("\n")
            except (TypeError, ValueError, RecursionError) as error:
                raise UsageError(
                    f"{name}: row {n_rows} cannot be written as JSON: {error}; give values that "
                    "JSON has, or an Arrow table"
                ) from None
            n_rows += 1
    return n_rows


def _refuse_other_keys(value: Any) -> None:
    """Raise ``TypeError`` for keys that JSON would rename, however deep in a row."""
    if isinstance(value, Mapping):
        other = [key for key in value if not isinstance(key, str)]
        if other:
            raise TypeError(f"the key {other[0]!r} is no text")
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            if not isinstance(one, str):
                _refuse_other_keys(one)


def _no_rows(name: str, found: Any) -> str:
    what = "a text" if isinstance(found, str) else f"a value of type {type(found).__name__}"
    return f"{name} holds {what} where a row is read; {_remedy(name)}"


def _remedy(name: str) -> str:
    return f"texts are rows of one field: {name}=[{{'text': text}} for text in texts]"


def _digest(path: str) -> str:
    digest = blake2b(digest_size=16)
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
