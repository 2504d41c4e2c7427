"""What to do about refused rows: the option or the repair that fits the reason."""

from __future__ import annotations

from zipsel.readers.reading import TextSpec
from zipsel.readers.rows import Reason

_MAX_ROWS = "allow longer rows, and their memory: --max-row-bytes SIZE"
_REPAIR = "repair the file, or convert it to JSONL with one object a line"

#: Reason → advice. Rows that just have no text need none but to be left out.
_ADVICE = {
    Reason.INVALID_JSON: _REPAIR,
    Reason.TRAILING_GARBAGE: _REPAIR,
    Reason.TRUNCATED: _REPAIR,
    Reason.NOT_AN_OBJECT: _REPAIR,
    Reason.TOO_DEEP: "flatten them",
    Reason.INVALID_UTF8: (
        "convert the file to UTF-8, or name the encoding of CSV and TSV, such as --encoding cp1252"
    ),
    Reason.TOO_LONG: _MAX_ROWS,
    Reason.NULL: "remove them",
    Reason.EMPTY: "remove them",
    Reason.WRONG_COLUMNS: "quote values that hold the separator",
    Reason.UNKNOWN_PART: "convert the chats to text parts",
    Reason.DAMAGED: "fetch or write the file again",
}


def advise(reason: str, text: TextSpec, found: str, prefix: str = "") -> str:
    """What refused rows lack, what they have instead, and what to do.

    ``prefix`` is ``target-`` for rows of a target, whose options begin so.
    """
    has = f"; the first has {found}" if found else ""
    if reason == Reason.MISSING_FIELD:
        return f"they have no {_wanted(text)}{has}; {name_text(text, found, prefix)}"
    if reason == Reason.WRONG_TYPE:
        if text.kind == "chat":
            return (
                "their messages or conversations are no list of objects whose content is a string "
                "or a list of parts; convert the chats to such turns"
            )
        return f"their {_wanted(text)} is no string{has}; {name_text(text, found, prefix)}"
    return _ADVICE.get(Reason(reason), _REPAIR)


def _wanted(text: TextSpec) -> str:
    if text.kind == "chat":
        return "messages or conversations"
    return f"field {text.value!r}" if text.kind == "field" else f"field of {text.value!r}"


def name_text(text: TextSpec, found: str, prefix: str = "") -> str:
    """The options that say where a text is."""
    options = f"name the text: --{prefix}text-field NAME or --{prefix}template"
    is_chat = any(name in found.split(", ") for name in ("messages", "conversations"))
    if text.kind != "chat" and (is_chat or not found):
        options += f", or its turns: --{prefix}chat"
    return f"{options} (else the pool's --text-field or --template counts)" if prefix else options
