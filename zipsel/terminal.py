"""Text from anywhere, made safe to show: on a terminal a control character is a command."""

from __future__ import annotations

import unicodedata


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
