"""``zipsel fit``."""

from __future__ import annotations

from typing import Any

import click

from zipsel.cli.options import (
    bad_file_options,
    make_log,
    message_options,
    pool_argument,
    scorer_options,
    target_options,
    text_options,
)
from zipsel.cli.parameters import SectionCommand, chosen, option

_EPILOG = """\b
Example:
  zipsel fit pool/ --target target.jsonl --output code.profile
  zipsel select pool/ --profile code.profile --output subset/ --top-k 1000
"""


@click.command("fit", cls=SectionCommand, epilog=_EPILOG)
@pool_argument
@target_options(with_profile=False)
@option("Output", "--output", "-o", metavar="PROFILE", help="The file to write.")
@text_options
@scorer_options
@bad_file_options
@message_options
def command(**_: Any) -> None:
    """Learn a target against a sample of POOL and keep it in a file.

    Later runs that name the profile give scores that can be compared, though the pool grows.
    """
    from zipsel.commands.fit import fit
    from zipsel.commands.settings import run_settings

    options = chosen()
    fit(run_settings(options), make_log(options), options["output"])
