"""``zipsel explain``."""

from __future__ import annotations

import sys
from typing import Any

import click

from zipsel.cli.options import text_options
from zipsel.cli.parameters import SectionCommand, chosen, option

_EPILOG = """\b
Example:
  zipsel explain --run subset/ --top 3
  zipsel explain --run subset/ --record pool/part-0.jsonl:17 --html why.html
  zipsel explain --profile code.profile --json - < text.txt
"""


@click.command("explain", cls=SectionCommand, epilog=_EPILOG)
@click.argument("stdin", required=False, type=click.Choice(["-"]), metavar="[-]")
@option("Scores of", "--run", metavar="DIR", help="A finished run: what its --output named.")
@option("Scores of", "--profile", metavar="FILE", help="A fitted profile.")
@option(
    "Scores of",
    "--target",
    "-t",
    multiple=True,
    metavar="PATH",
    help="Examples alone: without a pool, conditional is explained.",
)
@option("Texts", "--record", multiple=True, metavar="SHARD:ROW", help="A row, from 0.")
@option("Texts", "--top", metavar="N", help="The best of the run.")
@option("Output", "--json", is_flag=True, help="One object a text, a line each.")
@option("Output", "--html", metavar="FILE", help="A page, in place of the terminal.")
@text_options
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
