"""The picture of the README: what a rival's choice costs more than the default's, as SVG."""

from collections.abc import Mapping, Sequence

from quality_lib.grid import Cell
from quality_lib.tables import BASELINES, DEFAULT, OWN, RIVALS, family_cost, index_cells

# Families in the order of the legend, with colours that differ for the colour-blind too.
COLOURS = {
    "ngram": "#0072b2",
    "MiniLM": "#cc79a7",
    "DSIR per token": "#009e73",
    "Moore-Lewis": "#e69f00",
    "TSDS": "#56b4e9",
    "ZIP-FIT lz4 0": "#d55e00",
    "fastText": "#8c6d31",
    "random": "#999999",
}
NAMES = {"ngram": "zipsel --strategy top"}
WIDTH, LEFT, RIGHT, TOP, ROW = 760, 110, 30, 62, 26
LEGEND_COLUMNS = 4
TICK_PERCENT = 10


def extra_percent(
    cells: Sequence[Cell], tasks: Sequence[str], budget_bytes: int
) -> dict[str, dict[str, float]]:
    """Target → family → percent of bits more than after the default's choice."""
    indexed = index_cells(cells)
    families = OWN | RIVALS | BASELINES
    extra: dict[str, dict[str, float]] = {}
    for task in tasks:
        default = indexed.get((task, DEFAULT, budget_bytes))
        if default is None:
            continue
        extra[task] = {}
        for family in COLOURS:
            cost = family_cost(indexed, task, family, families[family], budget_bytes)
            if cost is not None:
                extra[task][family] = 100 * (cost / default.bits_per_byte - 1)
    return extra


def draw(extra: Mapping[str, Mapping[str, float]], budget_bytes: int) -> str:
    """The picture: a row for each target, a dot for each family."""
    most = max((value for row in extra.values() for value in row.values()), default=0.0)
    least = min((value for row in extra.values() for value in row.values()), default=0.0)
    low, high = min(-2.0, least - 1), max(float(TICK_PERCENT), most + 1)
    bottom = TOP + ROW * len(extra)

    def x(percent: float) -> float:
        return LEFT + (percent - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 44}" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        "<title>Bits that held-out examples cost more than after the choice of zipsel</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    shown = [family for family in COLOURS if any(family in row for row in extra.values())]
    for i, family in enumerate(shown):
        left, top = LEFT + i % LEGEND_COLUMNS * 160, 16 + i // LEGEND_COLUMNS * 18
        parts.append(f'<circle cx="{left}" cy="{top}" r="5" fill="{COLOURS[family]}"/>')
        parts.append(f'<text x="{left + 10}" y="{top + 4}">{NAMES.get(family, family)}</text>')
    for i in range(len(extra)):
        y = TOP + ROW * i + ROW // 2
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#eee"/>')
    for percent in range(0, int(high) + 1, TICK_PERCENT):
        heavy = 'stroke="#222" stroke-width="2"' if percent == 0 else 'stroke="#ddd"'
        at = f"{x(percent):.1f}"
        parts.append(f'<path d="M{at} {TOP - 8}V{bottom}" {heavy}/>')
        parts.append(f'<text x="{at}" y="{bottom + 16}" text-anchor="middle">{percent} %</text>')
    for i, (task, row) in enumerate(extra.items()):
        y = TOP + ROW * i + ROW // 2
        parts.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{task}</text>')
        for family, value in row.items():
            parts.append(
                f'<circle cx="{x(value):.1f}" cy="{y}" r="5" fill="{COLOURS[family]}" '
                f'fill-opacity="0.85"><title>{family}: {value:+.1f} %</title></circle>'
            )
    note = f"bits more than after the {budget_bytes / 1e6:g} MB that zipsel chooses by default (0)"
    parts.append(f'<text x="{x(0):.1f}" y="{bottom + 34}">{note}</text></svg>')
    return "\n".join(parts) + "\n"
