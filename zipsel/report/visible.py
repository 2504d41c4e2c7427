"""Text from anywhere made visible and inert, in HTML and in Markdown.

Escaping keeps markup from being markup. It does not keep a right-to-left override from turning
the page around, or an invisible character from hiding: those are written out as their names.
"""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup, escape

from zipsel.console.safe_text import cut, is_plain, name_of, printable

#: ASCII characters that are not shown as they are.
_ASCII_MARKED = re.compile("[\x00-\x08\x0b-\x1f\x7f]")

#: Marks on one letter beyond which they pile up over the lines around.
_MAX_MARKS = 4


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


def code(text: str, limit: int | None = None) -> str:
    """Text as a Markdown code span that holds in a table cell: nothing in it is markup."""
    shown = printable(text, limit).strip() or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}".replace("|", "\\|")


def prose(text: str, limit: int | None = None) -> str:
    """A sentence for Markdown that may hold names from outside: no character of it is markup."""
    return re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", printable(text, limit))
