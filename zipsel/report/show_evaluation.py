"""The table that ``zipsel eval`` prints."""

from __future__ import annotations

from typing import IO

from zipsel.terminal import printable
from zipsel.verdicts import Evaluation, Judged, JudgedRandom

_LEAST_WIDTH = 80


def print_evaluation(evaluation: Evaluation, file: IO[str]) -> None:
    """Print one line a subset, as they were given, and one for the random subsets."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

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
