"""``zipsel score``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

import click

from zipsel.cli import options as common
from zipsel.cli.parameters import SectionCommand, chosen, option

_EPILOG = """\b
Example:
  zipsel score pool/ --target target.jsonl --output scores/
  zipsel score - --profile code.profile --output - < new.jsonl
  zipsel score pool/ -t target.jsonl --work-dir work --rank 3 --world-size 8
"""


@click.command("score", cls=SectionCommand, epilog=_EPILOG)
@common.pool_argument
@common.target_option
@common.profile_option
@common.group_option
@option(
    "Output",
    "--output -o",
    "Write one file a shard to a directory, or the rows as JSONL to -.",
    "DIR|-",
)
@option("Output", "--format", "Write files with all columns, or Dolma's attribute files.")
@option(
    "Output",
    "--add-field",
    "Name the score so in rows on standard output and in attributes.",
    "NAME",
)
@option(
    "Many machines",
    "--rank",
    "Score this share of the shards; auto asks Slurm, MPI or torchrun.",
    "R|auto",
)
@option("Many machines", "--world-size", "Cut the pool into so many shares.", "N")
@common.text_options
@common.scorer_options
@common.reject_option
@common.bad_file_options
@common.run_options
def command(**_: Any) -> None:
    """Give every record of POOL its alignment, with the components that it comes from.

    With - as POOL, lines are answered as they come.
    """
    options = chosen()
    stdout = sys.stdout.buffer
    with redirect_stdout(sys.stderr):
        from zipsel.commands import start

        start.score(options, common.make_log(options), stdout)
