"""How rows become texts: the options of reading, which every door to them shares."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from zipsel.console.values import Name, parse_size
from zipsel.errors import UsageError

DEFAULT_MAX_ROW_BYTES = 64 << 20

_TEMPLATE_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

#: Fields of which one has a chat's turns or its answer, and fields that may stand beside them.
CHAT_FIELDS = (
    "messages", "conversations", "prompt", "input",
    "completion", "chosen", "output", "preferred_output",
)  # fmt: skip
CHAT_FIELDS_BESIDE = (
    "system", "instructions", "tools", "functions", "rejected", "non_preferred_output",
)  # fmt: skip

#: Kinds of a chat's parts, and those that are written where nothing else is asked for: the same
#: definitions of tools in every row would hide what the rows differ in.
CHAT_PARTS = (
    "system", "user", "assistant", "reasoning", "calls", "results", "media", "tools",
)  # fmt: skip
DEFAULT_CHAT_PARTS = CHAT_PARTS[:-1]


def _read_chat_parts(text: str) -> str:
    names = {name.strip() for name in text.split(",")}
    if names - set(CHAT_PARTS):
        raise ValueError(text)
    return ",".join(name for name in CHAT_PARTS if name in names)


ChatParts = Annotated[
    str,
    Meta(
        description=f"some of {', '.join(CHAT_PARTS)}, with commas between them",
        extra={"parse": _read_chat_parts, "metavar": "KIND,..."},
    ),
]


@dataclass(frozen=True)
class TextSpec:
    """Where the text of a row is found.

    Attributes:
        kind: ``field``, ``template`` or ``chat``.
        value: A dotted path, or several with commas between them, of which a row's first counts
            that is there; the template; the parts of a chat that are written, empty for the usual.
    """

    kind: Literal["field", "template", "chat"] = "field"
    value: str = "text"

    def __post_init__(self) -> None:
        """Refuse an empty path and a template that is none (``UsageError``)."""
        if self.kind == "field" and not all(all(path.split(".")) for path in self.paths):
            raise UsageError(f"text field {self.value!r} is not a dotted path such as 'meta.body'")
        if self.kind == "template" and not self.paths:
            raise UsageError(f"template {self.value!r} names no field; write {{question}} for one")

    @property
    def paths(self) -> list[str]:
        """The dotted paths that the text is made of."""
        if self.kind == "field":
            paths = self.value.split(",")
            return paths if len(paths) == 1 else [path.strip() for path in paths]
        if self.kind == "chat":
            return [*CHAT_FIELDS, *CHAT_FIELDS_BESIDE]
        return [part for is_path, part in parse_template(self.value) if is_path]

    @property
    def chat_parts(self) -> tuple[str, ...]:
        """The kinds of a chat's parts that are written."""
        return tuple(self.value.split(",")) if self.value else DEFAULT_CHAT_PARTS


#: Rows in memory are whole, so a limit that no memory could hold would be none.
RowLimit = Annotated[
    int,
    Meta(
        ge=1024,
        le=1 << 40,
        description="a size of 1 KiB to 1 TiB, such as 64MiB",
        extra={"parse": parse_size, "metavar": "SIZE"},
    ),
]


def _read_delimiter(text: str) -> str:
    one = "\t" if text == "\\t" else text
    if len(one) != 1 or not one.isascii() or one in '"\r\n\0':
        raise ValueError(text)
    return one


def _read_encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError(name) from None
    return name


Delimiter = Annotated[
    str,
    Meta(description="one ASCII character, such as ';' or \\t", extra={"parse": _read_delimiter}),
]

Encoding = Annotated[
    str,
    Meta(
        description="the name of an encoding, such as utf-16 or cp1252",
        extra={"parse": _read_encoding},
    ),
]


class Reading(msgspec.Struct, frozen=True):
    """How rows become texts; part of every score key.

    Attributes:
        text: Where the text of a row is found.
        group_field: Dotted path of the group, or None.
        max_row_bytes: Longer rows are refused.
        zstd_long: Accept zstd windows up to 2 GiB, which cost as much memory.
        delimiter: Between fields of CSV and TSV; None for a comma, a tab.
        encoding: Of CSV and TSV.
        quotes: Whether quote marks around fields of CSV and TSV are no part of them.
    """

    text: TextSpec = TextSpec()
    group_field: Name | None = None
    max_row_bytes: RowLimit = DEFAULT_MAX_ROW_BYTES
    zstd_long: bool = msgspec.field(default=False, name="long")
    delimiter: Delimiter | None = None
    encoding: Encoding = "utf-8"
    quotes: bool = True

    @property
    def csv_options(self) -> list[str]:
        """The options given that only CSV and TSV have."""
        given = {
            "--delimiter": self.delimiter is not None,
            "--encoding": self.encoding != "utf-8",
            "--no-quotes": not self.quotes,
        }
        return [option for option, is_given in given.items() if is_given]


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
