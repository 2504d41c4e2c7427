"""``zipsel demo``."""

from __future__ import annotations

from typing import Any

import click

from zipsel.cli import options as common
from zipsel.cli.parameters import SectionCommand, chosen, option

_EPILOG = """\b
Example:
  zipsel demo --output zipsel-demo
"""


@click.command("demo", cls=SectionCommand, epilog=_EPILOG)
@option("Output", "--output -o", "Write pool, target and subset to this directory.", "DIR")
@common.workers_option
@common.work_dir_option
@common.message_options
def command(**_: Any) -> None:
    """Run the main job on Python's own standard library.

    The pool is its source code, its documentation and its texts in other languages; the target
    is some of its functions with docstrings. Nothing is downloaded.
    """
    from zipsel.commands.demo import run_demo
    from zipsel.commands.settings import workers

    options = chosen()
    run_demo(
        options["output"],
        workers(options),
        common.make_log(options),
        common.command_line(),
        options["work_dir"],
    )
