"""Measure every strategy by the PPM judge on held-out examples, and print which to use when.

Four targets (one of them two benchmarks at once), three budgets, `zipsel select` in a process of
its own for each subset, one work directory for all so that nothing is scored twice. A subset is
judged as a set, as `zipsel eval` does; a strategy that leaves part of the budget unused is judged
on what it used, and the JSON says how much that was.

    python scripts/strategies.py                          everything, to scripts/results/
    python scripts/strategies.py --targets gsm8k --budgets 400000 --only cover random
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from quality_lib.data import (
    REPOSITORY,
    Pool,
    data_folder,
    load_pool,
    load_target,
    target_path,
    zipsel_environment,
)

from zipsel.evaluation.ppm import bits_per_byte, draw_orders, join_records, ppm_bits

BUDGETS_BYTES = (400_000, 1_000_000, 4_000_000)
#: Name of a task → the benchmarks that its target is made of.
TASKS: dict[str, tuple[str, ...]] = {
    "humaneval": ("humaneval",),
    "proofnet": ("proofnet",),
    "gsm8k": ("gsm8k",),
    "humaneval+proofnet": ("humaneval", "proofnet"),
}
#: Share of the budget under which a subset is smaller than what it is compared with.
FULL = 0.97


@dataclass(frozen=True)
class Choice:
    """A way of choosing.

    Attributes:
        options: Of `zipsel select`.
        named: Give each benchmark as a target of its own name; for tasks of several only.
    """

    options: tuple[str, ...] = ()
    named: bool = False


def choice(options: str, *, named: bool = False) -> Choice:
    """From one line of options."""
    return Choice(tuple(options.split()), named)


CHOICES: dict[str, Choice] = {
    "cover": choice(""),
    "cover, dedup near": choice("--dedup near"),
    "top": choice("--strategy top"),
    "top, dedup none": choice("--strategy top --dedup none"),
    "top, dedup near": choice("--strategy top --dedup near"),
    "sample 0.3": choice("--strategy sample --temperature 0.3"),
    "sample 1": choice("--strategy sample --temperature 1"),
    "stratified 0.5": choice("--strategy stratified --hard-cutoff 0.5"),
    "stratified 0.9": choice("--strategy stratified --hard-cutoff 0.9"),
    "top, facets 2": choice("--strategy top --facets 2"),
    "top, facets auto": choice("--strategy top --facets auto"),
    "cover, facets 2": choice("--facets 2"),
    "coverage, facets 2": choice("--strategy coverage --facets 2"),
    "coverage, facets 4": choice("--strategy coverage --facets 4"),
    "coverage, facets auto": choice("--strategy coverage --facets auto"),
    "named targets": choice("", named=True),
    "named targets, mix 50/50": choice("--mix humaneval=0.5,proofnet=0.5", named=True),
    "named targets, mix, top": choice(
        "--mix humaneval=0.5,proofnet=0.5 --strategy top", named=True
    ),
}
RANDOM = "random"


@dataclass(frozen=True)
class Cell:
    """One subset, judged.

    Attributes:
        task: A key of `TASKS`.
        choice: A key of `CHOICES`, or `RANDOM`.
        budget_bytes: What was asked for.
        subset_bytes: What was written.
        by_target: Benchmark → bits per byte of its held-out examples.
    """

    task: str
    choice: str
    budget_bytes: int
    subset_bytes: int
    by_target: Mapping[str, float]

    @property
    def bits_per_byte(self) -> float:
        """Mean over the benchmarks."""
        return float(np.mean(list(self.by_target.values())))

    @property
    def is_full(self) -> bool:
        """Whether the budget was used, but for a few records."""
        return self.subset_bytes >= FULL * self.budget_bytes

    def summarize(self) -> dict[str, object]:
        """As the results hold it."""
        return {
            "task": self.task,
            "choice": self.choice,
            "budget_bytes": self.budget_bytes,
            "subset_bytes": self.subset_bytes,
            "bits_per_byte": round(self.bits_per_byte, 4),
            "by_target": {name: round(value, 4) for name, value in self.by_target.items()},
        }


@dataclass(frozen=True)
class Bench:
    """What every cell needs.

    Attributes:
        folder: Keeps scores and judgements between runs.
        n_examples: Held-out examples of each benchmark.
    """

    folder: Path
    n_examples: int

    def held_out(self, target: str) -> list[bytes]:
        """A seeded draw of held-out examples, in file order."""
        examples = load_target(target, "test")
        n_drawn = min(self.n_examples, len(examples))
        drawn = np.random.default_rng(0).choice(len(examples), n_drawn, replace=False)
        return [examples[i] for i in sorted(drawn.tolist())]

    def judge(self, orders: Sequence[Sequence[bytes]], target: str) -> float:
        """Bits per byte of a benchmark's held-out examples after a set in some orders.

        Judgements are kept for equal sets.
        """
        examples = self.held_out(target)
        digest = hashlib.sha256(b"\0".join([*orders[0], *examples])).hexdigest()[:24]
        path = self.folder / "judged-sets" / f"{digest}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            bits = np.mean([ppm_bits(join_records(one), examples) for one in orders], axis=0)
            path.write_text(json.dumps(bits.tolist()))
        lengths = np.array([len(example) for example in examples])
        return bits_per_byte(np.array(json.loads(path.read_text())), lengths)

    def select(self, task: str, one: Choice, budget_bytes: int) -> list[bytes]:
        """The texts that `zipsel select` writes.

        Raises:
            SystemExit: If the run fails; its own message is shown.
        """
        command = [sys.executable, "-m", "zipsel", "select", str(data_folder() / "pool")]
        for name in TASKS[task]:
            path = str(target_path(name, "train"))
            command += ["--target", f"{name}={path}" if one.named else path]
        command += ["--max-bytes", str(budget_bytes)]
        command += ["--work-dir", str(self.folder / "work"), "--workers", "1", *one.options]
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "subset.jsonl")
            command += ["--output", str(output)]
            run = subprocess.run(
                command,
                env=zipsel_environment(),
                capture_output=True,
                encoding="utf-8",
                check=False,
            )
            if run.returncode != 0:
                raise SystemExit(f"{' '.join(command)}\n{run.stderr}")
            lines = output.read_bytes().splitlines()
        return [json.loads(line)["text"].encode() for line in lines]

    def measure(self, task: str, name: str, budget_bytes: int) -> Cell:
        """Choose and judge."""
        orders, n_bytes = draw_orders(self.select(task, CHOICES[name], budget_bytes), budget_bytes)
        judged = {target: self.judge(orders, target) for target in TASKS[task]}
        return Cell(task, name, budget_bytes, n_bytes, judged)

    def measure_random(self, pool: Pool, task: str, budget_bytes: int) -> Cell:
        """The mean of some random subsets, each in one order."""
        orders, _ = draw_orders(pool.texts, budget_bytes)
        judged = {target: self.judge(orders, target) for target in TASKS[task]}
        return Cell(task, RANDOM, budget_bytes, budget_bytes, judged)


def fits(task: str, one: Choice) -> bool:
    """Whether a way of choosing makes sense for a task."""
    return not one.named or len(TASKS[task]) > 1


def markdown_table(cells: Sequence[Cell]) -> str:
    """Bits per byte, a row for each way of choosing; the best of a column in bold.

    A star is for a subset that leaves some of the budget unused, which nothing compares with.
    """
    found = {(cell.choice, cell.task, cell.budget_bytes): cell for cell in cells}
    columns = sorted({(cell.task, cell.budget_bytes) for cell in cells}, key=_column_order)
    best = {
        column: min(
            cell.bits_per_byte
            for cell in cells
            if (cell.task, cell.budget_bytes) == column and cell.is_full
        )
        for column in columns
    }
    head = [f"{task} {budget / 1e6:g}" for task, budget in columns]
    lines = ["| strategy | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    for name in dict.fromkeys(cell.choice for cell in cells):
        shown = [_show(found.get((name, *column)), best[column]) for column in columns]
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def _show(cell: Cell | None, best: float) -> str:
    if cell is None:
        return ""
    text = f"{cell.bits_per_byte:.3f}"
    if not cell.is_full:
        return f"{text}*"
    return f"**{text}**" if cell.bits_per_byte == best else text


def _column_order(column: tuple[str, int]) -> tuple[int, int]:
    return list(TASKS).index(column[0]), column[1]


def iter_plan(
    tasks: Iterable[str], names: Iterable[str], budgets: Iterable[int]
) -> Iterable[tuple[str, str, int]]:
    """Task, way of choosing and budget of each cell."""
    names = list(names)
    for task in tasks:
        for name in names:
            if name == RANDOM or fits(task, CHOICES[name]):
                yield from ((task, name, budget) for budget in budgets)


def load_cells(path: Path, n_examples: int) -> list[Cell]:
    """Cells of earlier runs on as many examples, in the order of `CHOICES`."""
    content = json.loads(path.read_text()) if path.exists() else {}
    if content.get("n_examples") != n_examples:
        return []
    places = [*CHOICES, RANDOM]
    cells = [
        Cell(**{key: value for key, value in stored.items() if key != "bits_per_byte"})
        for stored in content["cells"]
        if stored["choice"] in places
    ]
    return sorted(cells, key=lambda c: (*_column_order((c.task, 0)), places.index(c.choice)))


def write_results(path: Path, pool: Pool, n_examples: int, cells: Sequence[Cell]) -> None:
    """The JSON file; cells of earlier runs stay unless they were measured again."""
    merged = {
        (cell.task, cell.choice, cell.budget_bytes): cell
        for cell in (*load_cells(path, n_examples), *cells)
    }
    content = {
        "pool_records": len(pool),
        "pool_bytes": sum(map(len, pool.texts)),
        "n_examples": n_examples,
        "cells": [cell.summarize() for cell in merged.values()],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    names = (*CHOICES, RANDOM)
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--targets", nargs="+", choices=TASKS, default=tuple(TASKS), metavar="T")
    parser.add_argument("--budgets", nargs="+", type=int, default=BUDGETS_BYTES, metavar="BYTES")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="STRATEGY")
    parser.add_argument("--examples", type=int, default=40, help="held out, of each benchmark")
    parser.add_argument("--cache", type=Path, default=REPOSITORY / "build" / "strategies")
    results = REPOSITORY / "scripts" / "results" / "strategies.json"
    parser.add_argument("--results", type=Path, default=results)
    return parser.parse_args()


def main() -> int:
    """Measure, print, write."""
    arguments = parse_arguments()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    bench, pool = Bench(arguments.cache, arguments.examples), load_pool()
    cells = []
    for task, name, budget in iter_plan(arguments.targets, arguments.only, arguments.budgets):
        began = time.perf_counter()
        if name == RANDOM:
            cell = bench.measure_random(pool, task, budget)
        else:
            cell = bench.measure(task, name, budget)
        cells.append(cell)
        print(
            f"{task:20} {name:26} {budget:>8,} {cell.subset_bytes:>10,} bytes "
            f"{cell.bits_per_byte:.3f}  {time.perf_counter() - began:5.1f} s",
            flush=True,
        )
        write_results(arguments.results, pool, arguments.examples, cells)
    print(markdown_table(load_cells(arguments.results, arguments.examples)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
