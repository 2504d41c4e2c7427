"""Rows of the report's tables, which the page and the Markdown share."""

from __future__ import annotations

from typing import NamedTuple

from zipsel.console.safe_text import count_of, human_bytes
from zipsel.report.model import Report
from zipsel.selection.budgets import BYTES_PER_TOKEN

#: Rows of the composition on a page; the rest is summed up.
_MAX_GROUPS = 30

#: Strategy → why records that could be chosen were not.
_NOT_REACHED = {
    "top": "ranked below the threshold",
    "cover": "added less than the chosen ones, or too far from the target to be compared",
}


class Row(NamedTuple):
    """A line of a table: counts in pool and subset, and their shares of each."""

    name: str
    n_pool: int
    n_chosen: int
    pool: float
    chosen: float


def percent(share: float) -> str:
    """A share with as many digits as tell it from none and from all."""
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{100 * share:.1f}%"


def sentence(report: Report) -> str:
    """The run in one sentence."""
    counts = report.counts
    share = percent(counts.n_chosen / max(1, counts.n_scored))
    return (
        f"{counts.n_chosen:,} of {counts.n_rows:,} records ({share}), "
        f"{human_bytes(counts.n_chosen_bytes)} of {human_bytes(counts.n_bytes)} of text, "
        f"closest to {count_of(report.profile.get('n_target', 0), 'target example')}."
    )


def tokens(report: Report) -> str:
    """Tokens of the subset where the budget is tokens, marked where they are estimated."""
    counts = report.counts
    if not report.budget.startswith("--max-tokens"):
        return ""
    if counts.n_chosen_tokens is not None:
        return f"{counts.n_chosen_tokens:,}"
    return f"~{counts.n_chosen_bytes / BYTES_PER_TOKEN:,.0f}"


def medians(report: Report) -> tuple[float, float] | None:
    """Median lengths in the pool and in the subset, in bytes; None where one is unknown."""
    found = [report.length_quantiles.get(of, {}).get("p50") for of in ("pool", "subset")]
    return (found[0], found[1]) if found[0] and found[1] else None


def show_group(name: str) -> str:
    """The name of a group; in parentheses what is none, so names in parentheses are in quotes."""
    if not name:
        return "(none)"
    return f"'{name}'" if name[0] in "('" else name


def group_rows(report: Report, n_most: int = _MAX_GROUPS) -> list[Row]:
    """Composition by group, those after the first few summed up."""
    n_pool, n_chosen = max(1, report.counts.n_scored), max(1, report.counts.n_chosen)
    triples = [(show_group(one.name), one.n_pool, one.n_chosen) for one in report.groups]
    if len(triples) > n_most:
        rest = triples[n_most:]
        name = f"({count_of(len(rest), 'other')})"
        triples = [*triples[:n_most], (name, sum(t[1] for t in rest), sum(t[2] for t in rest))]
    return [
        Row(name, pool, chosen, pool / n_pool, chosen / n_chosen) for name, pool, chosen in triples
    ]


def loss_rows(report: Report) -> list[tuple[str, int, str]]:
    """Where every row went: name, rows, explanation. The numbers add up to the rows read."""
    counts = report.counts
    removed = [(removal.cause, removal.n_records, removal.note) for removal in report.removed]
    if not removed and counts.n_duplicates:
        removed = [("duplicates", counts.n_duplicates, "their text equals a better-ranked one's")]
    n_removed = sum(n for _, n, _ in removed)
    below = counts.n_passed - counts.n_no_contenders - n_removed
    rows = [
        ("refused", counts.n_rejected, "no usable text"),
        ("ruled out early", counts.n_no_contenders, "too few n-grams of the target to contend"),
        *removed,
        ("not reached", below, _NOT_REACHED.get(report.strategy, "came after the budget was full")),
        ("chosen", counts.n_chosen, report.budget),
    ]
    return [row for row in rows if row[1] or row[0] == "chosen"]


def input_rows(report: Report) -> list[tuple[str, str, str]]:
    """Role, path and fingerprint of every file that was read besides the pool."""
    found = [] if report.provenance is None else report.provenance.inputs
    return [(file.role, file.path, file.fingerprint) for file in found]


def stage_rows(report: Report) -> list[tuple[str, float, float]]:
    """Stage, seconds, and their share of the whole; what no stage counts is ``other``."""
    stages = dict(report.stages)
    total = stages.pop("total", sum(stages.values()))
    other = total - sum(stages.values())
    if other > 0.01 * total:
        stages["other"] = other
    return [(name, seconds, seconds / total if total else 0) for name, seconds in stages.items()]
