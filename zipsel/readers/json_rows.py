"""One JSON line → its text and group, or the reason why it is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec

from zipsel.readers.reading import TextSpec
from zipsel.readers.row_text import get_path, group_name, take_text
from zipsel.readers.rows import Reason, RowError, Taken

#: Deeper rows are refused. Well below what the parsers bear, which depends on how deep the
#: program itself is at that moment and would differ between workers.
MAX_DEPTH = 500

#: A name with one of these is a dotted path, or no name that a msgspec struct can have.
_NOT_IN_STRUCTS = re.compile(r'[.\\"\x00-\x1f\ud800-\udfff]')


class RowParser:
    """Turns one JSON line into its text and group.

    The common case, a string in a top-level field, is decoded by a typed msgspec struct that
    builds nothing else. Any line that the struct refuses is decoded again by the standard library,
    which accepts what Python writes (NaN, numbers past 64 bits) and names what is wrong. Both
    accept the same lines but for one thing: the struct does not check whether the strings that it
    skips are UTF-8, so callers must check UTF-8 for the whole chunk. It keeps nothing of a row, so
    that threads can share it.
    """

    def __init__(self, spec: TextSpec, group_field: str | None = None) -> None:
        self.spec = spec
        self.group_field = group_field
        self.decode: Any = None
        self._decoder: Any = None
        names = [spec.value, group_field or ""]
        if (
            spec.kind == "field"
            and len(spec.paths) == 1
            and not any(map(_NOT_IN_STRUCTS.search, names))
        ):
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
        """Texts and groups of lines, if all are acceptable; None if that cannot be said at once."""
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

    def parse(self, line: bytes, taken: Taken | None = None) -> tuple[str, str | None]:
        """Return ``(text, group)`` of a line.

        Args:
            line: The line.
            taken: Counts where the text came from, if given.

        Raises:
            RowError: If the row is refused.
        """
        if self.decode is not None and not is_too_deep(line):
            try:
                row = self.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                return self.parse_slowly(line, taken)
            text: str = row.text
            if not text or text.isspace():
                raise RowError(Reason.EMPTY)
            if self.group_field is None:
                return text, None
            return text, group_name(getattr(row, "group", text))
        return self.parse_slowly(line, taken)

    def parse_slowly(self, line: bytes, taken: Taken | None = None) -> tuple[str, str | None]:
        """As ``parse``, by the standard library's decoder and with a reason for everything."""
        row = decode_object(line)
        text = take_text(row, self.spec, taken)
        return text, self._group(row)

    def _group(self, row: dict[str, Any]) -> str | None:
        if self.group_field is None:
            return None
        try:
            return group_name(get_path(row, self.group_field))
        except RowError:
            return None


def _decode_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of more digits than Python converts
        return json.loads(text, parse_int=float)


def decode_object(line: bytes, decode: Callable[[str], Any] = _decode_json) -> dict[str, Any]:
    """Decode a JSON object as Python's own writer may have written it (NaN, big numbers).

    Raises:
        RowError: If it is not one.
    """
    if is_too_deep(line):
        raise RowError(Reason.TOO_DEEP)
    try:
        row = decode(line.decode())
    except UnicodeDecodeError as error:
        cut = error.end == len(line) and error.reason == "unexpected end of data"
        raise RowError(Reason.TRUNCATED if cut else Reason.INVALID_UTF8) from None
    except json.JSONDecodeError as error:
        raise RowError(_json_problem(error)) from None
    if not isinstance(row, dict):
        raise RowError(Reason.NOT_AN_OBJECT)
    return row


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
