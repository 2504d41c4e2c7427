"""What the grid leaves open: how many examples a target needs, how diverse, and the whole pool.

All by the PPM judge on the whole held-out half of the target, at 1 MB.
"""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from quality_lib.data import Task, load_target
from quality_lib.grid import (
    Cell,
    NotKept,
    is_old,
    load_scores,
    measure_ppm,
    newest_date,
    take_budget,
)
from quality_lib.peers import Bench
from quality_lib.tables import render

EXPERIMENT_BUDGET_BYTES = 1_000_000
EXAMPLE_COUNTS = (5, 10, 20, 40, 80)
N_CLUSTERED = 40
N_CLUSTER_SEEDS = 3


def sized_tasks(target: str) -> list[tuple[str, Task]]:
    """(label, task) for nested random draws of 5, 10, … examples, then all of them."""
    n_train = len(load_target(target, "train"))
    order = np.random.default_rng(0).permutation(n_train).tolist()
    sized = [(str(n), Task(target, tuple(order[:n]))) for n in EXAMPLE_COUNTS if n < n_train]
    return [*sized, ("all", Task(target))]


def clustered_tasks(bench: Bench, target: str) -> list[tuple[str, Task]]:
    """(label, task) for random draws of 40 examples, and for 40 neighbours of a random one.

    Neighbours by the cosine of MiniLM embeddings.
    """
    vectors = bench.task_embeddings(Task(target))
    tasks = []
    for seed in range(N_CLUSTER_SEEDS):
        generator = np.random.default_rng(seed)
        drawn = generator.permutation(len(vectors))[:N_CLUSTERED].tolist()
        near = np.argsort(-(vectors @ vectors[drawn[0]]), kind="stable")[:N_CLUSTERED].tolist()
        tasks += [("random", Task(target, tuple(drawn))), ("clustered", Task(target, tuple(near)))]
    return tasks


def iter_cells(
    bench: Bench, tasks: list[tuple[str, Task]], names: Sequence[str]
) -> Iterator[tuple[str, Cell]]:
    """(label, PPM cell) of every task and selector, as far as they may be measured.

    A selector that names too few records for the budget has none.
    """
    for label, task in tasks:
        for name in names:
            with contextlib.suppress(NotKept):
                scores = load_scores(bench, task, name, EXPERIMENT_BUDGET_BYTES)
                subset = take_budget(bench, scores, EXPERIMENT_BUDGET_BYTES)
                cell = measure_ppm(bench, task, name, subset, EXPERIMENT_BUDGET_BYTES)
                if cell.is_full:
                    yield label, cell


def whole_pool_cell(bench: Bench, target: str) -> Cell:
    """The PPM judge after reading the whole pool, in pool order."""
    n_bytes = sum(len(text) + 1 for text in bench.pool.texts)
    return measure_ppm(bench, Task(target), "whole pool", bench.pool.texts, n_bytes)


def label_table(labelled: list[tuple[str, Cell]]) -> str:
    """One row a target and selector, one column a label; draws of one label are averaged.

    A star is for what was measured days before the newest cell.
    """
    newest = newest_date(cell for _, cell in labelled)
    labels = sorted({label: None for label, _ in labelled}, key=_in_order)
    found: dict[tuple[str, str], dict[str, list[Cell]]] = {}
    for label, cell in labelled:
        found.setdefault((cell.target, cell.selector), {}).setdefault(label, []).append(cell)
    rows = [
        [target, selector, *(_mean_of(row.get(label, []), newest) for label in labels)]
        for (target, selector), row in found.items()
    ]
    return render(["target", "selector", *labels], rows)


def _in_order(label: str) -> float:
    """Numbers of examples ascend, and words stay as they came."""
    return int(label) if label.isdigit() else np.inf


def _mean_of(cells: list[Cell], newest: str) -> str:
    if not cells:
        return "-"
    star = "*" if any(is_old(cell.date, newest) for cell in cells) else ""
    return f"{np.mean([cell.bits_per_byte for cell in cells]):.3f}{star}"
