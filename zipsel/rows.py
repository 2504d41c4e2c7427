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

import msgspec

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


#: Deeper rows are refused. Well below what the parsers bear, which depends on how deep the
#: program itself is at that moment and would differ between workers.
MAX_DEPTH = 500


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


class RowParser:
    """Turns one JSON line into its text and group.

    The common case, a string in a top-level field, is decoded by a typed msgspec struct that
    builds nothing else; any line that this refuses is looked at again, slowly, to accept what
    Python writes (NaN, numbers past 64 bits) and to name what is wrong with the rest. Both ways
    accept the same lines, but for one thing: the struct does not look whether strings that it
    passes over are UTF-8, which is for whoever holds many lines to find out at once.

    Args:
        spec: Where the text is.
        group_field: Dotted path of the group, or None.
    """

    def __init__(self, spec: TextSpec, group_field: str | None = None) -> None:
        self.spec = spec
        self.group_field = group_field
        simple = spec.kind == "field" and "." not in spec.value
        self.decode: Any = None
        self._decoder: Any = None
        if simple and (group_field is None or ("." not in group_field)):
            fields: list[Any] = [("text", str)]
            rename = {"text": spec.value}
            if group_field is not None and group_field != spec.value:
                fields.append(("group", str | int | float | bool | None, None))
                rename["group"] = group_field
            struct = msgspec.defstruct("Row", fields, rename=rename, gc=False)
            self._decoder = msgspec.json.Decoder(struct)
            self.decode = self._decoder.decode

    def parse_lines(
        self, lines: memoryview, n_lines: int
    ) -> tuple[list[str], list[str | None]] | None:
        """Texts and groups of lines that are all acceptable; None if that cannot be said at once.

        Args:
            lines: JSON objects, each on a line of its own.
            n_lines: How many.
        """
        if self._decoder is None:
            return None
        try:
            rows = self._decoder.decode_lines(lines)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        texts = [row.text for row in rows]
        if len(texts) != n_lines or not all(texts) or any(map(str.isspace, texts)):
            return None
        if self.group_field is None:
            return texts, []
        return texts, [group_name(getattr(row, "group", row.text)) for row in rows]

    def parse(self, line: bytes) -> tuple[str, str | None]:
        """Return ``(text, group)`` of a line.

        Raises:
            RowError: If the row is refused.
        """
        if self.decode is not None and not is_too_deep(line):
            try:
                row = self.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                return self.parse_slowly(line)
            text: str = row.text
            if not text or text.isspace():
                raise RowError(Reason.EMPTY)
            if self.group_field is None:
                return text, None
            return text, group_name(getattr(row, "group", text))
        return self.parse_slowly(line)

    def parse_slowly(self, line: bytes) -> tuple[str, str | None]:
        """As ``parse``, by the standard library's decoder and with a reason for everything."""
        row = decode_object(line)
        text = take_text(row, self.spec)
        return text, self._group(row)

    def _group(self, row: dict[str, Any]) -> str | None:
        if self.group_field is None:
            return None
        try:
            return group_name(get_path(row, self.group_field))
        except RowError:
            return None


def decode_object(line: bytes) -> dict[str, Any]:
    """Decode a JSON object as Python's own writer may have written it (NaN, big numbers).

    Raises:
        RowError: If it is not one.
    """
    if is_too_deep(line):
        raise RowError(Reason.TOO_DEEP)
    try:
        row = _decode_json(line.decode())
    except UnicodeDecodeError as error:
        cut = error.end == len(line) and error.reason == "unexpected end of data"
        raise RowError(Reason.TRUNCATED if cut else Reason.INVALID_UTF8) from None
    except json.JSONDecodeError as error:
        raise RowError(_json_problem(error)) from None
    if not isinstance(row, dict):
        raise RowError(Reason.NOT_AN_OBJECT)
    return row


def _decode_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of more digits than Python converts
        return json.loads(text, parse_int=float)


def _json_problem(error: json.JSONDecodeError) -> Reason:
    """Tell a line that was cut off, or that goes on after its end, from one that is wrong."""
    if error.msg == "Extra data":
        return Reason.TRAILING_GARBAGE
    rest = error.doc[error.pos :].strip()
    cut = (
        not rest
        or error.msg.startswith("Unterminated string")
        or (error.msg.startswith("Invalid \\") and len(rest) < len("\\u1234"))
        or any(word.startswith(rest) for word in _JSON_WORDS)
    )
    return Reason.TRUNCATED if cut else Reason.INVALID_JSON


_JSON_WORDS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")

_JSON_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def is_too_deep(line: bytes) -> bool:
    """Whether brackets nest deeper than ``MAX_DEPTH``; quick where there are few."""
    if len(line) <= MAX_DEPTH or line.count(b"[") + line.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for byte in _JSON_STRING.sub(b"", line):
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif byte in b"]}":
            depth -= 1
    return False
