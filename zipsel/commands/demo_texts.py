"""Texts out of the running Python's own standard library, each with its kind.

Functions with docstrings, other code, tests, docstrings, prose of the language reference,
licences and notes, and texts in other languages: enough kinds to see a selection at work, on
every machine that can run zipsel, and the same bytes for the same Python.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

DOCUMENTED = "documented functions"
_MAX_FILE_BYTES = 400_000
_BLOCK_CHARACTERS = 1200
_LEAST_BLOCK_CHARACTERS = 200
#: Characters of a function: shorter ones say nothing, longer ones are tables of data.
_FUNCTION_CHARACTERS = range(120, 6000)
#: Share of a function that its docstring must be for the function to count as documented.
_DOCUMENTED_SHARE = 0.15
#: The library has as many tests as everything else together; a part of them will do.
_TESTS_KEPT_OF = 6
_TARGET_MODULES_OF = 8
_NOT_THE_LIBRARY = frozenset({"site-packages", "dist-packages", "__pycache__", "idlelib"})


class LibraryText(NamedTuple):
    """A text and where it comes from.

    Attributes:
        text: The text.
        kind: What it is, for people.
        held_out: Whether its module is one that targets are taken from, and the pool is not.
    """

    text: str
    kind: str
    held_out: bool


def iter_library(library: Path) -> Iterator[LibraryText]:
    """Yield the texts of the library in a directory, file by file."""
    for path in sorted(library.rglob("*.py")):
        relative = path.relative_to(library)
        if _NOT_THE_LIBRARY.isdisjoint(relative.parts) and relative.parts[0] != "pydoc_data":
            yield from _iter_module(path, relative)
    for path in sorted(library.rglob("*.txt")):
        if _NOT_THE_LIBRARY.isdisjoint(path.relative_to(library).parts):
            kind = "licences and notes" if path.stem.isupper() else "text files"
            yield from _iter_prose(_read(path), kind)
    yield from _iter_reference()


def _one_in(n: int, name: object) -> bool:
    """Whether a name is one of every n, as chance decides once and for all."""
    return blake2b(str(name).encode()).digest()[0] % n == 0


def _iter_module(path: Path, relative: Path) -> Iterator[LibraryText]:
    is_test = relative.parts[0] in ("test", "lib2to3") or "tests" in relative.parts
    if is_test and not _one_in(_TESTS_KEPT_OF, relative):
        return
    held_out = not is_test and _one_in(_TARGET_MODULES_OF, relative)
    source = _read(path)
    tree = _parse(source)
    if tree is None:
        return
    lines = source.splitlines(keepends=True)
    for node in _iter_statements(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            text = "".join(lines[node.lineno - 1 : node.end_lineno])
            if len(text) in _FUNCTION_CHARACTERS:
                docstring = ast.get_docstring(node) or ""
                kind = DOCUMENTED if len(docstring) >= _DOCUMENTED_SHARE * len(text) else "code"
                yield LibraryText(text, "tests" if is_test else kind, held_out)
        elif isinstance(node, ast.Module | ast.ClassDef):
            docstring = ast.get_docstring(node) or ""
            if len(docstring) >= _LEAST_BLOCK_CHARACTERS:
                yield LibraryText(docstring, "docstrings", held_out)


def _iter_statements(tree: ast.Module) -> Iterator[ast.AST]:
    """The module and the statements in the bodies of its statements."""
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        yield node
        for block in ("body", "orelse", "finalbody"):
            inner = getattr(node, block, ())
            nodes.extend(inner if isinstance(inner, list) else ())


def _iter_reference() -> Iterator[LibraryText]:
    """The chapters that ``help()`` shows; not every Python ships them."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return
    for _, text in sorted(topics.items()):
        yield from _iter_prose(text, "language reference")


def _iter_prose(text: str, kind: str) -> Iterator[LibraryText]:
    """Blocks of some paragraphs."""
    block, rest = "", text.split("\n\n")
    for i, paragraph in enumerate(rest):
        block += paragraph + "\n\n"
        enough = _LEAST_BLOCK_CHARACTERS if i == len(rest) - 1 else _BLOCK_CHARACTERS
        if len(block) >= enough:
            foreign = sum(not character.isascii() for character in block) > 0.2 * len(block)
            yield LibraryText(block.strip(), "other languages" if foreign else kind, False)
            block = ""


def _read(path: Path) -> str:
    """A file's text; empty where it is not UTF-8 or too large to be a text."""
    data = path.read_bytes()
    try:
        return data.decode() if len(data) <= _MAX_FILE_BYTES else ""
    except UnicodeDecodeError:
        return ""


def _parse(source: str) -> ast.Module | None:
    """The syntax tree; None for the library's deliberately broken files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            return None
