"""``zipsel score``."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import Any

import click

from zipsel.cli.options import (
    group_option,
    make_log,
    pool_argument,
    read_options,
    run_options,
    score_settings,
    scorer_options,
    target_options,
    text_options,
)
from zipsel.cli.parameters import SectionCommand, option
from zipsel.errors import UsageError
from zipsel.scoring.ranks import Share, share_of_launcher
from zipsel.scoring.settings import ScoreOutput

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
    type=click.Choice(["parquet", "dolma"]),
    default="parquet",
    show_default=True,
    help="Of a directory: all columns, or Dolma's attribute files.",
)
@option(
    "Output",
    "--add-field",
    metavar="NAME",
    default="alignment",
    show_default=True,
    help="Name of the score in rows on standard output and in attributes.",
)
@option(
    "Many machines",
    "--rank",
    metavar="R|auto",
    help="Score one share of the shards; auto asks Slurm, MPI or torchrun.",
)
@option("Many machines", "--world-size", type=int, metavar="N", help="Number of shares.")
@text_options
@scorer_options
@read_options
@run_options
def command(**options: Any) -> None:
    """Give every record of POOL its alignment, with the components that it comes from.

    With - as POOL, lines are answered as they come.
    """
    output = _score_output(options)
    if output.path is None and options["work_dir"] is None:
        raise UsageError("say where the scores go: --output, or --work-dir for select to find")
    settings = score_settings(options, output.path or "-")
    stdout = sys.stdout.buffer
    with redirect_stdout(sys.stderr):
        from zipsel.commands import start

        start.score(settings, output, make_log(options), stdout, force=options["force"])


def _score_output(options: dict[str, Any]) -> ScoreOutput:
    """What to write, and the share that rank and size ask for."""
    rank, size = options["rank"], options["world_size"]
    share: Share | None = None
    if rank == "auto":
        if size is not None:
            raise UsageError("--rank auto finds --world-size itself; leave it out")
        share = share_of_launcher(os.environ)
    elif rank is not None and size is not None and rank.isdecimal():
        share = Share(int(rank), size)
    elif rank is not None or size is not None:
        raise UsageError("give both --rank (a number, or auto alone) and --world-size")
    return ScoreOutput(
        path=options["output"],
        add_field=options["add_field"],
        format=options["format"],
        share=share,
    )
