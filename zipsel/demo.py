"""``zipsel demo``: a pool and a target out of the running Python's own standard library.

The pool mixes functions with docstrings, other code, prose of the language reference, docstrings,
licences and non-English texts that ship with Python, each labelled with its kind. The target is
functions with docstrings from modules that the pool does not use, so that what ought to be chosen
is known: code of that kind.
"""

from __future__ import annotations

import ast
import os
import sysconfig
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import IO

import msgspec

from zipsel.engines.local import LocalEngine
from zipsel.errors import OutputError
from zipsel.files import write_atomically
from zipsel.progress import Log
from zipsel.readers import ReadOptions
from zipsel.selection.budgets import Budget
from zipsel.settings import ScoreSettings, SelectSettings

#: Modules whose functions are the target.
_TARGET_MODULES = ("bisect", "heapq", "statistics", "textwrap", "fractions", "random", "colorsys")
_N_SHARDS = 4
_MAX_FILE_BYTES = 400_000
_BLOCK_CHARACTERS = 1200
_BUDGET_BYTES = 200_000


def run_demo(directory: str, workers: int, log: Log, command: list[str]) -> None:
    """Build pool and target, select, and show what came out.

    Raises:
        ZipselError: As ``select`` does.
    """
    from zipsel.pipeline import run_select
    from zipsel.report.summary import print_records, print_summary, stderr_console
    from zipsel.run import Run

    pool, target = os.path.join(directory, "pool"), os.path.join(directory, "target.jsonl")
    output = os.path.join(directory, "subset")
    n_pool, n_target = build(pool, target)
    log.say("built", f"{n_pool:,} pool records in {pool}, {n_target} target examples in {target}")
    settings = ScoreSettings(
        pool=(pool,),
        target=(target,),
        read=ReadOptions(group_field="kind"),
        work_dir=os.path.join(directory, ".zipsel"),
        workers=workers,
    )
    budget = Budget("max_bytes", _BUDGET_BYTES)
    run = Run(settings, log, command, force=True)
    with LocalEngine(workers) as engine:
        report = run_select(run, SelectSettings(budget=budget, output=output), engine)
    if report is None or log.quiet:
        return
    console = stderr_console()
    print_summary(report, console)
    print_records(report.best, console)
    log.say("where", f"subset {output}/subset-00000.jsonl\nreport {output}/report.json")
    log.say(
        "again",
        f"again: zipsel select {pool} --target {target} --output {output} "
        f"--max-bytes {_BUDGET_BYTES} --group-field kind",
    )


def build(pool: str, target: str) -> tuple[int, int]:
    """Write pool shards and target; the same Python gives the same bytes.

    Returns:
        Numbers of pool records and target examples.

    Raises:
        OutputError: If they cannot be written, or this Python has no library source.
    """
    library = Path(sysconfig.get_paths()["stdlib"])
    examples = [text for text in _iter_target(library) if text]
    records = dict(_iter_pool(library))
    for example in examples:
        records.pop(example, None)
    if not examples or not records:
        raise OutputError(f"no source code found below {library}; the demo needs it")
    order = sorted(records, key=lambda text: blake2b(text.encode()).digest())
    os.makedirs(pool, exist_ok=True)
    for i in range(_N_SHARDS):
        with write_atomically(os.path.join(pool, f"part-{i:05d}.jsonl")) as file:
            for text in order[i::_N_SHARDS]:
                _write(file, text, records[text])
    with write_atomically(target) as file:
        for example in examples:
            _write(file, example, "target")
    return len(order), len(examples)


def _write(file: IO[bytes], text: str, kind: str) -> None:
    file.write(msgspec.json.encode({"text": text, "kind": kind}) + b"\n")


def _iter_target(library: Path) -> Iterator[str]:
    for name in _TARGET_MODULES:
        for text, documented in _iter_functions(library / f"{name}.py"):
            if documented:
                yield text


def _iter_pool(library: Path) -> Iterator[tuple[str, str]]:
    """Yield ``(text, kind)``."""
    for path in sorted(library.rglob("*.py")):
        relative = path.relative_to(library)
        if relative.parts[0] in ("site-packages", "dist-packages", "__pycache__"):
            continue
        if path.stem in _TARGET_MODULES or "idlelib" in relative.parts:
            continue
        is_test = relative.parts[0] in ("test", "lib2to3") or "tests" in relative.parts
        if is_test and blake2b(str(relative).encode()).digest()[0] % 4:
            continue
        if relative.parts[0] == "pydoc_data":
            for block in _blocks(_read(path)):
                yield block, "language reference"
            continue
        yield from _iter_module(path, "tests" if is_test else "code")
    for path in sorted(library.rglob("*.txt")):
        if "site-packages" not in path.parts:
            kind = "licences and notes" if path.stem.isupper() else "text files"
            for block in _blocks(_read(path)):
                yield block, kind


def _iter_module(path: Path, kind: str) -> Iterator[tuple[str, str]]:
    source = _read(path)
    if not source.isascii() and len(source.encode()) > 1.2 * len(source):
        for block in _blocks(source):
            yield block, "other languages"
        return
    for text, documented in _iter_functions(path):
        yield text, "documented functions" if documented and kind == "code" else kind
    tree = _parse(source)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Module | ast.ClassDef):
            docstring = ast.get_docstring(node)
            if docstring and len(docstring) > 200:
                yield docstring, "docstrings"


def _iter_functions(path: Path) -> Iterator[tuple[str, bool]]:
    """Top-level functions and methods of a file, and whether each has a docstring."""
    source = _read(path)
    tree = _parse(source)
    if tree is None:
        return
    lines = source.splitlines(keepends=True)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            text = "".join(lines[node.lineno - 1 : node.end_lineno])
            if 120 < len(text) < 6000:
                yield text, ast.get_docstring(node) is not None


def _parse(source: str) -> ast.Module | None:
    """The syntax tree; None for the library's deliberately broken files."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            return None


def _read(path: Path) -> str:
    data = path.read_bytes()[:_MAX_FILE_BYTES]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _blocks(text: str) -> Iterator[str]:
    """Pieces of about ``_BLOCK_CHARACTERS``, cut at blank lines."""
    block = ""
    for paragraph in text.split("\n\n"):
        block += paragraph + "\n\n"
        if len(block) >= _BLOCK_CHARACTERS:
            yield block.strip()
            block = ""
    if len(block.strip()) > 200:
        yield block.strip()
