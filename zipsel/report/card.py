"""The data set card: a ``README.md`` by which Hugging Face ``datasets`` opens the output directory.

Its front matter says which files are the data, so that manifest, report and rejects beside them
are not taken for rows; its body says for people what chose them. It claims nothing that zipsel
does not know, such as a license. Everything from outside stands in code.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256

from zipsel.console.safe_text import is_plain, name_of
from zipsel.report.model import Report
from zipsel.report.visible import code
from zipsel.storage import paths
from zipsel.storage.staging import Staging
from zipsel.texts import TextBatch

FILE_NAME = "README.md"

#: Tells a card that may be written over from a README that somebody wrote.
MARKER = "<!-- zipsel wrote this file and writes it again; to keep changes, remove this line -->"

_TARGETS_SHOWN = 20
_COMMAND_CHARACTERS = 8000


def is_ours(content: bytes) -> bool:
    """Whether a README is a card of zipsel's that nobody took for his own."""
    return MARKER.encode() in content.splitlines()


def describe_target(target: TextBatch) -> str:
    """SHA-256 of the target examples, each followed by a newline, hex."""
    digest = sha256()
    for text in target.iter_encoded():
        digest.update(text + b"\n")
    return digest.hexdigest()


def write_card(staging: Staging, path: str, report: Report, target: TextBatch) -> bool:
    """Stage the card, unless somebody's own README stands there; say whether.

    Args:
        staging: Takes the file.
        path: Of the card.
        report: Of the run.
        target: The examples that it was held against.

    Raises:
        OSError: If it cannot be written.
    """
    with suppress(FileNotFoundError):
        if not is_ours(paths.read_bytes(path)):
            return False
    with staging.open(path) as file:
        file.write(render_card(report, target).encode())
    return True


def render_card(report: Report, target: TextBatch) -> str:
    """The card of a run whose subset is a directory of shards.

    Args:
        report: Of the run.
        target: The examples that it was held against.
    """
    return "\n".join([*_front_matter(report), MARKER, "", *_body(report, target)]) + "\n"


def data_pattern(report: Report) -> str:
    """Which files of the directory are the subset."""
    name = str(report.outputs[0]["name"])
    return f"subset-*.{name.partition('.')[2]}"


def _front_matter(report: Report) -> Iterator[str]:
    yield "---"
    yield "configs:"
    yield "- config_name: default"
    yield f"  data_files: {json.dumps(data_pattern(report))}"
    yield "tags:"
    yield "- data-selection"
    yield "- zipsel"
    yield "---"


def _body(report: Report, target: TextBatch) -> Iterator[str]:
    counts = report.counts
    yield "# A subset chosen by zipsel"
    yield ""
    yield (
        f"{counts.n_chosen:,} of {counts.n_rows:,} records, those that compress best given "
        f"{len(target):,} target examples. How they were chosen, and from what, is in "
        "`report.html` and `report.json`."
    )
    yield ""
    yield "| | |"
    yield "|---|---|"
    for name, value in _facts(report, target):
        yield f"| {name} | {value} |"
    yield ""
    yield "```python"
    yield "import datasets"
    yield 'dataset = datasets.load_dataset("path/to/this/directory", split="train")'
    yield "```"
    if report.command:
        yield ""
        yield "Made by:"
        yield ""
        yield from fenced(shlex.join(report.command))


def _facts(report: Report, target: TextBatch) -> Iterator[tuple[str, str]]:
    counts = report.counts
    yield "scorer", code(report.scorer)
    yield "budget", code(report.budget)
    if report.threshold is not None:
        yield "threshold", f"{report.threshold:.6g} (lowest alignment chosen)"
    yield "records", f"{counts.n_chosen:,}"
    yield "text", f"{counts.n_chosen_bytes:,} bytes"
    yield "files", code(data_pattern(report))
    paths = [str(path) for path in report.profile.get("target") or []]
    shown = [code(os.path.basename(os.path.normpath(path)), 120) for path in paths[:_TARGETS_SHOWN]]
    if len(paths) > _TARGETS_SHOWN:
        shown.append(f"and {len(paths) - _TARGETS_SHOWN:,} more")
    if shown:
        yield "target", ", ".join(shown)
    yield "SHA-256 of the target's texts", code(describe_target(target))
    yield "profile", code(str(report.profile.get("digest", "")))
    yield "zipsel", code(report.versions.get("zipsel", ""))


def fenced(text: str) -> Iterator[str]:
    """Lines of a code block that nothing in a text can end."""
    if len(text) > _COMMAND_CHARACTERS:
        text = text[: _COMMAND_CHARACTERS - 1] + "…"
    fence = "`" * (max([2, *map(len, re.findall("`+", text))]) + 1)
    yield f"{fence}sh"
    for line in text.split("\n"):
        yield "".join(one if is_plain(one) else f"<{name_of(one)}>" for one in line)
    yield fence
