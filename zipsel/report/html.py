"""``report.html``: one file that needs nothing else, from the report's numbers alone."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from zipsel.console.safe_text import cut, human_bytes, printable
from zipsel.report import charts
from zipsel.report.findings import findings
from zipsel.report.model import Report
from zipsel.report.shown import Saving, ShownRecord
from zipsel.report.tables import (
    group_rows,
    input_rows,
    loss_rows,
    medians,
    percent,
    sentence,
    stage_rows,
    tokens,
)
from zipsel.report.visible import visible

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Environment


_TEMPLATES = Path(__file__).parent / "templates"

#: Shards in the page's table; report.json has them all.
_MAX_SHARDS = 1000

#: Saved bytes from which an underline is stronger.
_STRONG_BYTES = (2.0, 5.0)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates, with everything escaped that is not marked as safe."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    env = Environment(
        bytecode_cache=_compiled_templates(),
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


def _compiled_templates() -> BytecodeCache | None:
    """Keeps templates compiled where Python keeps modules, because compiling takes 60 ms a run.

    Where nothing can be written, as in an installation of somebody else, they are compiled again.
    """
    from jinja2 import FileSystemBytecodeCache
    from jinja2.bccache import Bucket

    class CompiledTemplates(FileSystemBytecodeCache):
        def dump_bytecode(self, bucket: Bucket) -> None:
            with suppress(OSError):
                os.makedirs(self.directory, exist_ok=True)
                super().dump_bytecode(bucket)

    if sys.dont_write_bytecode:
        return None
    return CompiledTemplates(str(_TEMPLATES / "__pycache__"), f"%s.{sys.implementation.cache_tag}")


def strip_markup(record: ShownRecord) -> Markup:
    """The text of a record: heat as background, savings underlined, what was new in bold.

    Each stretch is cut where either changes. Hovering, or a tap, shows what a saving comes from.
    """
    savings = record.strip.savings if record.strip is not None else []
    heat = (record.strip.heat if record.strip is not None else "") or "0" * len(record.text)
    new = record.new or "0" * len(record.text)
    saving_at = [-1] * len(record.text)
    for number, saving in enumerate(savings):
        first, last = _without_blanks(record.text, saving)
        saving_at[first:last] = [number] * (last - first)
    parts: list[str] = []
    start = 0
    for i in range(1, len(record.text) + 1):
        if i < len(record.text) and (heat[i], saving_at[i], new[i]) == (
            heat[start],
            saving_at[start],
            new[start],
        ):
            continue
        saving_of = savings[saving_at[start]] if saving_at[start] >= 0 else None
        stretch = _stretch(record.text[start:i], heat[start], saving_of)
        parts.append(f'<b class="new">{stretch}</b>' if new[start] == "1" else stretch)
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
    where = f"target example {saving.example}" if saving.example >= 0 else "the target"
    title = escape(
        f"saves {saving.saved_bytes:.1f} bytes · {where}: {printable(saving.source, 200)}"
    )
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
            inputs=input_rows(report),
            command=shlex.join(cut(word, 1000) for word in report.command),
            medians=medians(report),
            tokens=tokens(report),
        )
    )


def render_notebook(report: Report) -> str:
    """The head of the report and its best records, for a cell of a notebook."""
    return (
        environment()
        .get_template("notebook.html.j2")
        .render(report=report, sentence=sentence(report), findings=findings(report))
    )
