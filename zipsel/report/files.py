"""The files that a report is read in, and what it takes to read the run's records again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

from zipsel.report.model import Provenance, Report
from zipsel.settings import ScoreSettings


def iter_report_files(report: Report) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of ``report.json`` and its readable forms."""
    from zipsel.report.html import render_report
    from zipsel.report.markdown import render_markdown

    yield "report.json", report.to_json()
    yield "report.html", render_report(report).encode()
    yield "report.md", render_markdown(report).encode()


def provenance_of(settings: ScoreSettings, profile_path: str) -> Provenance:
    """Where a run read its records, and when."""
    return Provenance(
        directory=os.getcwd(),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        profile=os.path.abspath(profile_path),
        text_kind=settings.text.kind,
        text_value=settings.text.value,
        max_row_bytes=settings.read.max_row_bytes,
        long_windows=settings.read.long_windows,
    )
