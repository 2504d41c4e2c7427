"""Output files that appear whole or not at all, and text that is safe on a terminal."""

from __future__ import annotations

import os
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from zipsel.errors import OutputError

#: Marks the temporary siblings of unfinished files, so that a later run can clear them away.
TEMPORARY_MARK = ".zipsel-tmp-"


@contextmanager
def write_atomically(path: str) -> Iterator[IO[bytes]]:
    """Open a temporary sibling for writing; on success flush it to disk and rename it.

    Raises:
        OutputError: If any of that fails; the sibling is gone then.
    """
    with temporary_sibling(path) as temporary:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def temporary_sibling(path: str) -> Iterator[str]:
    """Give the name of a sibling that is renamed to ``path`` on success, removed otherwise.

    Raises:
        OutputError: If the directory cannot be made or written.
    """
    directory = os.path.dirname(os.path.abspath(path))
    token = f"{os.getpid()}-{secrets.token_hex(4)}"
    temporary = os.path.join(directory, f".{os.path.basename(path)}{TEMPORARY_MARK}{token}")
    try:
        os.makedirs(directory, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def printable(text: str, limit: int | None = None) -> str:
    """Text on one line for a terminal: control and direction characters become escapes.

    Args:
        text: Anything.
        limit: Characters to keep; an ellipsis marks the cut.
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    return "".join(_escape(character) for character in text)


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    if character in "\n\r\t":
        return " "
    if unicodedata.category(character) in ("Zs", "Zl", "Zp"):
        return " "
    return character.encode("unicode_escape", "backslashreplace").decode()
