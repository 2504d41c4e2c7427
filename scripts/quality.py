"""Measure what zipsel's choice is worth, against what a user would pick instead (`make quality`).

Eight targets, three budgets, every selector from the same pool and the same half of a target, two
judges on the other half. Hours on two cores, but every part is kept in `--cache` and taken up
again; `--quick` measures one target in minutes and writes its tables to the cache folder alone.

    python scripts/quality.py                 everything, to scripts/results/
    python scripts/quality.py --quick         humaneval, PPM judge, cheap selectors
    python scripts/quality.py --only ppm lm   some parts
    python scripts/quality.py --forget cover  after a change of that selector
    python scripts/quality.py --kept          tables of what is kept; measures nothing

Cells that a run does not measure stay in the results as an earlier run left them, with its date; a
star marks those that were measured days before the newest.
"""

import argparse
import contextlib
import itertools
import json
import sys
from collections.abc import Container, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from quality_lib import chart, dsir_scores, ncd_scores, tables
from quality_lib.data import REPOSITORY, TARGETS, Task, load_pool
from quality_lib.experiments import (
    clustered_tasks,
    iter_cells,
    label_table,
    sized_tasks,
    whole_pool_cell,
)
from quality_lib.grid import (
    BUDGETS_BYTES,
    SELECTORS,
    Cell,
    NotKept,
    forget,
    load_scores,
    measure_lm,
    measure_ppm,
    take_budget,
)
from quality_lib.peers import Bench, task_examples
from quality_lib.results import (
    compare_default,
    describe_run,
    with_earlier,
    with_earlier_labels,
    write_results,
)

if TYPE_CHECKING:
    from quality_lib.lm_judge import LmJudge

PARTS = ("ppm", "lm", "extras", "checks")
# For machines where the LM judge takes too long; no part of a run that does not name it.
SMALL_PART = "lm-small"
QUICK_TARGETS = ("humaneval",)
# Minutes each, so no part of a quick run.
SLOW_SELECTORS = ("zipfit-gzip-9", "conditional-19", "minilm-mean", "minilm-max", "minilm-top5")
PICTURE_BUDGET_BYTES = 1_000_000
# What the LM judge measures; the larger budget, of which it reads as much more, on two targets.
LM_TARGETS = {1_000_000: TARGETS, 4_000_000: ("proofnet", "mmlu_stem")}
# What the LM judge compares; of a family with variants, the one that PPM found best.
LM_FAMILIES = {
    "cover": ("cover",),
    "fused": ("fused",),
    "ngram": ("ngram",),
    "conditional": ("conditional-3",),
    "zipfit": ("zipfit-lz4-0",),
    "dsir": ("dsir-per-token", "dsir-per-token-long"),
    "fasttext": tables.RIVALS["fastText"],
    "minilm": tables.RIVALS["MiniLM"],
    "tsds": ("tsds",),
    "moore-lewis": ("moore-lewis",),
    "random": ("random-0",),
}
SMALL_FAMILIES = (("cover",), ("ngram",), ("moore-lewis",))
EXPERIMENT_SELECTORS = (
    "cover",
    "ngram",
    "moore-lewis",
    "dsir-per-token",
    "zipfit-lz4-0",
    "minilm-mean",
    "tsds",
)
# Records and examples on which the fast forms of ZIP-FIT and DSIR are checked by their packages.
CHECK_RECORDS = 400
CHECK_EXAMPLES = 20


def measure_grid(bench: Bench, targets: tuple[str, ...], names: list[str]) -> list[Cell]:
    """PPM cells of every (target, selector, budget)."""
    cells = []
    for task in map(Task, targets):
        for name in names:
            for budget in BUDGETS_BYTES:
                with contextlib.suppress(NotKept):
                    scores = load_scores(bench, task, name, budget)
                    subset = take_budget(bench, scores, budget)
                    cells.append(measure_ppm(bench, task, name, subset, budget))
                    cost = f"{budget / 1e6:g} MB {cells[-1].bits_per_byte:.3f}"
                    print(f"ppm  {task.name:14} {name:20} {cost}", flush=True)
    return cells


