"""Explanations for people: on a terminal and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from zipsel.console.safe_text import printable, printable_character
from zipsel.explain.model import Explanation, Span
from zipsel.report.html import environment
from zipsel.report.shown import ShownRecord, Strip

#: Characters of a text that are shown; ``--html`` shows more.
SHOWN_CHARACTERS = 1500

_N_SPANS = 12

#: Backgrounds of the 256-colour palette for heat 1 to 9, from cream to orange.
_HEAT_COLOURS = (230, 229, 228, 227, 221, 220, 214, 208, 202)

_HEAT_BLOCKS = " ▁▂▃▄▅▆▇██"

#: Characters of a text that the page shows.
PAGE_CHARACTERS = 20_000

_PAGE_SPANS = 50


class _Item(NamedTuple):
    explanation: Explanation
    record: ShownRecord
    cut: bool
    spans: list[Span]


def render_explanations(
    explanations: Sequence[Explanation], texts: Sequence[str], strips: Sequence[Strip]
) -> str:
    """The page of explanations, each with the beginning of its text and the strip of that."""
    items = [
        _Item(
            explanation,
            ShownRecord(
                rank=0,
                chosen=True,
                shard=explanation.record,
                row=0,
                alignment=explanation.alignment,
                n_bytes=explanation.n_bytes,
                text=text,
                strip=strip,
            ),
            len(text.encode()) < explanation.n_bytes,
            _best_spans(explanation),
        )
        for explanation, text, strip in zip(explanations, texts, strips, strict=True)
    ]
    return environment().get_template("explain.html.j2").render(items=items)


def _best_spans(explanation: Explanation) -> list[Span]:
    found = [span for span in explanation.spans if span.source is not None and span.saved_bytes]
    return sorted(found, key=lambda span: -(span.saved_bytes or 0))[:_PAGE_SPANS]


def print_explanation(explanation: Explanation, text: str, strip: Strip, console: Console) -> None:
    """Print one explanation.

    Where there is no colour, heat is a line of blocks below each line of text.
    """
    head = Text(printable(explanation.record), style="bold")
    head.append(f"  alignment {explanation.alignment:.3f}", style="not bold")
    console.print(head, soft_wrap=True)
    for component in _iter_components(explanation):
        console.print(f"  {component}", soft_wrap=True)
    console.print()
    coloured = console.is_terminal and not console.no_color
    for line, heat in _iter_lines(text, strip, console.width - 2):
        console.print(Text("  ") + line, soft_wrap=True)
        if not coloured and heat.strip():
            console.print(Text("  " + heat.rstrip()), soft_wrap=True)
    if explanation.n_bytes > len(text.encode()):
        console.print(f"  … {explanation.n_bytes:,} bytes in all")
    _print_spans(explanation, console)


def _iter_components(explanation: Explanation) -> Iterator[str]:
    z_conditional = z_ngram = ""
    if explanation.moments is not None:
        mean_c, deviation_c, mean_n, deviation_n = explanation.moments
        of_conditional, of_ngram = explanation.conditional or 0.0, explanation.ngram or 0.0
        z_conditional = f": {(of_conditional - mean_c) / deviation_c:+.2f} deviations"
        z_ngram = f": {(of_ngram - mean_n) / deviation_n:+.2f} deviations"
    if explanation.facet is not None:
        yield f"facet        {printable(explanation.facet)}"
    if explanation.ngram is not None:
        yield f"ngram        {explanation.ngram:+.4f} bit per byte{z_ngram}"
    if explanation.conditional is not None:
        yield (
            f"conditional  {explanation.conditional:.1%} of {explanation.c_x:,} bytes explained, "
            f"{explanation.c_x_given_t:,} left{z_conditional}"
        )


def _iter_lines(text: str, strip: Strip, width: int) -> Iterator[tuple[Text, str]]:
    """Lines of at most ``width`` cells, each with its line of blocks."""
    heat = strip.heat or "0" * len(text)
    saved = [False] * len(text)
    for saving in strip.savings:
        saved[saving.start : saving.end] = [True] * (saving.end - saving.start)
    line, blocks, used = Text(), "", 0
    for i, character in enumerate(text):
        shown = _shown(character)
        cells = cell_len(shown)
        if character == "\n" or used + cells > width:
            yield line, blocks
            line, blocks, used = Text(), "", 0
            if character == "\n":
                continue
        level = int(heat[i])
        style = f"black on color({_HEAT_COLOURS[level - 1]})" if level else ""
        line.append(shown, style=f"{style} underline" if saved[i] else style)
        blocks += _HEAT_BLOCKS[level] * cells
        used += cells
    if used:
        yield line, blocks


def _shown(character: str) -> str:
    if character == "\t":
        return "    "
    return printable_character(character)


def _print_spans(explanation: Explanation, console: Console) -> None:

    def worth(span: Span) -> float:
        return (span.saved_bytes or 0.0) * 8 + (span.ngram_bits or 0.0)

    spans = [span for span in explanation.spans if span.kind == "target" and span.source]
    if not spans:
        return
    table = Table(box=None, padding=(0, 1), expand=True)
    table.add_column("saves", justify="right", no_wrap=True)
    table.add_column("n-grams", justify="right", no_wrap=True)
    table.add_column("stretch", no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column("in target example", no_wrap=True, overflow="ellipsis", ratio=3)
    for span in sorted(spans, key=worth, reverse=True)[:_N_SPANS]:
        source = span.source
        number = f"{source.example}: " if source and source.example >= 0 else ""
        table.add_row(
            f"{span.saved_bytes or 0:.1f} B",
            "" if span.ngram_bits is None else f"{span.ngram_bits:+.1f} b",
            Text(printable(span.text, 60)),
            Text(f"{number}{printable(source.text, 80) if source else ''}"),
        )
    console.print()
    console.print(table)
    shown = sum(span.saved_bytes or 0.0 for span in spans)
    left = explanation.unallotted_bytes or 0.0
    saved = (explanation.c_x or 0) - (explanation.c_x_given_t or 0)
    console.print(
        f"  {len(spans)} stretches save {shown:,.1f} of {saved:,} bytes"
        + (f"; {left:,.1f} bytes are not attributed to a stretch" if left else "")
    )
