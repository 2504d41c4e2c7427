"""``zipsel fit``."""

from __future__ import annotations

from typing import Any

import click

from zipsel.cli.options import (
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

_EPILOG = """\b
Example:
  zipsel fit pool/ --target target.jsonl --output code.profile
  zipsel select pool/ --profile code.profile --output subset/ --top-k 1000
"""


@click.command("fit", cls=SectionCommand, epilog=_EPILOG)
@pool_argument
@target_options(with_profile=False)
@option("Output", "--output", "-o", required=True, metavar="PROFILE", help="The file to write.")
@text_options
@scorer_options
@read_options
@run_options
def command(**options: Any) -> None:
    """Learn a target against a sample of POOL and keep it in a file.

    Later runs that name the profile give scores that can be compared, though the pool grows.
    """
    from zipsel.commands.fit import fit

    fit(score_settings(options, options["output"]), make_log(options), options["output"])