def measure_lm_grid(
    bench: Bench,
    judge: "LmJudge",
    targets: Iterable[str],
    budget: int,
    families: Iterable[tuple[str, ...]],
    ppm: list[Cell],
) -> list[Cell]:
    """LM cells of one selector per family, the one that PPM found best."""
    cells = []
    indexed = tables.index_cells(ppm)
    for task, names in itertools.product(map(Task, targets), families):
        found = [indexed.get((task.name, name, budget)) for name in names]
        measured = [cell for cell in found if cell is not None]
        if not measured:
            continue
        name = min(measured, key=lambda cell: cell.bits_per_byte).selector
        for seed in range(judge.config.n_seeds):
            with contextlib.suppress(NotKept):
                scores = load_scores(bench, task, name, budget)
                subset = take_budget(bench, scores, budget)
                cell = measure_lm(bench, judge, task, name, subset, budget, seed)
                cost = f"{budget / 1e6:g} MB {cell.bits_per_byte:.3f}"
                print(f"lm   {task.name:14} {name:20} {cost}", flush=True)
                cells.append(cell)
    return cells


def run_lm(
    bench: Bench,
    folder: Path,
    targets: tuple[str, ...],
    part: str,
    ppm: list[Cell],
    without: Container[str],
    n_seeds: int | None,
) -> None:
    """The LM judge on one selector per family, or the small one on three."""
    from quality_lib.lm_judge import LmJudge, choose_config
    from quality_lib.torch_setup import prepare_torch
    from quality_lib.transformer import SMALL_CONFIG

    prepare_torch(bench.n_threads)
    ppm = with_earlier(folder / "quality-ppm.json", ppm)
    config = SMALL_CONFIG if part == SMALL_PART else choose_config()
    if n_seeds is not None:
        config = replace(config, n_seeds=n_seeds)
    families = SMALL_FAMILIES if part == SMALL_PART else tuple(LM_FAMILIES.values())
    families = tuple(tuple(name for name in names if name not in without) for names in families)
    cells: list[Cell] = []
    for budget, of_budget in LM_TARGETS.items():
        judge = LmJudge(config.for_bytes(budget), bench.pool.texts, bench.cache)
        among = [target for target in targets if target in of_budget]
        cells += measure_lm_grid(bench, judge, among, budget, families, ppm)
    write_lm(bench, folder, targets, part, ppm, cells)


def run_experiments(bench: Bench, targets: tuple[str, ...]) -> dict[str, list[tuple[str, Cell]]]:
    """Labelled PPM cells of the questions beyond the grid."""
    found: dict[str, list[tuple[str, Cell]]] = {"examples": [], "diversity": [], "whole": []}
    for target in targets:
        found["examples"] += iter_cells(bench, sized_tasks(target), EXPERIMENT_SELECTORS)
        found["diversity"] += iter_cells(
            bench, clustered_tasks(bench, target), EXPERIMENT_SELECTORS
        )
        with contextlib.suppress(NotKept):
            found["whole"].append(("whole pool", whole_pool_cell(bench, target)))
        print(f"extras {target}", flush=True)
    return found


def check_peers(bench: Bench) -> dict[str, dict[str, float]]:
    """Differences between the fast forms of ZIP-FIT and DSIR and their packages, on a sample."""
    texts = list(dict.fromkeys(bench.pool.texts[:CHECK_RECORDS]))
    examples = task_examples(Task("gsm8k"))[:CHECK_EXAMPLES]
    compare = ncd_scores.compare_with_package
    return {
        "zipfit-default": compare(texts, examples, "gzip", 0),
        "zipfit-gzip-9": compare(texts, examples, "gzip", 9),
        "zipfit-lz4-0": compare(texts, examples, "lz4", 0),
        "dsir": dsir_scores.compare_with_package(texts, examples),
    }


def write_ppm(bench: Bench, folder: Path, targets: tuple[str, ...], cells: list[Cell]) -> None:
    """Tables of the grid, and their picture."""
    path = folder / "quality-ppm.json"
    cells = with_earlier(path, cells)
    found = compare_default(path, cells, targets, BUDGETS_BYTES)
    markdown = "".join(
        f"### PPM, {budget / 1e6:g} MB\n\n{tables.quality_table(cells, targets, budget)}\n"
        for budget in BUDGETS_BYTES
    )
    markdown += f"### Default against the best rival\n\n{tables.verdict_table(found['verdicts'])}\n"
    markdown += f"### Default against top\n\n{tables.verdict_table(found['against_top'])}"
    content = {
        "run": describe_run(bench),
        **found,
        "cells": [cell.summarize() for cell in cells],
    }
    write_results(folder, "ppm", content, markdown)
    extra = chart.extra_percent(cells, targets, PICTURE_BUDGET_BYTES)
    (folder / "quality.svg").write_text(chart.draw(extra, PICTURE_BUDGET_BYTES))


