"""``zipsel clean``."""

from __future__ import annotations

from typing import Any

import click

from zipsel.cli import options as common
from zipsel.cli.parameters import SectionCommand, chosen, flag, option

_EPILOG = """\b
Example:
  zipsel clean --keep-days 30
"""


@click.command("clean", cls=SectionCommand, epilog=_EPILOG)
@option("Cleaning", "--keep-days", "Keep what a run has met in the last N days.", "N")
@flag("Cleaning", "--yes", "Remove, and do not only show.")
@option("Running", "--work-dir", "Clean this work directory. [default: .zipsel]", "DIR")
@option("Running", "--lock", "Wait, or fail, when another run uses the work directory.")
@common.message_options
def command(**_: Any) -> None:
    """Show which scores and profiles no run has met for some days; with --yes, remove them.

    A run that meets such a shard again scores it again. For cron: zipsel clean --yes --quiet.
    """
    from zipsel.commands.clean import clean

    options = chosen()
    clean(options, common.make_log(options))
