"""Text from anywhere made visible and inert, in HTML and in Markdown.

Escaping keeps markup from being markup. It does not keep a right-to-left override from turning
the page around, or an invisible character from hiding: those are written out as their names.
"""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup, escape

#: Joiners that emoji and several scripts need, and that do no harm.
_HARMLESS = "\u200c\u200d"

#: ASCII that may not stand as it is.
_ASCII_MARKED = re.compile("[\x00-\x08\x0b-\x1f\x7f]")

#: Marks on one letter beyond which they pile up over the lines around.
_MAX_MARKS = 4


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


def visible(text: str, limit: int | None = None, *, one_line: bool = True) -> Markup:
    """Text for HTML: escaped, what cannot be seen named, piled-up marks left out.

    Args:
        text: Anything.
        limit: Characters to keep.
        one_line: Make line breaks and tabs spaces.
    """
    if limit is not None:
        text = cut(text, limit)
    if text.isascii() and (text.isprintable() or not _ASCII_MARKED.search(text)):
        return escape(text.replace("\n", " ").replace("\t", " ") if one_line else text)
    parts: list[str] = []
    n_marks = 0
    for character in text:
        n_marks = n_marks + 1 if unicodedata.combining(character) else 0
        if n_marks > _MAX_MARKS:
            continue
        if character in "\n\t":
            parts.append(" " if one_line else character)
        elif is_plain(character):
            parts.append(str(escape(character)))
        else:
            parts.append(f'<b class="ctl">{name_of(character)}</b>')
    return Markup("".join(parts))


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


def code(text: str, limit: int | None = None) -> str:
    """Text as a Markdown code span that holds in a table cell: nothing in it is markup."""
    shown = plain(text, limit).strip() or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}".replace("|", "\\|")


def prose(text: str, limit: int | None = None) -> str:
    """A sentence for Markdown that may hold names from outside: no character of it is markup."""
    return re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", plain(text, limit))