def write_lm(
    bench: Bench,
    folder: Path,
    targets: tuple[str, ...],
    part: str,
    ppm: list[Cell],
    lm: list[Cell],
) -> None:
    """Tables of the LM judge, and how the two judges agree."""
    path = folder / f"quality-{part}.json"
    lm = with_earlier(path, tables.average_seeds(lm))
    budgets = tuple(LM_TARGETS)
    found = compare_default(path, lm, targets, budgets)
    correlation = tables.correlate_judges(ppm, lm)
    markdown = ""
    for budget in budgets:
        among = [target for target in targets if target in LM_TARGETS[budget]]
        of_budget = [cell for cell in lm if cell.budget_bytes == budget]
        if of_budget:
            megabytes = f"{budget / 1e6:g} MB"
            markdown += f"### LM, {megabytes}\n\n{tables.quality_table(lm, among, budget)}\n"
            markdown += f"### Tokens to the rival's best loss, {megabytes}\n\n"
            markdown += f"{tables.saving_table(of_budget, among)}\n"
    markdown += f"### Default against the best rival\n\n{tables.verdict_table(found['verdicts'])}\n"
    markdown += f"### Default against top\n\n{tables.verdict_table(found['against_top'])}\n"
    markdown += f"Rank correlation of the judges: {json.dumps(correlation)}\n"
    content = {
        "run": describe_run(bench),
        **found,
        "rank_correlation": correlation,
        "cells": [cell.summarize() for cell in lm],
    }
    write_results(folder, part, content, markdown)


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cache", type=Path, default=REPOSITORY / "build" / "quality")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "scripts" / "results")
    parser.add_argument("--quick", action="store_true", help="one target, in minutes")
    parser.add_argument(
        "--only", nargs="+", choices=(*PARTS, SMALL_PART), default=PARTS, metavar="PART"
    )
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS, metavar="T")
    parser.add_argument("--without", nargs="+", choices=SELECTORS, default=(), metavar="SELECTOR")
    parser.add_argument("--forget", nargs="+", choices=SELECTORS, default=(), metavar="SELECTOR")
    parser.add_argument("--kept", action="store_true", help="measure nothing")
    parser.add_argument("--seeds", type=int, help="of the LM judge, for each cell")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    return parser.parse_args()


def main() -> int:
    """Run the parts asked for."""
    arguments = parse_arguments()
    bench = Bench(load_pool(), arguments.cache, arguments.threads, not arguments.kept)
    forget(bench, arguments.forget)
    targets = QUICK_TARGETS if arguments.quick else tuple(arguments.targets)
    without = {*arguments.without, *(SLOW_SELECTORS if arguments.quick else ())}
    parts = {"ppm"} if arguments.quick else set(arguments.only)
    folder = arguments.cache if arguments.quick else arguments.results
    ppm: list[Cell] = []
    if parts & {"ppm", "lm", SMALL_PART}:
        ppm = measure_grid(bench, targets, [name for name in SELECTORS if name not in without])
        write_ppm(bench, folder, targets, ppm)
    for part in ("lm", SMALL_PART):
        if part in parts:
            run_lm(bench, folder, targets, part, ppm, without, arguments.seeds)
    if "extras" in parts:
        path = folder / "quality-extras.json"
        found = {
            key: with_earlier_labels(path, key, cells)
            for key, cells in run_experiments(bench, targets).items()
        }
        content = {
            key: [{"label": label, **cell.summarize()} for label, cell in cells]
            for key, cells in found.items()
        }
        markdown = "".join(f"### {key}\n\n{label_table(cells)}\n" for key, cells in found.items())
        write_results(folder, "extras", {"run": describe_run(bench), **content}, markdown)
    if "checks" in parts:
        checked = check_peers(bench)
        write_results(folder, "checks", checked, f"```\n{json.dumps(checked, indent=1)}\n```\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
