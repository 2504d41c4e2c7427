"""Cells → Markdown tables and the numbers that the goals are stated in.

A family is what a user would call one method; where it has variants, the table takes the best one
of each cell (`min`), except random, whose seeds are averaged. The oracle is shown beside the peers
but is none: it knows the domains' names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from quality_lib.grid import Cell, is_old, newest_date
from zipsel.evaluation.ppm import bootstrap_interval

DEFAULT = "cover"
# Heading → selectors, in the order of the columns.
OWN: dict[str, tuple[str, ...]] = {
    "cover": ("cover",),
    "cover of fused": ("cover-fused",),
    "fused": ("fused",),
    "ngram": ("ngram",),
    "cond. 1": ("conditional-1",),
    "cond. 3": ("conditional-3",),
    "cond. 9": ("conditional-9",),
    "cond. 19": ("conditional-19",),
}
RIVALS: dict[str, tuple[str, ...]] = {
    "ZIP-FIT default": ("zipfit-default",),
    "ZIP-FIT gzip 9": ("zipfit-gzip-9",),
    "ZIP-FIT lz4 0": ("zipfit-lz4-0",),
    "DSIR": ("dsir",),
    "DSIR per token": ("dsir-per-token", "dsir-per-token-long"),
    "fastText": ("fasttext-1x", "fasttext-20x"),
    "MiniLM": ("minilm-mean", "minilm-max", "minilm-top5"),
    "TSDS": ("tsds",),
    "Moore-Lewis": ("moore-lewis",),
}
BASELINES: dict[str, tuple[str, ...]] = {
    "random": ("random-0", "random-1", "random-2"),
    "oracle": ("oracle",),
}
RIVAL_SELECTORS = tuple(name for names in RIVALS.values() for name in names)


def render(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def index_cells(cells: Iterable[Cell]) -> dict[tuple[str, str, int], Cell]:
    """(task, selector, budget) → cell; cells that could not fill their budget are left out."""
    return {(c.task, c.selector, c.budget_bytes): c for c in cells if c.is_full}


def average_seeds(cells: Iterable[Cell]) -> list[Cell]:
    """One LM cell per (task, selector, budget): bits and curves averaged over seeds."""
    groups: dict[tuple[str, str, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.task, cell.selector, cell.budget_bytes), []).append(cell)
    return [
        replace(
            group[0],
            judge="lm",
            bits=np.mean([cell.bits for cell in group], axis=0),
            curve=tuple(
                (points[0][0], float(np.mean([loss for _, loss in points])))
                for points in zip(*(cell.curve for cell in group), strict=True)
            ),
        )
        for group in groups.values()
    ]


def quality_table(cells: Sequence[Cell], tasks: Sequence[str], budget_bytes: int) -> str:
    """Bits per byte of every family at one budget; the best of a row, oracle aside, is bold.

    A star is for what was measured days before the newest cell.
    """
    indexed = index_cells(cells)
    newest = newest_date(cells)
    measured = {cell.selector for cell in cells}
    families = {
        heading: names
        for heading, names in (OWN | RIVALS | BASELINES).items()
        if measured.intersection(names)
    }
    rows = []
    for task in tasks:
        shown = {}
        for heading, names in families.items():
            cost = family_cost(indexed, task, heading, names, budget_bytes)
            if cost is not None:
                keys = [(task, name, budget_bytes) for name in names]
                best = min(
                    (indexed[k] for k in keys if k in indexed), key=lambda c: c.bits_per_byte
                )
                shown[heading] = f"{cost:.3f}", "*" if is_old(best.date, newest) else ""
        contenders = [cost for heading, (cost, _) in shown.items() if heading != "oracle"]
        least = min(contenders, key=float, default="")
        row = [shown.get(heading, ("-", "")) for heading in families]
        rows.append([task, *(f"**{c}**{s}" if c == least else f"{c}{s}" for c, s in row)])
    return render(["target", *families], rows)


def family_cost(
    indexed: dict[tuple[str, str, int], Cell],
    task: str,
    heading: str,
    names: Sequence[str],
    budget_bytes: int,
) -> float | None:
    """Bits per byte of a family's best variant, of random the mean; None if not measured."""
    keys = [(task, name, budget_bytes) for name in names]
    costs = [indexed[key].bits_per_byte for key in keys if key in indexed]
    if not costs:
        return None
    return float(np.mean(costs)) if heading == "random" else min(costs)


def verdicts(
    cells: Sequence[Cell],
    tasks: Sequence[str],
    budgets_bytes: Sequence[int],
    rivals: Sequence[str] = RIVAL_SELECTORS,
) -> list[dict[str, object]]:
    """The default selector against the best of the rivals in each (task, budget).

    Returns:
        For each: the rival's selector, both costs, the default's gap in percent of the rival's
        cost (negative is better), and the gap's 95 % interval from paired resampling of examples;
        None for the interval if an earlier run measured either.
    """
    indexed = index_cells(cells)
    newest = newest_date(cells)
    found = []
    for task in tasks:
        for budget in budgets_bytes:
            ours = indexed.get((task, DEFAULT, budget))
            theirs = [indexed[key] for name in rivals if (key := (task, name, budget)) in indexed]
            if ours is not None and theirs:
                best = min(theirs, key=lambda cell: cell.bits_per_byte)
                found.append(_compare(ours, best) | {"rival_is_older": is_old(best.date, newest)})
    return found


