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
    option(_BUDGET, "--top-k", "Records.", "N"),
    option(_BUDGET, "--fraction", "Share of the pool's records.", "F"),
    option(_BUDGET, "--min-alignment", "All at or above a score.", "A"),
    option(_BUDGET, "--max-bytes", "Bytes of text."),
    option(_BUDGET, "--max-tokens", "Tokens, counted as bytes / 4.", "N"),
    option(_BUDGET, "--tokenizer", "A tokenizers JSON that counts them.", "FILE"),
    flag(_BUDGET, "--auto", "As much as helps held-out target examples."),
)

_output_options = stack(
    option(
        _OUTPUT,
        "--output -o",
        "A directory, a file (.jsonl, .jsonl.gz, .jsonl.zst, .parquet), or -.",
        "PATH",
    ),
    option(_OUTPUT, "--order", "Best first, or as in the pool."),
    option(_OUTPUT, "--add-field", "Add the alignment to each row.", "NAME"),
    option(_OUTPUT, "--format", "Form of the files. [default: as the suffix or the pool]"),
    option(_OUTPUT, "--shard-size", "Text in one file of a directory. [default: 256MiB]"),
    option(_OUTPUT, "--report", "A copy of report.json; the only one of --output -.", "FILE"),
    option(
        _OUTPUT,
        "--eval-target",
        "Held-out examples; the report says what the subset is worth to them.",
        "HELDOUT",
        multiple=True,
    ),
    flag(_OUTPUT, "--fail-if-empty", "Exit 1 if nothing was chosen."),
)

_selection_options = stack(
    option(_SELECTION, "--strategy", "How the budget is filled. [cover; top with --min-alignment]"),
    option(_SELECTION, "--dedup", "Copies of a better-ranked text that are left out."),
    option(
        _SELECTION,
        "--exclude-overlap",
        "Benchmarks whose items must not leak into the subset.",
        "PATH",
        multiple=True,
    ),
    flag(_SELECTION, "--keep-leaks", "Do not look for leaked examples."),
    option(_SELECTION, "--quota", "Budget by group: 'code=0.5,*=0.5'."),
    option(_SELECTION, "--max-per-group", "Records of one group.", "N"),
    option(_SELECTION, "--mix", "Budget by named target; needs several --target NAME=PATH."),
)

_rare_options = stack(
    option(_RARE, "--temperature", "0.3 is nearly top, 1 draws widely."),
    option(_RARE, "--hard-cutoff", "Lowest share of the pool that is dropped.", "F"),
    option(_RARE, "--near-threshold", "Jaccard similarity of near-duplicates.", "F"),
    option(_RARE, "--leak-ngram", "Words in an n-gram that shows a leak.", "N"),
    option(_RARE, "--leak-overlap", "Share of an example's n-grams that makes a leak.", "F"),
    option(
        _RARE,
        "--contenders",
        "Share of the pool that is compressed. [default: twice the budget, 0.05 or more]",
        "F",
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
@common.reject_options
@common.bad_file_options
@common.run_options
@_rare_options
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
        log.say("empty", "the subset is empty (--fail-if-empty)")
        return 1
    return os.EX_OK
