"""What ``zipsel report`` does with one run and with two."""

from __future__ import annotations

import os
from typing import TextIO

import msgspec

from zipsel.report.runs import iter_report_files, open_run
from zipsel.scoring.inputs import refuse_overwriting
from zipsel.storage.staging import write_atomically


def remake_report(path: str) -> list[str]:
    """Write ``report.html`` and ``report.md`` again from ``report.json``; return their paths.

    Raises:
        UsageError: If no report stands there.
        OutputError: If they cannot be written.
    """
    run = open_run(path)
    written = []
    for name, content in iter_report_files(run.report):
        if name == "report.json":
            continue
        target = os.path.join(run.directory, name)
        with write_atomically(target) as file:
            file.write(content)
        written.append(target)
    return written


def compare(a: str, b: str, html: str | None, as_json: bool, stdout: TextIO) -> None:
    """Compare two runs, on the terminal or as JSON, and as a page if one is named.

    Raises:
        UsageError: If no report stands at either.
        OutputError: If a run's chosen records cannot be read, or the page cannot be written.
    """
    from zipsel.report.compare import compare_runs

    runs = open_run(a), open_run(b)
    if html is not None:
        refuse_overwriting("--html", html, [path for run in runs for path in run.input_paths()])
    both = compare_runs(*runs)
    if html is not None:
        from zipsel.report.print_comparison import render_comparison

        with write_atomically(html) as file:
            file.write(render_comparison(both).encode())
    if as_json:
        encoded = msgspec.json.format(msgspec.json.encode(both), indent=1)
        stdout.write(encoded.decode() + "\n")
        return
    from rich.console import Console

    from zipsel.report.print_comparison import print_comparison

    print_comparison(both, Console(file=stdout, highlight=False))
