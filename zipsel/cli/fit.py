"""``zipsel fit``."""

from __future__ import annotations

from typing import Any

import click

from zipsel.cli import options as common
from zipsel.cli.parameters import SectionCommand, chosen, option

_EPILOG = """\b
Example:
  zipsel fit pool/ --target target.jsonl --output code.profile
  zipsel select pool/ --profile code.profile --output subset/ --top-k 1000
"""


@click.command("fit", cls=SectionCommand, epilog=_EPILOG)
@common.pool_argument
@common.target_option
@option("Output", "--output -o", "Write the profile to this file.", "PROFILE")
@common.text_options
@common.scorer_options
@common.bad_file_options
@common.message_options
def command(**_: Any) -> None:
    """Learn a target against a sample of POOL and keep it in a file.

    Later runs that name the profile give scores that can be compared, though the pool grows.
    """
    from zipsel.commands.fit import fit
    from zipsel.commands.settings import run_settings

    options = chosen()
    fit(run_settings(options), common.make_log(options), options["output"])
