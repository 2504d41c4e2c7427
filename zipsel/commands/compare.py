"""What ``zipsel report`` does with one run and with two."""

from __future__ import annotations

import os
from typing import TextIO

import msgspec

from zipsel.console.tables import TableConsole
from zipsel.output.manifest import refuse_foreign
from zipsel.report.card import FILE_NAME as CARD_FILE
from zipsel.report.card import may_write, render_card
from zipsel.report.compare import compare_runs
from zipsel.report.html import render_report
from zipsel.report.print_comparison import print_comparison, render_comparison
from zipsel.report.runs import open_run
from zipsel.scoring.inputs import refuse_overwriting
from zipsel.storage.paths import refuse_no_file
from zipsel.storage.staging import write_atomically


def remake_report(path: str) -> list[str]:
    """Write ``report.html``, and ``README.md`` of a directory, again from ``report.json``.

    A README of the user's stays as it is.

    Returns:
        Paths of the files written.

    Raises:
        UsageError: If there is no report, or a ``report.html`` that zipsel did not write.
        OutputError: If a file cannot be written.
    """
    run = open_run(path)
    written = []
    for name, render in {"report.html": render_report, CARD_FILE: render_card}.items():
        target = os.path.join(run.directory, name)
        if name == CARD_FILE and (run.is_beside_file or not may_write(target)):
            continue
        if name != CARD_FILE:
            refuse_foreign(f"report {path}", run.directory, "select", name.__eq__)
        with write_atomically(target) as file:
            file.write(render(run.report).encode())
        written.append(target)
    return written


def compare(a: str, b: str, html: str | None, as_json: bool, stdout: TextIO) -> None:
    """Compare two runs, on the terminal or as JSON, and as a page if one is named.

    Raises:
        UsageError: If no report stands at either.
        OutputError: If a run's chosen records cannot be read, or the page cannot be written.
    """
    runs = open_run(a), open_run(b)
    if html is not None:
        refuse_no_file("--html", html)
        refuse_overwriting("--html", html, [path for run in runs for path in run.input_paths()])
    both = compare_runs(*runs)
    if html is not None:
        with write_atomically(html) as file:
            file.write(render_comparison(both).encode())
    if as_json:
        encoded = msgspec.json.format(msgspec.json.encode(both), indent=1)
        stdout.write(encoded.decode() + "\n")
        return
    print_comparison(both, TableConsole(file=stdout, highlight=False))
