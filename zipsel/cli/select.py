"""``zipsel select``."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import Any

import click

from zipsel.cli import options as common
from zipsel.cli.parameters import SectionCommand, chosen, flag, option, stack

_BUDGET = "Budget (exactly one)"
_OUTPUT = "Output"
_SELECTION = "Selection"

_EPILOG = """\b
Example:
  zipsel select pool/ --target target.jsonl --output subset/ --max-bytes 400kB

\b
Exit codes: 0 done (also with an empty subset, but for --fail-if-empty),
1 failed, 2 usage, 3 too many refused rows, 130, 143 and 141 by signal.
Every option can be set by ZIPSEL_NAME or --config FILE; the command line
wins over the environment, the environment over the file.
"""

_budget_options = stack(
    option(_BUDGET, "--top-k", "Choose so many records.", "N"),
    option(_BUDGET, "--fraction", "Choose this share of the pool's records.", "F"),
    option(_BUDGET, "--min-alignment", "Choose all records at or above a score.", "A"),
    option(_BUDGET, "--max-bytes", "Choose so many bytes of text."),
    option(_BUDGET, "--max-tokens", "Choose so many tokens, counted as bytes / 4.", "N"),
    option(
        _BUDGET,
        "--tokenizer",
        "Count tokens exactly, by a JSON file of the tokenizers library.",
        "FILE",
    ),
    flag(_BUDGET, "--auto", "Choose as much as helps held-out target examples."),
)

_output_options = stack(
    option(
        _OUTPUT,
        "--output -o",
        "Write to a directory, a file (.jsonl, .jsonl.gz, .jsonl.zst, .parquet), or -.",
        "PATH",
    ),
    option(
        _OUTPUT,
        "--order",
        "Write the best record first, or keep the order of the pool.",
        is_rare=True,
    ),
    option(_OUTPUT, "--add-field", "Add the alignment to each row.", "NAME"),
    option(_OUTPUT, "--format", "Write files of this form. [default: as the suffix or the pool]"),
    option(
        _OUTPUT,
        "--shard-size",
        "Begin a new file of the directory after so much text. [default: 256MiB]",
        is_rare=True,
    ),
    option(
        _OUTPUT,
        "--report",
        "Copy report.json here; with --output - this is the only report.",
        "FILE",
    ),
    option(
        _OUTPUT,
        "--eval-target",
        "Say in the report what the subset is worth to these held-out examples.",
        "HELDOUT",
        multiple=True,
        is_rare=True,
    ),
    flag(_OUTPUT, "--fail-if-empty", "End with exit code 1 if nothing was chosen.", is_rare=True),
)

_refit_option = flag(
    "Scorer",
    "--refit",
    "Fit a new profile, though that of the last run into this output could be kept.",
    is_rare=True,
)

_selection_options = stack(
    option(
        _SELECTION,
        "--strategy",
        "Fill the budget in this way. [default: cover; top with --min-alignment]",
    ),
    option(_SELECTION, "--dedup", "Leave out copies of a better-ranked text."),
    option(
        _SELECTION,
        "--exclude-overlap",
        "Refuse records that hold an item of this benchmark.",
        "PATH",
        multiple=True,
    ),
    flag(
        _SELECTION,
        "--keep-leaks",
        "Do not look for records that hold target examples.",
        is_rare=True,
    ),
    option(_SELECTION, "--quota", "Share the budget among groups: 'code=0.5,*=0.5'."),
    option(
        _SELECTION, "--max-per-group", "Choose at most N records of a group.", "N", is_rare=True
    ),
    option(
        _SELECTION, "--mix", "Share the budget among named targets (several --target NAME=PATH)."
    ),
    option(
        _SELECTION,
        "--temperature",
        "Draw more widely the higher it is; 0.3 is nearly --strategy top.",
        is_rare=True,
    ),
    option(
        _SELECTION,
        "--hard-cutoff",
        "Drop this share of the pool, the lowest scores, at once.",
        "F",
        is_rare=True,
    ),
    option(
        _SELECTION,
        "--near-threshold",
        "Take texts of this Jaccard similarity for near-duplicates.",
        "F",
        is_rare=True,
    ),
    option(
        _SELECTION, "--leak-ngram", "Look for leaks by n-grams of so many words.", "N", is_rare=True
    ),
    option(
        _SELECTION,
        "--leak-overlap",
        "Call a record a leak that holds this share of an example's n-grams.",
        "F",
        is_rare=True,
    ),
    option(
        _SELECTION,
        "--contenders",
        "Compress this share of the pool, the best by n-grams. "
        "[default: twice the budget, 0.05 or more]",
        "F",
        is_rare=True,
    ),
)


@click.command("select", cls=SectionCommand, epilog=_EPILOG)
@common.pool_argument
@common.target_option
@common.profile_option
@common.group_option
@_budget_options
@_output_options
@common.text_options
@_selection_options
@common.scorer_options
@_refit_option
@common.reject_option
@common.bad_file_options
@common.run_options
def command(**_: Any) -> int:
    """Choose the records of POOL that are closest to a target.

    POOL is files, directories or globs of .jsonl, .ndjson, .json, .csv or .tsv (plain, .gz,
    .zst), .parquet, .arrow and .feather, directories that Hugging Face datasets saved, or - for
    JSONL on standard input. The subset is written best first, with a report; in a directory,
    with a README.md by which datasets.load_dataset opens it.
    """
    options = chosen()
    log = common.make_log(options)
    stdout = sys.stdout.buffer
    with redirect_stdout(sys.stderr):
        from zipsel.commands import start

        n_chosen = start.select(options, log, stdout, command=common.command_line())
    if n_chosen == 0 and options["fail_if_empty"]:
        log.say("empty", "the subset is empty (--fail-if-empty)", level="error")
        return 1
    return os.EX_OK
