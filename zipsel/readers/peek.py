"""What stands in a shard whose fields nobody knows yet: ``zipsel peek``.

The first rows are looked at: which fields they have, how long their texts are, which options would
take a text from them, and what would be refused under these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

import msgspec
import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from zipsel.errors import ShardError
from zipsel.pool.formats import FORMATS
from zipsel.pool.shards import Shard
from zipsel.readers import TableReader, reader_of
from zipsel.readers.guess import Field, guess_text, is_label, iter_fields, iter_refused
from zipsel.readers.json_rows import decode_object
from zipsel.readers.reading import Reading, TextSpec
from zipsel.readers.rows import Lines, Reason, RowError, list_names
from zipsel.readers.shard import iter_shard

#: Rows of a shard that are looked at.
N_ROWS = 500

#: What separates columns where a comma or a tab does not.
_DELIMITERS = (";", "\t", "|", ",")


class Peek(msgspec.Struct, kw_only=True):
    """What a shard begins with.

    Attributes:
        path: The shard.
        n_rows: Rows that were looked at.
        fields: Their fields, in order of appearance.
        options: What takes a text from them, as on the command line; None if nothing does.
        group_field: A field whose values divide the rows, if there is one.
        n_texts: Rows that have a text under these options.
        refused: Reason → rows that would be refused.
        problem: Why no more could be read.
    """

    path: str
    n_rows: int
    fields: list[Field]
    options: dict[str, str | bool] | None
    group_field: str | None
    n_texts: int
    refused: dict[str, int]
    problem: str = ""


def peek(shard: Shard, reading: Reading, given: TextSpec | None = None) -> Peek:
    """Look at the first rows of a shard.

    Args:
        shard: The shard.
        reading: How CSV is read.
        given: Where the text is; None to find out.
    """
    delimiter = _find_delimiter(shard, reading)
    if delimiter is not None:
        reading = replace(reading, delimiter=delimiter)
    rows, refused, problem = _first_rows(shard, reading)
    fields = list(iter_fields(rows))
    spec = given if given is not None else guess_text(rows, fields)
    without = Counter[str]() if spec is None else Counter(iter_refused(rows, spec))
    labels = [one for one in fields if is_label(one, len(rows))]
    options = None if spec is None else _options_of(spec)
    if options is not None and delimiter is not None:
        options["delimiter"] = delimiter
    return Peek(
        path=shard.path,
        n_rows=len(rows),
        fields=fields,
        options=options,
        group_field=labels[0].name if labels else None,
        n_texts=0 if spec is None else len(rows) - without.total(),
        refused=dict(sorted((refused + without).items())),
        problem=problem,
    )


def field_names(shard: Shard, n_rows: int = 20) -> list[str]:
    """Fields of the first rows of a shard, for completion."""
    rows, _, _ = _first_rows(shard, Reading(), n_rows)
    return [one.name for one in iter_fields(rows)]


def _first_rows(
    shard: Shard, reading: Reading, n_rows: int = N_ROWS
) -> tuple[list[dict[str, Any]], Counter[str], str]:
    """Rows, refused rows by reason, and what kept the rest from being read."""
    rows: list[dict[str, Any]] = []
    refused: Counter[str] = Counter()
    try:
        if shard.is_table:
            for batch in _take(shard, reading, n_rows, refused):
                rows += batch.to_pylist()
            return rows, refused, ""
        for line, reason in islice(_iter_lines(shard, reading), n_rows):
            if reason is not None:
                refused[reason.value] += 1
                continue
            try:
                rows.append(decode_object(line))
            except RowError as error:
                refused[error.reason.value] += 1
    except ShardError as error:
        return rows, refused, error.problem
    except (ValueError, OverflowError) as error:  # a time or a number that Python does not have
        return rows, refused, str(error)
    return rows, refused, ""


#: Why a row has no text in one field, although it can be read.
_READABLE = frozenset({Reason.EMPTY, Reason.NULL, Reason.WRONG_TYPE, Reason.MISSING_FIELD})


def _iter_lines(shard: Shard, reading: Reading) -> Iterator[tuple[bytes, Reason | None]]:
    """Yield the lines of a shard that is no table, and why one cannot be read.

    Of a line that is longer than rows may be, only the beginning is there.
    """
    for batch in iter_shard(shard, replace(reading, text=TextSpec())):
        lines = cast(Lines, batch.lines)
        for i in range(batch.n_rows):
            reason = batch.rejects[i][0] if i in batch.rejects else None
            yield lines[i], None if reason in _READABLE else reason


def _take(
    shard: Shard, reading: Reading, n_rows: int, refused: Counter[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the first rows of a table that can be read; count those that cannot."""
    names = cast(TableReader, reader_of(shard)).schema(shard, reading).names
    plain = next((name for name in names if "," not in name and all(name.split("."))), None)
    if plain is None:
        raise ShardError(shard.path, f"has no column with a plain name; it has {list_names(names)}")
    places: list[int] = []
    first_row = 0
    for batch in iter_shard(shard, replace(reading, text=TextSpec("field", plain))):
        for i in range(min(batch.n_rows, n_rows - first_row)):
            reason = batch.rejects[i][0] if i in batch.rejects else None
            if reason is None or reason in _READABLE:
                places.append(first_row + i)
            else:
                refused[reason.value] += 1
        first_row += batch.n_rows
        if first_row >= n_rows:
            break
    yield from reader_of(shard).take(shard, np.array(places, np.int64), reading)


def _find_delimiter(shard: Shard, reading: Reading) -> str | None:
    """The delimiter of a table whose header is one column only by the usual one."""
    if not FORMATS[shard.format].is_delimited or reading.delimiter is not None:
        return None
    try:
        names = cast(TableReader, reader_of(shard)).schema(shard, reading).names
    except ShardError:
        return None
    return next((d for d in _DELIMITERS if len(names) == 1 and d in names[0]), None)


def _options_of(spec: TextSpec) -> dict[str, str | bool]:
    if spec.kind == "chat":
        return {"chat": True, **({"chat_parts": spec.value} if spec.value else {})}
    if spec.kind == "template":
        return {"template": spec.value.replace("\n", "\\n").replace("\t", "\\t")}
    return {} if spec.value == "text" else {"text_field": spec.value}
