"""Charts as inline SVG, drawn by hand: numbers in, markup out.

A chart is stretched to its place, so that only shapes are SVG; labels are HTML beside them, which
keeps their size on a phone. Colours come from the page's style by class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from zipsel.console.safe_text import printable
from zipsel.evaluation.verdicts import Curve
from zipsel.report.model import Histogram
from zipsel.report.visible import visible

_WIDTH, _HEIGHT = 1000, 300

#: Share of the longest texts that length charts draw as one bar.
_TAIL_SHARE = 0.002

#: Colours of curves: classes ``s0`` to ``s4`` in the style.
_N_COLOURS = 5

Scale = Callable[[float], float]


def number(value: float) -> str:
    """A number in as few characters as tell it from its neighbours on an axis."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        power = min(3, int(math.log10(abs(value)) + 1e-9) // 3)
        return f"{value / 10 ** (3 * power):.3g}{'kMG'[power - 1]}"
    return f"{value:.3g}"


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round values between two, about as many as wanted."""
    if not high > low:
        return [low]
    rough = (high - low) / wanted
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between two, or of two where there are few of ten."""
    tens = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    if len(tens) > 1:
        return [10.0**i for i in tens]
    twos = range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)
    return [2.0**i for i in twos]


def _scale(low: float, high: float, log: bool) -> Scale:
    """Map ``low`` to ``high`` onto 0 to 1."""
    if log:
        low, high = math.log(low), math.log(high)
        return lambda x: (math.log(max(x, 1e-300)) - low) / ((high - low) or 1)
    return lambda x: (x - low) / ((high - low) or 1)


def _bars(edges: Sequence[float], heights: Sequence[float], x: Scale, name: str) -> str:
    """Bars as one path, heights from 0 to 1."""
    steps = []
    for left, right, height in zip(edges, edges[1:], heights, strict=False):
        if height > 0:
            a, b = _WIDTH * x(left), _WIDTH * x(right)
            top = _HEIGHT * (1 - height)
            steps.append(f"M{a:.1f} {_HEIGHT}V{top:.1f}H{b:.1f}V{_HEIGHT}Z")
    return f'<path class="{name}" d="{"".join(steps)}"/>'


def _frame(shapes: str, label: str, overlay: str, axis: str) -> Markup:
    return Markup(
        f'<div class="chart"><div class="plot"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'preserveAspectRatio="none" role="img" aria-label="{escape(label)}">{shapes}</svg>'
        f'{overlay}</div><div class="axis">{axis}</div></div>'
    )


def _axis(values: Sequence[float], x: Scale, last: str = "") -> str:
    """Tick labels below a plot."""
    places = [(100 * x(value), number(value)) for value in values]
    if last:
        places = [place for place in places if place[0] < 84] + [(100, last)]
    return "".join(
        f'<i class="{"first" if at < 3 else "last" if at > 97 else ""}" '
        f'style="left:{at:.2f}%">{escape(text)}</i>'
        for at, text in places
        if -0.01 <= at <= 100.01
    )


def _mark(at: float, text: str) -> str:
    """A vertical line with its label, at 0 to 1."""
    side = "left" if at > 0.6 else "right"
    return (
        f'<div class="mark {side}" style="left:{100 * at:.2f}%"><span>{escape(text)}</span></div>'
    )


def alignment_chart(histogram: Histogram, threshold: float | None) -> Markup:
    """Records by alignment, on a square-root scale, and the threshold where the budget ended."""
    edges = histogram.edges
    x = _scale(edges[0], edges[-1], log=False)
    most = max([1, *histogram.pool])
    pool = [math.sqrt(n / most) for n in histogram.pool]
    subset = [math.sqrt(n / most) for n in histogram.subset]
    shapes = _bars(edges, pool, x, "pool") + _bars(edges, subset, x, "subset")
    overlay = "" if threshold is None else _mark(x(threshold), f"threshold {threshold:.3f}")
    tail = histogram.pool[-1] > histogram.pool[-2] if len(histogram.pool) > 1 else False
    axis = _axis(ticks(edges[0], edges[-1]), x, f"≥ {number(edges[-2])}" if tail else "")
    return _frame(shapes, "Records of pool and subset by alignment", overlay, axis)


