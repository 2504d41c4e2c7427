"""A comparison of two runs for people: on a terminal and as a page."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zipsel.console.safe_text import printable
from zipsel.report.compare import DEPTHS, Comparison, Moved
from zipsel.report.tables import Row, show_group

_N_SHOWN = 5
_N_GROUPS = 10


def sentence(both: Comparison) -> str:
    """The comparison in one sentence."""
    if not both.n_common:
        return "The two runs have no record in common."
    if both.n_common == both.n_a == both.n_b:
        order = "" if both.moved else ", in the same order"
        return f"Both runs chose the same {both.n_a:,} records{order}."
    return (
        f"{both.n_common:,} records are in both runs: "
        f"{both.n_common / max(1, both.n_a):.0%} of A's {both.n_a:,} "
        f"and {both.n_common / max(1, both.n_b):.0%} of B's {both.n_b:,}."
    )


def render_comparison(both: Comparison) -> str:
    """One self-contained page."""
    from zipsel.report.html import environment

    groups = [
        Row(show_group(group.name), n_a, n_b, n_a / max(1, both.n_a), n_b / max(1, both.n_b))
        for group in both.groups
        if (n_a := group.n_a) is not None and (n_b := group.n_b) is not None
    ]
    template = environment().get_template("compare.html.j2")
    return template.render(both=both, sentence=sentence(both), groups=groups)


def print_comparison(both: Comparison, console: Console) -> None:
    """Print the comparison in 80 columns."""
    console.print(Text(sentence(both), style="bold"))
    numbers = Table.grid(padding=(0, 2))
    numbers.add_row("A", Text(printable(both.a), overflow="fold"))
    numbers.add_row("B", Text(printable(both.b), overflow="fold"))
    numbers.add_row("Jaccard", f"{both.jaccard:.3f}")
    numbers.add_row("RBO", f"{both.rbo:.3f} (p = {both.rbo_p})")
    if both.rank_correlation is not None:
        numbers.add_row("Spearman", f"{both.rank_correlation:.3f} over the common records")
    console.print(numbers)
    depths = _depths(both)
    if depths:
        table = Table(box=None, padding=(0, 2), title="overlap by depth", title_justify="left")
        for depth, _ in depths:
            table.add_column(f"{depth:,}", justify="right")
        table.add_row(*(f"{value:.2f}" for _, value in depths))
        console.print(table)
    if both.groups:
        _print_groups(both, console)
    for problem in both.unreadable:
        console.print(Text(f"no texts of {printable(problem)}"))
    _print_moved("in A alone", both.only_a, console)
    _print_moved("in B alone", both.only_b, console)
    _print_moved("in both, elsewhere", both.moved, console)


def _depths(both: Comparison) -> list[tuple[int, float]]:
    """Jaccard at a few depths, spread by ratio."""
    points = {int(depth): value for depth, value in both.curve.series["Jaccard"]}
    deepest = max(points, default=0)
    shown = [depth for depth in DEPTHS if depth < deepest and depth in points][-7:]
    return [(depth, points[depth]) for depth in [*shown, deepest] if depth]


def _print_groups(both: Comparison, console: Console) -> None:

    table = Table(box=None, padding=(0, 2))
    n_groups = len(both.groups)
    heading = "group" if n_groups <= _N_GROUPS else f"group, {_N_GROUPS} of {n_groups:,}"
    table.add_column(heading, overflow="ellipsis", no_wrap=True)
    table.add_column("A", justify="right")
    table.add_column("B", justify="right")
    for group in both.groups[:_N_GROUPS]:
        table.add_row(
            Text(printable(show_group(group.name), 40)),
            *(
                "-" if n is None else f"{n / max(1, n_chosen):.1%}"
                for n, n_chosen in ((group.n_a, both.n_a), (group.n_b, both.n_b))
            ),
        )
    console.print(table)


def _print_moved(title: str, rows: Sequence[Moved], console: Console) -> None:

    if not rows:
        return
    table = Table(box=None, padding=(0, 2), expand=True)
    table.add_column(title, overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("rank A", justify="right", no_wrap=True)
    table.add_column("rank B", justify="right", no_wrap=True)
    for row in rows[:_N_SHOWN]:
        table.add_row(
            Text(printable(row.text or row.record, 120)),
            "-" if row.rank_a is None else f"{row.rank_a:,}",
            "-" if row.rank_b is None else f"{row.rank_b:,}",
        )
    console.print(table)
