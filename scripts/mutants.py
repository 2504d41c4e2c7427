"""Break the package in small ways and see whether the tests notice (make mutants).

Each mutant of ``mutants_lib`` is put into a copy of the tree, and the tests that are said to notice
it run there; all of them are run without a mutant first. The table says what each mutant breaks
and what became of it. The exit code is 1 if a test fails without a mutant, if a mutant no longer
fits the source, if fewer than 95 % are noticed, or if one lives without a reason.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from mutants_lib import of_outputs, of_readers, of_report, of_scorers, of_scoring, of_selection
from mutants_lib.model import Mutant

_ROOT = Path(__file__).resolve().parent.parent

MUTANTS: list[Mutant] = [
    *of_scorers.MUTANTS,
    *of_selection.MUTANTS,
    *of_scoring.MUTANTS,
    *of_readers.MUTANTS,
    *of_outputs.MUTANTS,
    *of_report.MUTANTS,
]

_LEAST_SCORE = 0.95

#: A mutant that keeps its tests from ending is noticed.
_TEST_SECONDS = 600


class Verdict(NamedTuple):
    """What became of a mutant.

    Attributes:
        mutant: The mutant.
        outcome: ``killed``, ``lives``, ``unfit`` (the source has changed) or ``broken`` (its tests
            could not run).
        detail: Which test noticed, or what went wrong.
        seconds: Wall time.
    """

    mutant: Mutant
    outcome: str
    detail: str
    seconds: float


def copy_tree(folder: Path) -> None:
    """Copy what git knows of."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=_ROOT, check=True, capture_output=True,
    )  # fmt: skip
    for name in listed.stdout.decode().split("\0"):
        if name and (_ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_ROOT / name, folder / name)


def run_tests(folder: Path, nodes: list[str]) -> tuple[int | None, str]:
    """Exit code of pytest, None for too long, and its output."""
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, *nodes], cwd=folder, env=environ, capture_output=True, check=False,
            text=True, errors="replace", timeout=_TEST_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, "the tests did not end"
    return done.returncode, done.stdout


def write_source(path: Path, source: str) -> None:
    """Write a module and forget its bytecode: within a second, time and size may be the same."""
    path.write_text(source)
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def judge(mutant: Mutant, folder: Path) -> Verdict:
    """Apply a mutant, run its tests, and put the file right again."""
    started = time.monotonic()
    path = folder / "zipsel" / mutant.file
    source = path.read_text() if path.is_file() else ""
    if source.count(mutant.old) != 1:
        found = f"its text stands {source.count(mutant.old)} times in zipsel/{mutant.file}"
        return Verdict(mutant, "unfit", found, 0.0)
    write_source(path, source.replace(mutant.old, mutant.new))
    try:
        code, output = run_tests(folder, mutant.nodes)
    finally:
        write_source(path, source)
    seconds = time.monotonic() - started
    failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    detail = failed[0] if failed else output.strip().splitlines()[-1]
    if code == 0:
        return Verdict(mutant, "lives", mutant.excuse, seconds)
    return Verdict(mutant, "killed" if code in (1, None) else "broken", detail, seconds)


def judge_all(mutants: list[Mutant], n_jobs: int, scratch: Path) -> list[Verdict]:
    """Judge mutants, each job in a copy of its own, and print the table as it grows."""
    folders: SimpleQueue[Path] = SimpleQueue()
    for i in range(n_jobs):
        folder = scratch / f"tree-{i}"
        copy_tree(folder)
        folders.put(folder)

    def judge_in_any(mutant: Mutant) -> Verdict:
        folder = folders.get()
        try:
            return judge(mutant, folder)
        finally:
            folders.put(folder)

    verdicts = []
    with ThreadPoolExecutor(n_jobs) as threads:
        for verdict in threads.map(judge_in_any, mutants):
            place = f"{verdict.mutant.file}: {verdict.mutant.breaks}"
            print(f"{verdict.outcome:7} {verdict.seconds:6.1f} s  {place}", flush=True)
            verdicts.append(verdict)
    return verdicts


def conclude(verdicts: list[Verdict]) -> int:
    """Print the score and everything that is not killed; return the exit code."""
    n_killed = sum(verdict.outcome == "killed" for verdict in verdicts)
    score = n_killed / max(1, len(verdicts))
    print(f"\n{n_killed} of {len(verdicts)} mutants killed: {score:.1%}")
    failed = score < _LEAST_SCORE
    for verdict in verdicts:
        if verdict.outcome != "killed":
            detail = verdict.detail or "NO TEST NOTICES, and no reason is given"
            print(f"{verdict.outcome}: {verdict.mutant.file}: {verdict.mutant.breaks}\n  {detail}")
            failed |= verdict.outcome != "lives" or not verdict.mutant.excuse
    return int(failed)


def check_unmutated(mutants: list[Mutant], scratch: Path) -> str:
    """The output of the mutants' tests without a mutant where one fails; empty if none does."""
    copy_tree(scratch / "unmutated")
    nodes = sorted({node for mutant in mutants for node in mutant.nodes})
    files = {node for node in nodes if "::" not in node}
    wanted = [node for node in nodes if "::" not in node or node.partition("::")[0] not in files]
    code, output = run_tests(scratch / "unmutated", wanted)
    return "" if code == 0 else output


def main() -> int:
    """Judge what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a regular expression: file or breakage")
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--skip-unmutated", action="store_true", help="trust that the tests pass")
    arguments = parser.parse_args()
    mutants = [one for one in MUTANTS if re.search(arguments.only, f"{one.file}: {one.breaks}")]
    with tempfile.TemporaryDirectory(prefix="zipsel-mutants-") as name:
        if not arguments.skip_unmutated and (problem := check_unmutated(mutants, Path(name))):
            print(f"the tests fail without a mutant:\n{problem}")
            return 1
        return conclude(judge_all(mutants, arguments.jobs, Path(name)))


if __name__ == "__main__":
    sys.exit(main())
