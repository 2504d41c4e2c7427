"""``zipsel select``."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import Any

import click

from zipsel.cli.options import (
    bad_file_options,
    command_line,
    group_option,
    make_log,
    pool_argument,
    reject_options,
    run_options,
    scorer_options,
    target_options,
    text_options,
)
from zipsel.cli.parameters import SectionCommand, chosen, option, stack

_BUDGET = "Budget (exactly one)"
_OUTPUT = "Output"
_SELECTION = "Selection"
_RARE = "Selection, rarely needed"

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
    option(_BUDGET, "--top-k", metavar="N", help="Records."),
    option(_BUDGET, "--fraction", metavar="F", help="Share of the pool's records."),
    option(_BUDGET, "--min-alignment", metavar="A", help="All at or above a score."),
    option(_BUDGET, "--max-bytes", help="Bytes of text."),
    option(_BUDGET, "--max-tokens", metavar="N", help="Tokens, counted as bytes / 4."),
    option(_BUDGET, "--tokenizer", metavar="FILE", help="A tokenizers JSON that counts them."),
    option(_BUDGET, "--auto", is_flag=True, help="As much as helps held-out target examples."),
)

_output_options = stack(
    option(
        _OUTPUT,
        "--output",
        "-o",
        metavar="PATH",
        help="A directory, a file (.jsonl, .jsonl.gz, .jsonl.zst, .parquet), or -.",
    ),
    option(
        _OUTPUT,
        "--order",
        help="Best first, or as in the pool.",
    ),
    option(_OUTPUT, "--add-field", metavar="NAME", help="Add the alignment to each row."),
    option(_OUTPUT, "--format", help="Form of the files. [default: as the suffix or the pool]"),
    option(
        _OUTPUT,
        "--shard-size",
        help="Text in one file of a directory. [default: 256MiB]",
    ),
    option(
        _OUTPUT,
        "--report",
        metavar="FILE",
        help="A copy of report.json; the only one of --output -.",
    ),
    option(
        _OUTPUT,
        "--eval-target",
        multiple=True,
        metavar="HELDOUT",
        help="Held-out examples; the report says what the subset is worth to them.",
    ),
    option(_OUTPUT, "--fail-if-empty", is_flag=True, help="Exit 1 if nothing was chosen."),
)

_selection_options = stack(
    option(
        _SELECTION,
        "--strategy",
        help="How the budget is filled. [cover; top with --min-alignment]",
    ),
    option(
        _SELECTION,
        "--dedup",
        help="Copies of a better-ranked text that are left out.",
    ),
    option(
        _SELECTION,
        "--exclude-overlap",
        "exclude_overlap",
        multiple=True,
        metavar="PATH",
        help="Benchmarks whose items must not leak into the subset.",
    ),
    option(_SELECTION, "--keep-leaks", is_flag=True, help="Do not look for leaked examples."),
    option(_SELECTION, "--quota", help="Budget by group: 'code=0.5,*=0.5'."),
    option(_SELECTION, "--max-per-group", metavar="N", help="Records of one group."),
    option(_SELECTION, "--mix", help="Budget by named target; needs several --target NAME=PATH."),
)

_rare_options = stack(
    option(
        _RARE,
        "--temperature",
        help="0.3 is nearly top, 1 draws widely.",
    ),
    option(
        _RARE,
        "--hard-cutoff",
        metavar="F",
        help="Lowest share of the pool that is dropped.",
    ),
    option(
        _RARE,
        "--near-threshold",
        metavar="F",
        help="Jaccard similarity of near-duplicates.",
    ),
    option(
        _RARE,
        "--leak-ngram",
        metavar="N",
        help="Words in an n-gram that shows a leak.",
    ),
    option(
        _RARE,
        "--leak-overlap",
        metavar="F",
        help="Share of an example's n-grams that makes a leak.",
    ),
    option(
        _RARE,
        "--contenders",
        metavar="F",
        help="Share of the pool that is compressed. [default: twice the budget, 0.05 or more]",
    ),
)


@click.command("select", cls=SectionCommand, epilog=_EPILOG)
@pool_argument
@target_options(with_profile=True)
@group_option
@_budget_options
@_output_options
@text_options
@_selection_options
@scorer_options
@reject_options
@bad_file_options
@run_options
@_rare_options
def command(**_: Any) -> int:
    """Choose the records of POOL that are closest to a target.

    POOL is files, directories or globs of .jsonl, .ndjson, .json, .csv or .tsv (plain, .gz,
    .zst), .parquet, .arrow and .feather, directories that Hugging Face datasets saved, or - for
    JSONL on standard input. The subset is written best first, with a report; in a directory,
    with a README.md by which datasets.load_dataset opens it.
    """
    options = chosen()
    log = make_log(options)
    stdout = sys.stdout.buffer
    with redirect_stdout(sys.stderr):
        from zipsel.commands import start

        n_chosen = start.select(options, log, stdout, command=command_line())
    if n_chosen == 0 and options["fail_if_empty"]:
        log.say("empty", "the subset is empty (--fail-if-empty)")
        return 1
    return os.EX_OK
