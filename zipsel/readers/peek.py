"""What stands in a shard whose fields nobody knows yet: ``zipsel peek``.

The first rows are looked at: which fields they have, how long their texts are, which options would
take a text from them, and what would be refused under these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
from zipsel.readers.json_rows import decode_object
from zipsel.readers.reading import Reading, TextSpec
from zipsel.readers.row_text import take_text
from zipsel.readers.rows import Lines, Reason, RowError, list_names
from zipsel.readers.shard import iter_shard

#: Rows of a shard that are looked at.
N_ROWS = 500

#: What separates columns where a comma or a tab does not.
_DELIMITERS = (";", "\t", "|", ",")

#: Objects within objects that are looked into.
_DEPTH = 3

#: Distinct values that a field keeps, to tell a label from a text.
_N_VALUES = 50

#: Names of texts, the likeliest first, where several fields hold texts.
_TEXT_NAMES = ("text", "content", "body", "document", "code", "raw_content", "article", "markdown")

#: Fields that make one text together.
_TOGETHER = (
    ("instruction", "input", "output"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    ("problem", "solution"),
    ("query", "response"),
)

#: Fields of different rows that are named as one text, at most.
_N_TOGETHER = 8

#: How much shorter one of them may be than another: a title is no text of rows that lack a body.
_N_TIMES_SHORTER = 4

#: Longest median of a label, and the characters of an example that are shown.
_LABEL_LENGTH, _SHOWN = 40, 60


class Field(msgspec.Struct, kw_only=True):
    """A field of the rows that were looked at.

    Attributes:
        name: Dotted path.
        n_rows: Rows that have it, not null.
        kinds: Kinds of its values.
        median_bytes: Of its strings; None without any.
        longest_bytes: Likewise.
        n_values: Distinct strings, up to 50.
        example: How its first string begins.
    """

    name: str
    n_rows: int
    kinds: list[str]
    median_bytes: int | None = None
    longest_bytes: int | None = None
    n_values: int = 0
    example: str = ""


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
    without = Counter[str]() if spec is None else Counter(_refused(rows, spec))
    labels = [one for one in fields if _is_label(one, len(rows))]
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


def _refused(rows: Sequence[Mapping[str, Any]], spec: TextSpec) -> Iterator[str]:
    """Yield why rows have no text."""
    for row in rows:
        try:
            take_text(row, spec)
        except RowError as error:
            yield error.reason.value


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


def iter_fields(rows: Sequence[Mapping[str, Any]]) -> Iterator[Field]:
    """Yield the fields of rows, in the order in which they first occur."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in _flat(row, "", _DEPTH):
            found.setdefault(name, []).append(value)
    for name, values in found.items():
        there = [value for value in values if value is not None]
        strings = [value for value in there if isinstance(value, str)]
        sizes = sorted(len(value.encode(errors="replace")) for value in strings)
        distinct = set(islice(dict.fromkeys(strings), _N_VALUES))
        yield Field(
            name=name,
            n_rows=len(there),
            kinds=list(dict.fromkeys(_kind_of(value) for value in there)) or ["null"],
            median_bytes=sizes[len(sizes) // 2] if sizes else None,
            longest_bytes=sizes[-1] if sizes else None,
            n_values=len(distinct),
            example=strings[0][:_SHOWN] if strings else "",
        )


def _flat(row: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict) and value and depth > 1:
            yield from _flat(value, f"{prefix}{name}.", depth - 1)
        else:
            yield f"{prefix}{name}", value


_KINDS = {str: "text", bool: "true/false", int: "number", float: "number", bytes: "bytes",
          dict: "object"}  # fmt: skip


def _kind_of(value: Any) -> str:
    if isinstance(value, list):
        return f"list of {_kind_of(value[0])}" if value else "list"
    return _KINDS.get(type(value), type(value).__name__)


def guess_text(rows: Sequence[Mapping[str, Any]], fields: Sequence[Field]) -> TextSpec | None:
    """Where the text of rows seems to be; None where no field holds one."""
    specs = [TextSpec("chat", "")]
    texts = {one.name: one for one in fields if "text" in one.kinds}
    specs += [TextSpec("field", name) for name in _TEXT_NAMES if name in texts]
    for names in _TOGETHER:
        if all(name in texts for name in names):
            specs.append(TextSpec("template", "\\n".join(f"{{{name}}}" for name in names)))
    named = [texts[name] for name in _TEXT_NAMES if name in texts]
    by_size = sorted(texts.values(), key=lambda one: -(one.median_bytes or 0) * one.n_rows)
    labels = [one for one in by_size if _is_label(one, len(rows))]
    others = [one for one in by_size if one not in labels]
    if named:
        specs += _covering(rows, [*named, *others])
    specs += [_spec_of(one.name) for one in others]
    specs += _covering(rows, others)
    specs += [_spec_of(one.name) for one in labels]
    for spec in specs:
        taken = len(rows) - sum(1 for _ in _refused(rows, spec))
        if taken and taken >= len(rows) / 2:
            return spec
    return _spec_of(by_size[0].name) if by_size else None


def _spec_of(name: str) -> TextSpec:
    """A field as a text; of a name with a comma, which parts names, by a template."""
    return TextSpec("template", f"{{{name}}}") if "," in name else TextSpec("field", name)


def _covering(rows: Sequence[Mapping[str, Any]], fields: Sequence[Field]) -> list[TextSpec]:
    """One text of fields of which rows have one or another, if there are such.

    Each field is the text of rows that have none before it, and about as long.
    """
    left, found = list(rows), list[str]()
    longest = max((one.median_bytes or 0 for one in fields), default=0)
    for one in fields:
        is_long = _N_TIMES_SHORTER * (one.median_bytes or 0) >= longest
        if "," in one.name or not is_long or len(found) == _N_TOGETHER:
            continue
        spec = TextSpec("field", one.name)
        lacking = [row for row in left if any(_refused([row], spec))]
        if len(lacking) < len(left):
            left, found = lacking, [*found, one.name]
    return [TextSpec("field", ",".join(found))] if found else []


def _is_label(one: Field, n_rows: int) -> bool:
    """Whether a field's few short values divide the rows."""
    return (
        one.kinds == ["text"]
        and one.n_rows > n_rows / 2
        and 1 < one.n_values <= min(20, n_rows // 4)
        and (one.median_bytes or 0) <= _LABEL_LENGTH
    )


def _options_of(spec: TextSpec) -> dict[str, str | bool]:
    if spec.kind == "chat":
        return {"chat": True, **({"chat_parts": spec.value} if spec.value else {})}
    if spec.kind == "template":
        return {"template": spec.value.replace("\n", "\\n").replace("\t", "\\t")}
    return {} if spec.value == "text" else {"text_field": spec.value}