def length_chart(histogram: Histogram, medians: tuple[float, float] | None) -> Markup:
    """Shares by length of text, on a logarithmic axis, with the medians of pool and subset."""
    histogram = gather_tail(histogram)
    x = _scale(histogram.edges[0], histogram.edges[-1], log=True)
    total_pool, total_subset = max(1, sum(histogram.pool)), max(1, sum(histogram.subset))
    shares = [n / total_pool for n in histogram.pool], [n / total_subset for n in histogram.subset]
    most = max([1e-9, *shares[0], *shares[1]])
    shapes = _bars(histogram.edges, [share / most for share in shares[0]], x, "pool")
    shapes += _bars(histogram.edges, [share / most for share in shares[1]], x, "subset veil")
    overlay = "" if medians is None else _medians(x, medians)
    values = log_ticks(histogram.edges[0], histogram.edges[-1])
    axis = _axis(values, x, f"≥ {number(histogram.edges[-2])}" if len(values) else "")
    return _frame(shapes, "Shares of pool and subset by bytes of text", overlay, axis)


def gather_tail(histogram: Histogram) -> Histogram:
    """The same with the bins of the longest 0.2 % of both in one, so that the rest has room."""
    keep = len(histogram.pool)
    totals = [(values, sum(values)) for values in (histogram.pool, histogram.subset)]
    while keep > 2 and all(
        sum(values[keep - 2 :]) <= _TAIL_SHARE * total for values, total in totals
    ):
        keep -= 1
    return Histogram(
        edges=histogram.edges[: keep + 1],
        pool=[*histogram.pool[: keep - 1], sum(histogram.pool[keep - 1 :])],
        subset=[*histogram.subset[: keep - 1], sum(histogram.subset[keep - 1 :])],
    )


def _medians(x: Scale, medians: tuple[float, float]) -> str:
    return "".join(
        f'<div class="median {name}" style="left:{100 * min(1, max(0, x(value))):.2f}%"></div>'
        for name, value in zip(("of-pool", "of-subset"), medians, strict=True)
        if value > 0
    )


def curve_chart(curve: Curve) -> Markup:
    """Measured curves, one line a series, with the point that was settled on."""
    points = [point for series in curve.series.values() for point in series]
    if not points:
        return Markup("")
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    log = curve.log_x and min(xs) > 0
    x, y = _scale(min(xs), max(xs), log), _scale(min(ys), max(ys), log=False)
    lines = []
    for i, series in enumerate(curve.series.values()):
        path = "L".join(
            f"{_WIDTH * x(a):.1f} {_HEIGHT * (0.95 - 0.9 * y(b)):.1f}" for a, b in series
        )
        lines.append(f'<path class="line s{i % _N_COLOURS}" d="M{path}"/>')
    overlay = (
        ""
        if curve.mark is None
        else _mark(x(curve.mark), f"{printable(curve.mark_name, 40)} {number(curve.mark)}")
    )
    overlay += "".join(
        f'<i class="level" style="top:{100 * (0.95 - 0.9 * y(value)):.2f}%">{number(value)}</i>'
        for value in (min(ys), max(ys))
    )
    values = log_ticks(min(xs), max(xs)) if log else ticks(min(xs), max(xs))
    return _frame("".join(lines), printable(curve.title, 100), overlay, _axis(values, x))


def legend(names: Sequence[str]) -> Markup:
    """Names of a curve chart's series, with their colours."""
    return Markup(" ").join(
        Markup('<span class="key s{}">{}</span>').format(i % _N_COLOURS, visible(name, 60))
        for i, name in enumerate(names)
    )
