"""``zipsel report``."""

from __future__ import annotations

import sys
from typing import Any

import click

from zipsel.cli.parameters import SectionCommand, chosen, flag, option
from zipsel.errors import UsageError

_EPILOG = """\b
Example:
  zipsel report subset/
  zipsel report subset/ other/ --html compare.html
"""


@click.command("report", cls=SectionCommand, epilog=_EPILOG)
@click.argument("runs", nargs=-1, metavar="DIR [DIR]", type=click.UNPROCESSED)
@option("Output", "--html", "Write the comparison as a page.", "FILE")
@flag("Output", "--json", "Print the comparison as JSON.")
def command(**_: Any) -> None:
    """Make the report of a run again, or compare two runs.

    DIR is what --output of zipsel select named. With one, report.html and README.md are made
    again from report.json. With two, the overlap of both subsets is shown: how many records are
    in both at every rank, how their orders agree, what moved, and the composition side by side.
    """
    options = chosen()
    runs = options["runs"]
    if not 1 <= len(runs) <= 2:
        raise UsageError(f"name one run to remake its report or two to compare, not {len(runs)}")
    from zipsel.commands import compare

    if len(runs) == 1:
        paths = compare.remake_report(runs[0])
        sys.stderr.write("".join(f"{path}\n" for path in paths))
    else:
        compare.compare(runs[0], runs[1], options["html"], options["json"], sys.stdout)
