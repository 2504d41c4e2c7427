"""``zipsel explain``."""

from __future__ import annotations

import sys
from typing import Any

import click

from zipsel.cli import options as common
from zipsel.cli.parameters import SectionCommand, chosen, flag, option

_EPILOG = """\b
Example:
  zipsel explain --run subset/ --top 3
  zipsel explain --run subset/ --record pool/part-0.jsonl:17 --html why.html
  zipsel explain --profile code.profile --json - < text.txt
"""


@click.command("explain", cls=SectionCommand, epilog=_EPILOG)
@click.argument("stdin", required=False, type=click.Choice(["-"]), metavar="[-]")
@option(
    "Scores of", "--run", "Explain records of a finished run, by the directory it wrote.", "DIR"
)
@option("Scores of", "--profile", "Explain by a profile that zipsel fit wrote.", "FILE")
@option(
    "Scores of",
    "--target -t",
    "Explain by target examples alone, without a pool.",
    "PATH",
    multiple=True,
)
@option("Texts", "--record", "Explain this row; rows count from 0.", "SHARD:ROW", multiple=True)
@option("Texts", "--top", "Explain the best records of the run.", "N")
@flag("Output", "--json", "Print one JSON object a text, a line each.")
@option("Output", "--html", "Write a page, in place of the terminal.", "FILE")
@common.text_options
def command(stdin: str | None, **_: Any) -> None:
    """Show why a text scores as it does.

    For n-grams: which bytes are more frequent in the target than in the pool. For the
    conditional part: which stretches stand in the target, what each saves, and in which example.
    The numbers add up to the components in the score sidecar. With - the text is standard input.
    """
    from zipsel.commands.explain import explain
    from zipsel.commands.settings import explain_settings

    options = chosen()
    explain(
        explain_settings(options, stdin=stdin is not None),
        sys.stdout,
        as_json=options["json"],
        html=options["html"],
    )
