"""Which field, or fields, of rows hold their text, where nobody has said so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from zipsel.readers.reading import TextSpec
from zipsel.readers.row_text import take_text
from zipsel.readers.rows import RowError

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


def iter_refused(rows: Sequence[Mapping[str, Any]], spec: TextSpec) -> Iterator[str]:
    """Yield why rows have no text."""
    for row in rows:
        try:
            take_text(row, spec)
        except RowError as error:
            yield error.reason.value


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
    labels = [one for one in by_size if is_label(one, len(rows))]
    others = [one for one in by_size if one not in labels]
    if named:
        specs += _covering(rows, [*named, *others])
    specs += [_spec_of(one.name) for one in others]
    specs += _covering(rows, others)
    specs += [_spec_of(one.name) for one in labels]
    for spec in specs:
        taken = len(rows) - sum(1 for _ in iter_refused(rows, spec))
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
        lacking = [row for row in left if any(iter_refused([row], spec))]
        if len(lacking) < len(left):
            left, found = lacking, [*found, one.name]
    return [TextSpec("field", ",".join(found))] if found else []


def is_label(one: Field, n_rows: int) -> bool:
    """Whether a field's few short values divide the rows."""
    return (
        one.kinds == ["text"]
        and one.n_rows > n_rows / 2
        and 1 < one.n_values <= min(20, n_rows // 4)
        and (one.median_bytes or 0) <= _LABEL_LENGTH
    )
