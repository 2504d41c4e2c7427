"""``report.html``: one file that needs nothing else, from the report's numbers alone."""

from __future__ import annotations

import shlex
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup, escape

from zipsel.report import charts
from zipsel.report.findings import findings
from zipsel.report.model import Report
from zipsel.report.shown import Saving, ShownRecord
from zipsel.report.summary import human_bytes
from zipsel.report.visible import cut, plain, visible

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"

#: Shards in the page's table; report.json has them all.
_MAX_SHARDS = 1000

#: Rows of the composition; the rest is summed up.
_MAX_GROUPS = 30


#: Saved bytes from which an underline is stronger.
_STRONG_BYTES = (2.0, 5.0)


class Row(NamedTuple):
    """A line of a table of shares.

    Attributes:
        name: What it counts.
        n_pool: In the pool.
        n_chosen: In the subset.
        pool: Share of the pool.
        chosen: Share of the subset.
    """

    name: str
    n_pool: int
    n_chosen: int
    pool: float
    chosen: float


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates, with everything escaped that is not marked as safe."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    env = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        visible=visible,
        size=human_bytes,
        count=lambda n: f"{n:,}",
        percent=percent,
        strip=strip_markup,
        share=lambda share: f"{100 * min(1.0, share):.2f}%",
    )
    env.globals.update(
        style=Markup((_TEMPLATES / "style.css").read_text()),
        script=Markup((_TEMPLATES / "page.js").read_text()),
        charts=charts,
    )
    return env


def percent(share: float) -> str:
    """A share with as many digits as tell it from none and from all."""
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{100 * share:.1f}%"


def strip_markup(record: ShownRecord) -> Markup:
    """The text of a record with its heat as background and its savings underlined.

    Each stretch is cut where either changes. Hovering, or a tap, shows what a saving comes from.
    """
    if record.strip is None:
        return visible(record.text, one_line=False)
    heat = record.strip.heat or "0" * len(record.text)
    saving_at = [-1] * len(record.text)
    for number, saving in enumerate(record.strip.savings):
        first, last = _without_blanks(record.text, saving)
        saving_at[first:last] = [number] * (last - first)
    parts: list[str] = []
    start = 0
    for i in range(1, len(record.text) + 1):
        if i < len(record.text) and (heat[i], saving_at[i]) == (heat[start], saving_at[start]):
            continue
        saving_of = record.strip.savings[saving_at[start]] if saving_at[start] >= 0 else None
        parts.append(_stretch(record.text[start:i], heat[start], saving_of))
        start = i
    return Markup("".join(parts))


def _without_blanks(text: str, saving: Saving) -> tuple[int, int]:
    """Where a saving is underlined: blanks at its ends are not, they would look like rules."""
    stretch = text[saving.start : saving.end]
    first = saving.start + len(stretch) - len(stretch.lstrip())
    return first, max(first, saving.start + len(stretch.rstrip()))


def _stretch(text: str, heat: str, saving: Saving | None) -> str:
    shown = visible(text, one_line=False)
    level = f"h{heat}" if heat > "0" else ""
    if saving is None:
        return f'<span class="{level}">{shown}</span>' if level else str(shown)
    where = f"target example {saving.example + 1}" if saving.example >= 0 else "the target"
    title = escape(f"saves {saving.saved_bytes:.1f} bytes · {where}: {plain(saving.source, 200)}")
    strong = sum(saving.saved_bytes >= least for least in _STRONG_BYTES)
    return f'<span class="m m{strong} {level}" title="{title}">{shown}</span>'


def render_report(report: Report) -> str:
    """The page.

    It depends on nothing but the report: made again, it is the same.
    """
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            counts=report.counts,
            sentence=sentence(report),
            findings=findings(report),
            groups=group_rows(report),
            losses=loss_rows(report),
            shards=sorted(report.shards, key=lambda shard: -shard.n_chosen)[:_MAX_SHARDS],
            stages=stage_rows(report),
            command=shlex.join(cut(word, 1000) for word in report.command),
            medians=_medians(report),
        )
    )


def sentence(report: Report) -> str:
    """The run in one sentence."""
    counts = report.counts
    share = percent(counts.n_chosen / max(1, counts.n_scored))
    return (
        f"{counts.n_chosen:,} of {counts.n_rows:,} records ({share}), "
        f"{human_bytes(counts.n_chosen_bytes)} of {human_bytes(counts.n_bytes)} of text, "
        f"closest to {report.profile.get('n_target', 0):,} target examples."
    )


def _medians(report: Report) -> tuple[float, float] | None:
    found = [report.length_quantiles.get(of, {}).get("p50") for of in ("pool", "subset")]
    return (found[0], found[1]) if found[0] and found[1] else None


def group_rows(report: Report) -> list[Row]:
    """Composition by group, the smallest groups summed up."""
    n_pool, n_chosen = max(1, report.counts.n_scored), max(1, report.counts.n_chosen)
    triples = [(group.name, group.n_pool, group.n_chosen) for group in report.groups]
    if len(triples) > _MAX_GROUPS:
        rest = triples[_MAX_GROUPS:]
        name = f"{len(rest):,} others"
        triples = [
            *triples[:_MAX_GROUPS],
            (name, sum(t[1] for t in rest), sum(t[2] for t in rest)),
        ]
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
    below = counts.n_passed - counts.n_screened - n_removed
    rows = [
        ("refused", counts.n_rejected, "no usable text"),
        ("ruled out early", counts.n_screened, "too few n-grams of the target to contend"),
        *removed,
        ("not reached", below, "ranked below the threshold"),
        ("chosen", counts.n_chosen, report.budget),
    ]
    return [row for row in rows if row[1] or row[0] == "chosen"]


def stage_rows(report: Report) -> list[tuple[str, float, float]]:
    """Stage, seconds, and their share of the whole; what no stage counts is ``other``."""
    stages = dict(report.stages)
    total = stages.pop("total", sum(stages.values()))
    other = total - sum(stages.values())
    if other > 0.01 * total:
        stages["other"] = other
    return [(name, seconds, seconds / total if total else 0) for name, seconds in stages.items()]