def _compare(ours: Cell, theirs: Cell) -> dict[str, object]:
    percent = 100 / theirs.bits_per_byte
    low, high = None, None
    if ours.earlier is None and theirs.earlier is None:
        ends = bootstrap_interval(ours.bits - theirs.bits, ours.n_bytes)
        low, high = (round(percent * end, 2) for end in ends)
    return {
        "target": ours.target,
        "budget_bytes": ours.budget_bytes,
        "default": round(ours.bits_per_byte, 4),
        "rival": theirs.selector,
        "rival_bits_per_byte": round(theirs.bits_per_byte, 4),
        "gap_percent": round(percent * (ours.bits_per_byte - theirs.bits_per_byte), 2),
        "low_percent": low,
        "high_percent": high,
    }


def verdict_table(found: Sequence[dict[str, object]]) -> str:
    """`verdicts` as Markdown, with the count of cells won in the last line."""
    rows = [
        [
            str(v["target"]),
            _megabytes(v["budget_bytes"]),
            f"{v['default']:.3f}",
            f"{v['rival_bits_per_byte']:.3f}{'*' if v['rival_is_older'] else ''}",
            str(v["rival"]),
            _describe_gap(v),
        ]
        for v in found
    ]
    header = ["target", "budget", DEFAULT, "best rival", "which", "gap [95 %]"]
    return f"{render(header, rows)}\n{describe_wins(found)}\n"


def _describe_gap(verdict: dict[str, object]) -> str:
    gap = f"{verdict['gap_percent']:+.1f} %"
    if verdict["low_percent"] is None:
        return gap
    return f"{gap} [{verdict['low_percent']:+.1f}, {verdict['high_percent']:+.1f}]"


def describe_wins(found: Sequence[dict[str, object]]) -> str:
    """How often the default is at or below the best rival, and its largest loss."""
    if not found:
        return "No cells."
    gaps = [float(str(v["gap_percent"])) for v in found]
    n_won = sum(gap <= 0 for gap in gaps)
    return (
        f"At or below the best rival in {n_won} of {len(gaps)} cells; "
        f"mean gap {np.mean(gaps):+.1f} %, largest loss {max(0.0, *gaps):.1f} %."
    )


def _megabytes(n_bytes: object) -> str:
    return f"{int(str(n_bytes)) / 1e6:g} MB"


def saving_table(cells: Sequence[Cell], tasks: Sequence[str]) -> str:
    """Share of a method's tokens after which the default reaches that method's best loss."""
    curves = {(cell.task, cell.selector): cell.curve for cell in cells}
    families = {
        heading: names
        for heading, names in (OWN | RIVALS | BASELINES).items()
        if heading != DEFAULT and any(cell.selector in names for cell in cells)
    }
    rows = []
    for task in tasks:
        ours = curves.get((task, DEFAULT))
        if ours is not None:
            theirs = [
                next((curves[task, name] for name in names if (task, name) in curves), ())
                for names in families.values()
            ]
            rows.append([task, *(_token_share(ours, curve) for curve in theirs)])
    return render(["target", *families], rows)


def _token_share(ours: Sequence[tuple[float, float]], theirs: Sequence[tuple[float, float]]) -> str:
    if not theirs:
        return "-"
    at_best, best = min(theirs, key=lambda point: point[1])
    reached = tokens_to_reach([tokens for tokens, _ in ours], [loss for _, loss in ours], best)
    if reached is None:
        return "never"
    return f"{100 * reached / at_best:.0f} %" if at_best else "-"


def tokens_to_reach(tokens: Sequence[float], losses: Sequence[float], goal: float) -> float | None:
    """Tokens until a loss curve first reaches `goal`, linear between checks; None if never."""
    if losses[0] <= goal:
        return tokens[0]
    for i in range(1, len(tokens)):
        if losses[i] <= goal:
            part = (losses[i - 1] - goal) / (losses[i - 1] - losses[i])
            return tokens[i - 1] + part * (tokens[i] - tokens[i - 1])
    return None


def rank(values: Sequence[float]) -> NDArray[np.float64]:
    """Ranks from 0, ties sharing their mean rank."""
    array = np.asarray(values)
    less = (array[:, None] > array[None, :]).sum(axis=1)
    ties = (array[:, None] == array[None, :]).sum(axis=1)
    return np.asarray(less + (ties - 1) / 2, dtype=np.float64)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation."""
    return float(np.corrcoef(rank(first), rank(second))[0, 1])


def correlate_judges(ppm: Sequence[Cell], lm: Sequence[Cell]) -> dict[str, object]:
    """Rank correlation of the two judges over the cells that both have.

    `overall` ranks all cells together and so mostly says that some targets are harder; `within`
    is the mean over targets of the correlation among that target's selectors.
    """
    by_ppm = index_cells(ppm)
    pairs: dict[str, list[tuple[float, float]]] = {}
    for cell in lm:
        twin = by_ppm.get((cell.task, cell.selector, cell.budget_bytes))
        if twin is not None:
            pairs.setdefault(cell.task, []).append((twin.bits_per_byte, cell.bits_per_byte))
    several = {
        task: rank_correlation(*zip(*found, strict=True))
        for task, found in pairs.items()
        if len(found) > 2
    }
    if not several:
        return {"n_cells": sum(map(len, pairs.values()))}
    together = [pair for found in pairs.values() for pair in found]
    return {
        "n_cells": len(together),
        "overall": round(rank_correlation(*zip(*together, strict=True)), 3),
        "within": round(float(np.mean(list(several.values()))), 3),
        "by_target": {task: round(value, 3) for task, value in several.items()},
    }
