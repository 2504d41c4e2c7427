"""The data set card: a ``README.md`` by which Hugging Face ``datasets`` opens the output directory.

Its front matter says which files are the data, so that manifest, report and rejects beside them
are not taken for rows; its body is the report as Markdown. It claims nothing that zipsel does not
know, such as a license. Everything from outside is in code spans or code blocks.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence

from zipsel.console.safe_text import human_bytes, printable_character
from zipsel.report.findings import findings
from zipsel.report.model import Report
from zipsel.report.shown import ShownRecord
from zipsel.report.tables import group_rows, input_rows, loss_rows, percent, sentence, stage_rows
from zipsel.report.visible import code, prose
from zipsel.storage import paths

FILE_NAME = "README.md"

#: Tells a card that may be written over from a README that a user wrote.
MARKER = "<!-- zipsel wrote this file and writes it again; to keep changes, remove this line -->"

_TARGETS_SHOWN = 20
_COMMAND_CHARACTERS = 8000
_N_SHOWN = 5
_N_SHARDS = 20
_SHOWN_CHARACTERS = 100


def may_write(path: str) -> bool:
    """Whether there is no README at a path, or a card that no user has taken over.

    Raises:
        OSError: If the file cannot be read.
    """
    try:
        return MARKER.encode() in paths.read_bytes(path).splitlines()
    except FileNotFoundError:
        return True


def render_card(report: Report) -> str:
    """The card of a run whose subset is a directory of shards."""
    return "\n".join([*_front_matter(report), MARKER, "", *_body(report)]) + "\n"


def data_pattern(report: Report) -> str:
    """Which files of the directory are the subset."""
    name = str(report.outputs[0]["name"])
    return f"subset-*.{name.partition('.')[2]}"


def _front_matter(report: Report) -> Iterator[str]:
    yield from ("---", "configs:", "- config_name: default")
    yield f"  data_files: {json.dumps(data_pattern(report))}"
    yield from ("tags:", "- data-selection", "- zipsel", "---")


def _body(report: Report) -> Iterator[str]:
    yield from ("# A subset chosen by zipsel", "", sentence(report), "")
    for finding in findings(report):
        yield f"- {'⚠ ' if finding.look else ''}{prose(finding.text)}"
    yield from ("", "| | |", "|---|---|")
    for name, value in _facts(report):
        yield f"| {name} | {value} |"
    yield from ("", "```python", "import datasets")
    yield 'dataset = datasets.load_dataset("path/to/this/directory", split="train")'
    yield from ("```", "")
    yield from _iter_losses(report)
    yield from _iter_groups(report)
    yield from _iter_records(report)
    yield from _iter_shards(report)
    yield from _iter_origin(report)


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    counts = report.counts
    yield "strategy", code(report.strategy)
    yield "scorer", code(report.scorer)
    yield "budget", code(report.budget)
    if report.threshold is not None:
        yield "threshold", f"{report.threshold:.6g} (lowest alignment chosen)"
    yield "records", f"{counts.n_chosen:,}"
    yield "text", f"{counts.n_chosen_bytes:,} bytes"
    yield "files", code(data_pattern(report))
    targets = [str(path) for path in report.profile.get("target") or []]
    names = [os.path.basename(os.path.normpath(path)) for path in targets[:_TARGETS_SHOWN]]
    shown = [code(name, 120) for name in names]
    if len(targets) > _TARGETS_SHOWN:
        shown.append(f"and {len(targets) - _TARGETS_SHOWN:,} more")
    if shown:
        yield "target", ", ".join(shown)
    yield "SHA-256 of the target's texts", code(str(report.profile.get("target_sha256", "")))
    yield "profile", code(str(report.profile.get("digest", "")))
    for name, version in report.versions.items():
        yield name, code(version)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table whose first column is left and whose others are right, and a blank."""
    yield "| " + " | ".join(heads) + " |"
    yield "|---|" + "---:|" * (len(heads) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _iter_losses(report: Report) -> Iterator[str]:
    yield from ("## Where the rows went", "")
    losses = [
        (prose(name), f"{n:,}", percent(n / max(1, report.counts.n_rows)), prose(note))
        for name, n, note in loss_rows(report)
    ]
    yield from table(("where", "rows", "share", "why"), losses)
    if report.counts.rejects:
        reasons = [(reason, f"{n:,}") for reason, n in report.counts.rejects.items()]
        yield from table(("refused because", "rows"), reasons)


def _iter_groups(report: Report) -> Iterator[str]:
    if report.groups:
        yield from (f"## Composition by {code(report.group_field or '', 60)}", "")
        rows = [
            (code(row.name, 60), f"{row.n_chosen:,}", percent(row.chosen), percent(row.pool))
            for row in group_rows(report)
        ]
        yield from table(("group", "chosen", "of the subset", "of the pool"), rows)


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
            yield from (f"## {title}", "")
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
    yield from ("## Shards", "")
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
        yield from (f"and {len(shards) - _N_SHARDS:,} more, in report.json.", "")


def _iter_origin(report: Report) -> Iterator[str]:
    yield from ("## Repeat", "")
    if report.command:
        yield from (*fenced(shlex.join(report.command)), "")
    inputs = [(code(path, 100), role, code(digest)) for role, path, digest in input_rows(report)]
    if inputs:
        yield from table(("read besides the pool", "as", "fingerprint"), inputs)
    stages = [(name, f"{seconds:.2f}") for name, seconds, _ in stage_rows(report)]
    yield from table(("stage", "seconds"), stages)


def fenced(text: str) -> Iterator[str]:
    """Lines of a code block that nothing in a text can end."""
    if len(text) > _COMMAND_CHARACTERS:
        text = text[: _COMMAND_CHARACTERS - 1] + "…"
    fence = "`" * (max([2, *map(len, re.findall("`+", text))]) + 1)
    yield f"{fence}sh"
    for line in text.split("\n"):
        yield "".join(printable_character(one) for one in line)
    yield fence
