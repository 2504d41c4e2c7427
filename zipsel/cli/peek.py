"""``zipsel peek``."""

from __future__ import annotations

import sys
from typing import Any

import click

from zipsel.cli.options import pool_text_options
from zipsel.cli.parameters import ManyArgument, SectionCommand, chosen, flag

_EPILOG = """\b
Example:
  zipsel peek pool/
  zipsel peek pool/part-0.jsonl --json
"""


@click.command("peek", cls=SectionCommand, epilog=_EPILOG)
@click.argument("shards", cls=ManyArgument, nargs=-1, metavar="SHARD...", type=click.UNPROCESSED)
@flag("Output", "--json", "Print one JSON object a shard, a line each.")
@pool_text_options
def command(**_: Any) -> None:
    """Show which fields shards have, and which options select needs for them.

    The first rows of each SHARD are looked at: how many have a field, how long its texts are,
    where the text seems to be, and what would be refused. Options of the text are taken as given.
    """
    from zipsel.commands.peek import run_peek

    run_peek(chosen(), sys.stdout)
