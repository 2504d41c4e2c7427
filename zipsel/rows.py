"""How the text of a record is taken from a row, and why a row is refused.

A row is a JSON object, or a Parquet row as one. Its text is a field (a dotted path reaches into
nested objects), a template of fields, or a chat. Templates know ``{dotted.path}``, ``{{`` and
``}}`` and nothing else: no attributes, no indexing into Python objects, no format codes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from zipsel.errors import UsageError


class Reason(StrEnum):
    """Why a row is refused."""

    INVALID_JSON = "invalid-json"
    TRAILING_GARBAGE = "trailing-garbage"
    TRUNCATED = "truncated"
    NOT_AN_OBJECT = "not-an-object"
    INVALID_UTF8 = "invalid-utf8"
    TOO_DEEP = "too-deep"
    TOO_LONG = "too-long"
    MISSING_FIELD = "missing-field"
    NULL = "null"
    WRONG_TYPE = "wrong-type"
    EMPTY = "empty"
    WRONG_COLUMNS = "wrong-columns"  # another number of fields than the header
    DAMAGED = "damaged"  # unreadable, in a shard that is being salvaged


class RowError(Exception):
    """A row has no usable text.

    Args:
        reason: What is wrong with it.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


_TEMPLATE_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True)
class TextSpec:
    """Where the text of a row is found.

    Attributes:
        kind: ``field``, ``template`` or ``chat``.
        value: The dotted path, the template; empty for a chat.
    """

    kind: Literal["field", "template", "chat"] = "field"
    value: str = "text"

    def __post_init__(self) -> None:
        """Refuse an empty path and a template that is none.

        Raises:
            UsageError: If a path is empty, or a brace of the template has no partner.
        """
        if self.kind == "field" and not all(self.value.split(".")):
            raise UsageError(f"text field {self.value!r} is not a dotted path such as 'meta.body'")
        if self.kind == "template" and not self.paths:
            raise UsageError(f"template {self.value!r} names no field; write {{question}} for one")

    @property
    def paths(self) -> list[str]:
        """The dotted paths that the text is made of."""
        if self.kind == "field":
            return [self.value]
        if self.kind == "chat":
            return ["messages", "conversations"]
        return [part for is_path, part in parse_template(self.value) if is_path]


def parse_template(template: str) -> list[tuple[bool, str]]:
    """Cut a template into ``(is_path, text)`` parts.

    Raises:
        UsageError: On a lone brace or an empty path.
    """
    parts: list[tuple[bool, str]] = []
    position = 0
    for match in _TEMPLATE_PART.finditer(template):
        parts.append((False, template[position : match.start()]))
        found, path = match.group(0), match.group(1)
        if found in ("{{", "}}"):
            parts.append((False, found[0]))
        elif path and all(path.split(".")):
            parts.append((True, path))
        else:
            raise UsageError(
                f"template {template!r}: {found!r} at character {match.start()} is not a field; "
                "write {name} or {outer.name}, and {{ or }} for a brace"
            )
        position = match.end()
    parts.append((False, template[position:]))
    return [(is_path, text) for is_path, text in parts if text]


def get_path(row: Any, path: str) -> Any:
    """Follow a dotted path through nested objects.

    Raises:
        RowError: ``missing-field`` where a step is absent, ``null`` where one is null,
            ``wrong-type`` where one is no object.
    """
    value = row
    for step in path.split("."):
        if value is None:
            raise RowError(Reason.NULL)
        if not isinstance(value, dict):
            raise RowError(Reason.WRONG_TYPE)
        if step not in value:
            raise RowError(Reason.MISSING_FIELD)
        value = value[step]
    return value


def take_text(row: Any, spec: TextSpec) -> str:
    """Take a row's text.

    Template fields may also be numbers and booleans, written as JSON writes them.

    Raises:
        RowError: If the text is missing, null, of the wrong type, empty or no valid Unicode.
    """
    if not isinstance(row, dict):
        raise RowError(Reason.NOT_AN_OBJECT)
    if spec.kind == "field":
        text = get_path(row, spec.value)
    elif spec.kind == "template":
        text = "".join(
            _plain(get_path(row, part)) if is_path else part
            for is_path, part in parse_template(spec.value)
        )
    else:
        text = _chat_text(row)
    return check_text(text)


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


def _chat_text(row: dict[str, Any]) -> str:
    """``role: content`` paragraphs of ``messages`` (OpenAI) or ``conversations`` (ShareGPT)."""
    field = "messages" if row.get("messages") is not None else "conversations"
    turns = get_path(row, field)
    if turns is None:
        raise RowError(Reason.NULL)
    if not isinstance(turns, list):
        raise RowError(Reason.WRONG_TYPE)
    parts = []
    for turn in turns:
        if not isinstance(turn, dict):
            raise RowError(Reason.WRONG_TYPE)
        role = turn.get("role", turn.get("from"))
        content = _content_text(turn.get("content", turn.get("value")))
        parts.append(f"{role}: {content}" if isinstance(role, str) else content)
    return "\n\n".join(parts)


def _content_text(content: Any) -> str:
    """A turn's content: a string, or a list of parts of which the texts count."""
    if isinstance(content, str):
        return content
    if content is None:  # a tool call without words
        return ""
    if not isinstance(content, list):
        raise RowError(Reason.WRONG_TYPE)
    texts = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            texts.append(text)
    return "\n".join(texts)


def group_name(value: Any) -> str | None:
    """A group value as the sidecar keeps it: strings as they are, scalars as JSON, else none."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    return json.dumps(value) if isinstance(value, bool | int | float) else None
