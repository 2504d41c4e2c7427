"""``zipsel demo``: a pool and a target out of the running Python's own standard library.

The pool mixes functions with docstrings, other code, prose of the language reference, docstrings,
licences and non-English texts that ship with Python, each labelled with its kind. The target is
functions with docstrings from one module in eight, which the pool does not use, so that what ought
to be chosen is known: code of that kind.
"""

from __future__ import annotations

import os
import sysconfig
from hashlib import blake2b
from pathlib import Path
from shlex import quote
from typing import IO

import msgspec

from zipsel.commands.demo_texts import DOCUMENTED, iter_library
from zipsel.commands.select import run_select
from zipsel.commands.start import show
from zipsel.console.messages import Log, stderr_console
from zipsel.engines.local import LocalEngine
from zipsel.errors import OutputError
from zipsel.output.manifest import MANIFEST, Manifest, SideFile, refuse_foreign
from zipsel.readers.reading import Reading
from zipsel.report.print_run import print_records
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.selection.budgets import Budget
from zipsel.selection.settings import SelectSettings
from zipsel.storage.staging import write_atomically

_N_SHARDS = 4
_BUDGET_BYTES = 100_000


def run_demo(
    directory: str, workers: int, log: Log, command: list[str], work_dir: str | None = None
) -> None:
    """Build pool and target, select, and show what came out."""
    pool, target, output = (
        os.path.normpath(os.path.join(directory, name))
        for name in ("pool", "target.jsonl", "subset")
    )
    _claim(directory)
    n_pool, n_target = build(pool, target)
    log.say("built", f"{n_pool:,} pool records in {pool}, {n_target} target examples in {target}")
    reading = Reading(group_field="kind")
    settings = RunSettings(
        pool=(pool,),
        target=(target,),
        reading=reading,
        target_reading=reading,
        work_dir=work_dir or os.path.join(directory, ".zipsel"),
        workers=workers,
    )
    budget = Budget("max_bytes", _BUDGET_BYTES)
    run = Run(settings, log, command, force=True)
    with LocalEngine(workers) as engine:
        report = run_select(run, SelectSettings(budget=budget, output=output), engine)
    if report is None or log.quiet:
        return
    show(report, log)
    if log.log_format == "text":
        print_records(report.best, stderr_console())
    log.say("where", f"subset {output}/subset-00000.jsonl\nreport {output}/report.html")
    log.say(
        "again",
        f"again: zipsel select {quote(pool)} --target {quote(target)} --output {quote(output)} "
        f"--max-bytes {_BUDGET_BYTES} --group-field kind",
    )


def _claim(directory: str) -> None:
    """Write the manifest; a ``UsageError`` for a file of the demo's name that it did not write."""
    names = ["target.jsonl", *(f"pool/{_shard_name(i)}" for i in range(_N_SHARDS))]
    refuse_foreign(f"--output {directory}", directory, "demo", {*names, MANIFEST}.__contains__)
    manifest = Manifest("demo", side_files=[SideFile(name) for name in names])
    with write_atomically(os.path.join(directory, MANIFEST)) as file:
        file.write(manifest.encode())


def _shard_name(i: int) -> str:
    return f"part-{i:05d}.jsonl"


def build(pool: str, target: str) -> tuple[int, int]:
    """Write pool shards and target; the same Python gives the same bytes.

    Returns:
        Numbers of pool records and target examples.

    Raises:
        OutputError: If they cannot be written, or this Python has no library source.
    """
    library = Path(sysconfig.get_paths()["stdlib"])
    records: dict[str, str] = {}
    examples: dict[str, None] = {}
    for text, kind, held_out in iter_library(library):
        if not held_out:
            records[text] = kind
        elif kind == DOCUMENTED:
            examples[text] = None
    for example in examples:
        records.pop(example, None)
    if not examples or not records:
        raise OutputError(f"no source code found below {library}; the demo needs it")
    order = sorted(records, key=lambda text: blake2b(text.encode()).digest())
    os.makedirs(pool, exist_ok=True)
    for i in range(_N_SHARDS):
        with write_atomically(os.path.join(pool, _shard_name(i))) as file:
            for text in order[i::_N_SHARDS]:
                _write(file, text, records[text])
    with write_atomically(target) as file:
        for example in examples:
            _write(file, example, "target")
    return len(order), len(examples)


def _write(file: IO[bytes], text: str, kind: str) -> None:
    file.write(msgspec.json.encode({"text": text, "kind": kind}) + b"\n")
