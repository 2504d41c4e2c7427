"""``zipsel score``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

import click

from zipsel.cli.options import (
    SectionCommand,
    group_option,
    make_log,
    option,
    pool_argument,
    read_options,
    run_options,
    score_settings,
    scorer_options,
    target_options,
    text_options,
)

_EPILOG = """\b
Example:
  zipsel score pool/ --target target.jsonl --output scores/
  zipsel score - --profile code.profile --output - < new.jsonl
"""


@click.command("score", cls=SectionCommand, epilog=_EPILOG)
@pool_argument
@target_options(with_profile=True)
@group_option
@option(
    "Output",
    "--output",
    "-o",
    required=True,
    metavar="DIR|-",
    help="A directory for one Parquet file a shard, or - for the rows themselves as JSONL.",
)
@option(
    "Output",
    "--add-field",
    metavar="NAME",
    default="alignment",
    show_default=True,
    help="Name of the score in rows on standard output.",
)
@text_options
@scorer_options
@read_options
@run_options
def command(**options: Any) -> None:
    """Give every record of POOL its alignment, with the components that it comes from.

    With - as POOL, lines are answered as they come.
    """
    settings = score_settings(options, options["output"])
    stdout = sys.stdout.buffer
    with redirect_stdout(sys.stderr):
        from zipsel import commands

        commands.score(
            settings,
            options["output"],
            options["add_field"],
            make_log(options),
            stdout,
            force=options["force"],
        )
