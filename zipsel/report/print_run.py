"""Runs and evaluations as tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zipsel.console.safe_text import count_of, human_bytes, human_seconds, printable
from zipsel.evaluation.verdicts import Evaluation, Judged, JudgedRandom
from zipsel.report.model import Report
from zipsel.report.shown import ShownRecord
from zipsel.report.tables import group_rows, stage_rows, tokens

_LEAST_WIDTH = 80

#: Groups that the summary names.
_N_GROUPS = 5


def print_summary(report: Report, console: Console) -> None:
    """Print what was done, in 80 columns."""
    from zipsel.report.findings import findings, say_profile

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, text in (*_iter_counts(report), *_iter_composition(report)):
        table.add_row(Text(name), Text(text))
    if report.profile_use is not None and (said := say_profile(report.profile_use)):
        table.add_row("profile", Text(said))
    for finding in findings(report):
        if finding.look:
            table.add_row("look", Text(finding.text))
    console.print(table)


def _iter_counts(report: Report) -> Iterator[tuple[str, str]]:
    """Where the rows went."""
    counts = report.counts
    yield (
        "pool",
        f"{count_of(counts.n_rows, 'row')} in {count_of(counts.n_shards, 'shard')}, "
        f"{human_bytes(counts.n_bytes)} of text",
    )
    scored = (counts.n_scored_shards, counts.n_scored_bytes, report.stages.get("score", 0.0))
    yield "shards", count_shards(counts.n_shards, *scored)
    yield "work directory", f"{human_bytes(report.work_dir_bytes)} (see zipsel clean)"
    if counts.n_rejected:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in sorted(counts.rejects.items()))
        yield "refused", f"{count_of(counts.n_rejected, 'row')}: {reasons}"
        losers = [shard for shard in report.shards if shard.n_rejected]
        losers.sort(key=lambda shard: (-shard.n_rejected, shard.path))
        for shard in losers[:_N_LOSERS]:
            yield "", f"{shard.n_rejected:,} of {shard.n_rows:,} in {printable(shard.path, 60)}"
        if len(losers) > _N_LOSERS:
            yield "", f"the rest in {len(losers) - _N_LOSERS:,} other shards; see report.json"
    for path, problem in list(report.bad_shards.items())[:_N_LOSERS]:
        yield "bad file", f"{printable(path, 60)}: {printable(problem)}"
    if report.cascade is not None and report.cascade["fraction"] < 1:
        yield (
            "contenders",
            f"{int(report.cascade['n_contenders']):,} compressed; "
            f"{counts.n_no_contenders:,} ruled out by their n-grams",
        )
    chosen = f"{count_of(counts.n_chosen, 'row')}, {human_bytes(counts.n_chosen_bytes)}"
    yield (
        "chosen",
        f"{chosen}{_in_tokens(report)} ({report.budget}, {report.strategy}, {report.scorer})",
    )
    if counts.n_leaks:
        yield "leaks", f"{counts.n_leaks:,} candidates hold a target or excluded example"
    if counts.n_duplicates:
        yield "duplicates", f"{counts.n_duplicates:,} candidates left out"
    if total := report.stages.get("total"):
        long = [(name, seconds) for name, seconds, share in stage_rows(report) if share > 0.1]
        of_stages = [f", {name} {human_seconds(seconds)}" for name, seconds in long]
        yield "time", human_seconds(total) + "".join(of_stages)


def _in_tokens(report: Report) -> str:
    of_subset = tokens(report)
    return f", {of_subset} tokens" if of_subset else ""


def count_shards(n_shards: int, n_scored: int, n_bytes: int, seconds: float) -> str:
    """How many shards were known and how many were scored, and how fast."""
    shown = f"{n_shards - n_scored:,} known, {n_scored:,} scored"
    if n_bytes == 0:
        return shown
    rate = f", {human_bytes(n_bytes / seconds)}/s" if seconds else ""
    return f"{shown} ({human_bytes(n_bytes)} of text{rate})"


#: Shards with refused rows that the summary names.
_N_LOSERS = 5


def _iter_composition(report: Report) -> Iterator[tuple[str, str]]:
    """Where the choice ended and what it is made of."""
    counts = report.counts
    if report.threshold is not None:
        median = report.quantiles["pool"].get("p50")
        known = median is not None and not counts.n_no_contenders
        beside = f"; pool median {median:.3f}" if known else ""
        yield "threshold", f"alignment {report.threshold:.3f}{beside}"
    heading = printable(report.group_field or "", 20)
    for row in group_rows(report, _N_GROUPS):
        shares = f"{row.chosen:.1%} of the subset, {row.pool:.1%} of the pool"
        yield heading, f"{printable(row.name, 30)}: {shares}"
        heading = ""


def print_records(records: list[ShownRecord], console: Console) -> None:
    """Print records, one line each."""
    table = Table(box=None, padding=(0, 1), expand=True)
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("alignment", justify="right", no_wrap=True)
    table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=1)

    for record in records:
        table.add_row(
            str(record.rank), f"{record.alignment:.3f}", Text(printable(record.text, 120))
        )
    console.print(table)


def print_evaluation(evaluation: Evaluation, file: IO[str]) -> None:
    """Print one line a subset, as they were given, and one for the random subsets."""
    console = Console(file=file, highlight=False)
    console.width = max(_LEAST_WIDTH, console.width)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("subset", overflow="fold")
    for heading in ("bytes", "bits per byte", "95 % interval", "against random"):
        table.add_column(heading, justify="right", no_wrap=True)
    best = min(one.bits_per_byte for one in evaluation.subsets)
    for one in evaluation.subsets:
        style = "bold" if one.bits_per_byte == best and len(evaluation.subsets) > 1 else ""
        cells = [printable(one.path), *_cells(one), _against(one, evaluation.random)]
        table.add_row(*map(Text, cells), style=style)
    if evaluation.random is not None:
        name = f"random, mean of {evaluation.random.n_subsets}"
        table.add_row(name, *_cells(evaluation.random), "")
    console.print(table)
    console.print(
        f"{evaluation.n_examples:,} held-out examples under PPMd (order 8), seed "
        f"{evaluation.seed}; lower is better."
    )


def _cells(one: Judged | JudgedRandom) -> tuple[str, str, str]:
    interval = f"{one.low:.3f} to {one.high:.3f}"
    return f"{one.bytes:,}", f"{one.bits_per_byte:.3f}", interval


def _against(one: Judged, random: JudgedRandom | None) -> str:
    if random is None:
        return ""
    return f"{one.bits_per_byte / random.bits_per_byte - 1:+.1%}"
