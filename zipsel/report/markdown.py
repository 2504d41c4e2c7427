"""``report.md``: the report for pull requests and tickets."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from zipsel.console.safe_text import human_bytes
from zipsel.report.findings import findings
from zipsel.report.model import Report
from zipsel.report.shown import ShownRecord
from zipsel.report.tables import group_rows, loss_rows, percent, sentence, stage_rows
from zipsel.report.visible import code, prose

_N_SHOWN = 5
_N_SHARDS = 20
_SHOWN_CHARACTERS = 100


def render_markdown(report: Report) -> str:
    """The report as GitHub-flavoured Markdown; texts of records stand in code spans."""
    return "\n".join(_iter_lines(report)) + "\n"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table whose first column is left and whose others are right, and a blank."""
    yield "| " + " | ".join(heads) + " |"
    yield "|---|" + "---:|" * (len(heads) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _iter_lines(report: Report) -> Iterator[str]:
    counts = report.counts
    yield f"# {sentence(report)}"
    yield ""
    threshold = "" if report.threshold is None else f", threshold {report.threshold:.3f}"
    yield f"Budget {code(report.budget)}, scorer `{report.scorer}`{threshold}."
    yield ""
    for finding in findings(report):
        yield f"- {'⚠ ' if finding.look else ''}{prose(finding.text)}"
    yield ""
    if report.groups:
        yield f"## Composition by {code(report.group_field or '', 60)}"
        yield ""
        rows = [
            (code(row.name, 60), f"{row.n_chosen:,}", percent(row.chosen), percent(row.pool))
            for row in group_rows(report)
        ]
        yield from table(("group", "chosen", "of the subset", "of the pool"), rows)
    yield "## Where the rows went"
    yield ""
    losses = [
        (prose(name), f"{n:,}", percent(n / max(1, counts.n_rows)), prose(note))
        for name, n, note in loss_rows(report)
    ]
    yield from table(("where", "rows", "share", "why"), losses)
    if counts.rejects:
        reasons = [(reason, f"{n:,}") for reason, n in counts.rejects.items()]
        yield from table(("refused because", "rows"), reasons)
    yield from _iter_records(report)
    yield from _iter_shards(report)
    yield "## Repeat"
    yield ""
    yield f"{code(shlex.join(report.command), 4000)}"
    yield ""
    yield from table(
        ("stage", "seconds"),
        [(name, f"{seconds:.2f}") for name, seconds, _ in stage_rows(report)],
    )
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield f"Profile `{report.profile.get('digest', '')}`; {versions}."


def _iter_records(report: Report) -> Iterator[str]:
    after = [record for record in report.borderline if not record.chosen]
    before = [record for record in report.borderline if record.chosen]
    for title, records in (
        ("The best", report.best),
        ("The last chosen", before),
        ("The first left out", after),
        ("Chosen, at random", report.random),
    ):
        if records:
            yield f"## {title}"
            yield ""
            yield from table(
                ("text", "alignment", "bytes", "record"), [_record(r) for r in records[:_N_SHOWN]]
            )


def _record(record: ShownRecord) -> tuple[str, str, str, str]:
    return (
        code(record.text, _SHOWN_CHARACTERS),
        f"{record.alignment:.3f}",
        f"{record.n_bytes:,}",
        code(f"{record.shard}:{record.row}", 120),
    )


def _iter_shards(report: Report) -> Iterator[str]:
    yield "## Shards"
    yield ""
    shards = sorted(report.shards, key=lambda shard: -shard.n_chosen)
    rows = [
        (
            code(shard.path, 100),
            f"{shard.n_rows:,}",
            f"{shard.n_rejected:,}",
            human_bytes(shard.n_bytes),
            f"{shard.n_chosen:,}",
        )
        for shard in shards[:_N_SHARDS]
    ]
    yield from table(("shard", "rows", "refused", "text", "chosen"), rows)
    if len(shards) > _N_SHARDS:
        yield f"and {len(shards) - _N_SHARDS:,} more, in report.json."
        yield ""
