"""``zipsel eval``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

import click

from zipsel.cli import options as common
from zipsel.cli.parameters import ManyArgument, SectionCommand, chosen, flag, option

_EPILOG = """\b
Example:
  zipsel eval --target held-out.jsonl subset/ other.jsonl --pool pool/
  zipsel eval --target held-out.jsonl subset/ --pool pool/ --json > eval.json
"""


@click.command("eval", cls=SectionCommand, epilog=_EPILOG)
@click.argument("subsets", cls=ManyArgument, nargs=-1, metavar="SUBSET...", type=click.UNPROCESSED)
@option(
    "Input",
    "--target -t",
    "Predict these examples, which the selection never saw.",
    "HELDOUT",
    multiple=True,
)
@option(
    "Input", "--pool", "Draw random subsets of this pool, for comparison.", "POOL", multiple=True
)
@option("Input", "--max-bytes", "Read at most so much text of each subset. [default: 16MiB]")
@flag("Output", "--json", "Print JSON in place of the table.")
@common.text_options
@common.seed_option
@common.workers_option
@common.message_options
def command(**_: Any) -> None:
    """Measure what subsets are worth to held-out examples of the target.

    A PPM model reads each subset and predicts the examples; fewer bits per byte is better. A
    SUBSET is a file or a directory, such as one that select wrote. All are cut at the size of
    the smallest. Needs pyppmd: pip install 'zipsel[eval]'.
    """
    from zipsel.commands.settings import eval_settings
    from zipsel.evaluation.subsets import evaluate

    options = chosen()
    stdout = sys.stdout
    with redirect_stdout(sys.stderr):
        evaluation = evaluate(eval_settings(options), common.make_log(options))
    if options["json"]:
        stdout.write(evaluation.to_json().decode())
        return
    from zipsel.report.print_run import print_evaluation

    print_evaluation(evaluation, stdout)
