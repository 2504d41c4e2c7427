"""``zipsel score``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

import click

from zipsel.cli.options import (
    bad_file_options,
    group_option,
    make_log,
    pool_argument,
    reject_options,
    run_options,
    scorer_options,
    target_options,
    text_options,
)
from zipsel.cli.parameters import SectionCommand, chosen, option

_EPILOG = """\b
Example:
  zipsel score pool/ --target target.jsonl --output scores/
  zipsel score - --profile code.profile --output - < new.jsonl
  zipsel score pool/ -t target.jsonl --work-dir work --rank 3 --world-size 8
"""


@click.command("score", cls=SectionCommand, epilog=_EPILOG)
@pool_argument
@target_options(with_profile=True)
@group_option
@option(
    "Output",
    "--output",
    "-o",
    metavar="DIR|-",
    help="A directory for one file a shard, or - for the rows themselves as JSONL.",
)
@option(
    "Output",
    "--format",
    help="Files with all columns, or Dolma's attribute files.",
)
@option(
    "Output",
    "--add-field",
    metavar="NAME",
    help="Name of the score in rows on standard output and in attributes.",
)
@option(
    "Many machines",
    "--rank",
    metavar="R|auto",
    help="Score one share of the shards; auto asks Slurm, MPI or torchrun.",
)
@option("Many machines", "--world-size", metavar="N", help="Number of shares.")
@text_options
@scorer_options
@reject_options
@bad_file_options
@run_options
def command(**_: Any) -> None:
    """Give every record of POOL its alignment, with the components that it comes from.

    With - as POOL, lines are answered as they come.
    """
    options = chosen()
    stdout = sys.stdout.buffer
    with redirect_stdout(sys.stderr):
        from zipsel.commands import start
        from zipsel.commands.settings import run_settings, score_output

        start.score(
            run_settings(options),
            score_output(options),
            make_log(options),
            stdout,
            force=options["force"],
        )
