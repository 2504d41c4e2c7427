"""How the text of a record is taken from a row, and why a row is refused.

A row is a JSON object, or a Parquet row as one. Its text is a field (a dotted path reaches into
nested objects), a template of fields, or a chat. Templates know ``{dotted.path}``, ``{{`` and
``}}`` and nothing else: no attributes, no indexing into Python objects, no format codes.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from zipsel.readers.chat import chat_text
from zipsel.readers.reading import TextSpec, parse_template
from zipsel.readers.rows import Reason, RowError, Taken


def get_path(row: Any, path: str) -> Any:
    """Follow a dotted path through nested objects.

    A key that is the whole path comes first; below, a key that is all the rest of it comes last.

    Raises:
        RowError: ``missing-field`` where a step is absent, ``null`` where one is null,
            ``wrong-type`` where one is no object.
    """
    value: Any = row
    rest: str | None = path
    while rest is not None:
        if value is None:
            raise RowError(Reason.NULL)
        if not isinstance(value, dict):
            raise RowError(Reason.WRONG_TYPE)
        step, dot, after = rest.partition(".")
        if rest in value and (value is row or step not in value):
            return value[rest]
        if step not in value:
            raise RowError(Reason.MISSING_FIELD, value)
        value, rest = value[step], after if dot else None
    return value


def take_text(row: Any, spec: TextSpec, taken: Taken | None = None) -> str:
    """Take a row's text.

    Template fields may also be numbers and booleans, written as JSON writes them.

    Args:
        row: The row.
        spec: Where its text is.
        taken: Counts where the text came from, if given.

    Raises:
        RowError: If the text is missing, null, of the wrong type, empty or no valid Unicode.
    """
    if not isinstance(row, dict):
        raise RowError(Reason.NOT_AN_OBJECT)
    if spec.kind == "field":
        text = _first_field(row, spec.paths, taken)
    elif spec.kind == "template":
        text = "".join(
            _plain(get_path(row, part)) if is_path else part
            for is_path, part in parse_template(spec.value)
        )
    else:
        text, left_out = chat_text(row, spec.chat_parts)
        if taken is not None and check_text(text):
            taken.left_out += left_out
    return check_text(text)


def _first_field(row: dict[str, Any], paths: list[str], taken: Taken | None) -> Any:
    """The first of several fields that is there and not null."""
    if len(paths) == 1:
        return get_path(row, paths[0])
    errors = []
    for path in paths:
        try:
            text = check_text(get_path(row, path))
        except RowError as error:
            if error.reason not in (Reason.MISSING_FIELD, Reason.NULL, Reason.EMPTY):
                raise
            errors.append(error)
            continue
        if taken is not None:
            taken.fields[path] += 1
        return text
    there = [error for error in errors if error.reason != Reason.MISSING_FIELD]
    raise (there or errors)[0]


def check_text(text: Any) -> str:
    """Return the text if it can be scored.

    Raises:
        RowError: If it is null, no string, only white space, or holds a lone surrogate.
    """
    if text is None:
        raise RowError(Reason.NULL)
    if not isinstance(text, str):
        raise RowError(Reason.WRONG_TYPE)
    if not text or text.isspace():
        raise RowError(Reason.EMPTY)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RowError(Reason.INVALID_UTF8) from None
    return text


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        raise RowError(Reason.NULL)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise RowError(Reason.WRONG_TYPE)


def group_name(value: Any) -> str | None:
    """A group value as the sidecar keeps it: strings as they are, scalars as JSON, else none.

    A table's dates, times, decimals and bytes are the strings that its row has as JSON.
    """
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if value is None or isinstance(value, dict | list | tuple):
        return None
    written: str = msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))
    return written
