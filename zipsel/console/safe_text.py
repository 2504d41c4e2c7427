"""Text from anywhere, made safe to show: on a terminal a control character is a command."""

from __future__ import annotations

import unicodedata

#: Joiners that emoji and several scripts need, and that do no harm.
_HARMLESS = "\u200c\u200d"


def human_bytes(n_bytes: float) -> str:
    """A size in the unit that keeps it short, decimal."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def cut(text: str, limit: int) -> str:
    """The first characters of a text, with an ellipsis if there are more."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_plain(character: str) -> bool:
    """Whether a character may stand as it is, line breaks and tabs not considered."""
    category = unicodedata.category(character)
    return character in _HARMLESS or not (
        category[0] == "C" or category in ("Zl", "Zp") or character == "\ufeff"
    )


def name_of(character: str) -> str:
    """How a character that may not stand is written."""
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return f"U+{code:04X}"


def plain(text: str, limit: int | None = None) -> str:
    """As ``visible`` on one line, without markup; for titles and terminals."""
    if limit is not None:
        text = cut(text, limit)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " "
        if character in "\n\t\r"
        else character
        if is_plain(character)
        else f"<{name_of(character)}>"
        for character in text
    )


def printable(text: str, limit: int | None = None) -> str:
    """Text on one line for a terminal: control and direction characters become escapes.

    Args:
        text: Anything.
        limit: Characters to keep; an ellipsis marks the cut.
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(_escape(character) for character in text)


def printable_lines(text: str) -> str:
    """As ``printable``, with the line breaks left in."""
    return "\n".join(map(printable, text.split("\n")))


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    if character in "\n\r\t":
        return " "
    if unicodedata.category(character) in ("Zs", "Zl", "Zp"):
        return " "
    return character.encode("unicode_escape", "backslashreplace").decode()
