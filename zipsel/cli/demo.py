"""``zipsel demo``."""

from __future__ import annotations

from typing import Any

import click

from zipsel.cli.options import command_line, make_log, run_options
from zipsel.cli.parameters import SectionCommand, option

_EPILOG = """\b
Example:
  zipsel demo --output zipsel-demo
"""


@click.command("demo", cls=SectionCommand, epilog=_EPILOG)
@option(
    "Output",
    "--output",
    "-o",
    default="zipsel-demo",
    show_default=True,
    metavar="DIR",
    help="Directory for pool, target and subset.",
)
@run_options
def command(**options: Any) -> None:
    """Run the main job on Python's own standard library.

    The pool is its source code, its documentation and its texts in other languages; the target
    is some of its functions with docstrings. Nothing is downloaded.
    """
    from zipsel.commands.demo import run_demo
    from zipsel.engines.cpus import usable_cpus

    run_demo(
        options["output"],
        options["workers"] if options["workers"] is not None else usable_cpus(),
        make_log(options),
        command_line(),
        options["work_dir"],
    )
