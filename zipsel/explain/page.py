"""Explanations as one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zipsel.explain.model import Explanation, Span
from zipsel.report.html import environment
from zipsel.report.shown import ShownRecord, Strip

#: Characters of a text that the page shows.
SHOWN_CHARACTERS = 20_000

_N_SPANS = 50


class _Item(NamedTuple):
    explanation: Explanation
    record: ShownRecord
    cut: bool
    spans: list[Span]


def render_explanations(
    explanations: Sequence[Explanation], texts: Sequence[str], strips: Sequence[Strip]
) -> str:
    """The page.

    Args:
        explanations: What to show.
        texts: The beginning of each text.
        strips: Of those beginnings.
    """
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
    return sorted(found, key=lambda span: -(span.saved_bytes or 0))[:_N_SPANS]
