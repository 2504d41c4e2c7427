"""``zipsel explain``."""

from __future__ import annotations

import sys
from typing import Any

import click

from zipsel.cli.options import readings, text_options
from zipsel.cli.parameters import SectionCommand, option

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
@option("Texts", "--top", type=click.IntRange(1), metavar="N", help="The best of the run.")
@option("Output", "--json", "as_json", is_flag=True, help="One object a text, a line each.")
@option("Output", "--html", metavar="FILE", help="A page, in place of the terminal.")
@text_options
def command(**options: Any) -> None:
    """Show why a text scores as it does.

    For n-grams: which bytes are more frequent in the target than in the pool. For the
    conditional part: which stretches stand in the target, what each saves, and in which example.
    The numbers add up to the components in the score sidecar. With - the text is standard input.
    """
    from zipsel.commands.explain import ExplainSettings, explain

    reading, target_reading = readings(options)
    settings = ExplainSettings(
        run=options["run"],
        profile=options["profile"],
        target=tuple(options["target"]),
        records=tuple(options["record"]),
        stdin=options["stdin"] is not None,
        top=options["top"],
        reading=reading,
        target_reading=target_reading,
    )
    explain(
        settings,
        sys.stdout,
        as_json=options["as_json"],
        html=options["html"],
    )
