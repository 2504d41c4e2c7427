"""Text from anywhere, made safe to show: to a terminal a control character is a command."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import timedelta

#: Joiners that emoji and several scripts need, and that do no harm.
_HARMLESS = "\u200c\u200d"


def human_bytes(n_bytes: float) -> str:
    """A size in the unit that keeps it short, decimal."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def count_of(n: int, noun: str) -> str:
    """A number and what it counts: 1 row, 2 rows."""
    return f"{n:,} {noun}{'s' * (n != 1)}"


def human_seconds(n_seconds: float) -> str:
    """A time in seconds, or from a minute on in hours, minutes and seconds."""
    return f"{n_seconds:.1f} s" if n_seconds < 60 else str(timedelta(seconds=round(n_seconds)))


def cut(text: str, limit: int) -> str:
    """The first characters of a text, with an ellipsis if there are more."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_plain(character: str) -> bool:
    """Whether a character may be shown as it is; line breaks and tabs may not."""
    category = unicodedata.category(character)
    return character in _HARMLESS or not (
        category[0] == "C" or category in ("Zl", "Zp") or character == "\ufeff"
    )


def name_of(character: str) -> str:
    """The name that is shown for a character that is not plain."""
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else f"U+{code:04X}"


def printable_character(character: str) -> str:
    """A plain character, or the name of any other in angle brackets."""
    return character if is_plain(character) else f"<{name_of(character)}>"


def printable(text: str, limit: int | None = None) -> str:
    """Text on one line: line breaks become spaces, control and direction characters their names."""
    if limit is not None:
        text = cut(text, limit)
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if one in "\n\t\r" else printable_character(one) for one in text)


def name_some(names: Sequence[str], n_most: int, limit: int | None = None) -> str:
    """The first of some names, printable and each cut to a limit, and how many others there are."""
    shown = ", ".join(printable(name, limit) for name in names[:n_most])
    return f"{shown} and {len(names) - n_most:,} more" if len(names) > n_most else shown


def printable_lines(text: str) -> str:
    """As ``printable``, with the line breaks left in."""
    return "\n".join(map(printable, text.split("\n")))
