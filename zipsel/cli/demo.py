"""``zipsel demo``."""

from __future__ import annotations

from typing import Any

import click

from zipsel.cli.options import (
    command_line,
    make_log,
    message_options,
    work_dir_option,
    workers_option,
)
from zipsel.cli.parameters import SectionCommand, chosen, option

_EPILOG = """\b
Example:
  zipsel demo --output zipsel-demo
"""


@click.command("demo", cls=SectionCommand, epilog=_EPILOG)
@option(
    "Output",
    "--output",
    "-o",
    metavar="DIR",
    help="Directory for pool, target and subset.",
)
@workers_option
@work_dir_option
@message_options
def command(**_: Any) -> None:
    """Run the main job on Python's own standard library.

    The pool is its source code, its documentation and its texts in other languages; the target
    is some of its functions with docstrings. Nothing is downloaded.
    """
    from zipsel.commands.demo import run_demo
    from zipsel.commands.settings import workers

    options = chosen()
    run_demo(
        options["output"], workers(options), make_log(options), command_line(), options["work_dir"]
    )
