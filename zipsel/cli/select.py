"""``zipsel select``."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import Any

import click

from zipsel.cli.options import (
    command_line,
    group_option,
    make_log,
    pool_argument,
    read_options,
    run_options,
    score_settings,
    scorer_options,
    target_options,
    text_options,
)
from zipsel.cli.parameters import SectionCommand, SizeType, option, stack
from zipsel.errors import UsageError
from zipsel.pool.formats import OUTPUT_FORMATS
from zipsel.selection.budgets import Budget, BudgetKind
from zipsel.selection.duplicates import DEFAULT_NEAR_THRESHOLD
from zipsel.selection.leaks import DEFAULT_NGRAM, DEFAULT_OVERLAP, LeakRule
from zipsel.selection.quotas import parse_shares
from zipsel.selection.settings import DEFAULT_SHARD_BYTES, SelectSettings
from zipsel.selection.strategies import STRATEGIES

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
Every option can be set by ZIPSEL_NAME or --config FILE.
"""

_budget_options = stack(
    option(_BUDGET, "--top-k", type=int, metavar="N", help="Records."),
    option(_BUDGET, "--fraction", type=float, metavar="F", help="Share of the pool's records."),
    option(_BUDGET, "--min-alignment", type=float, metavar="A", help="All at or above a score."),
    option(_BUDGET, "--max-bytes", type=SizeType(), help="Bytes of text."),
    option(_BUDGET, "--max-tokens", type=SizeType(), metavar="N", help="Tokens; bytes / 4, or by"),
    option(_BUDGET, "--tokenizer", metavar="FILE", help="this tokenizers JSON."),
    option(_BUDGET, "--auto", is_flag=True, help="As much as helps held-out target examples."),
)

_output_options = stack(
    option(
        _OUTPUT,
        "--output",
        "-o",
        required=True,
        metavar="PATH",
        help="A directory, a file (.jsonl, .jsonl.gz, .jsonl.zst, .parquet), or -.",
    ),
    option(
        _OUTPUT,
        "--order",
        type=click.Choice(["rank", "input"]),
        default="rank",
        show_default=True,
        help="Best first, or as in the pool.",
    ),
    option(_OUTPUT, "--add-field", metavar="NAME", help="Add the alignment to each row."),
    option(
        _OUTPUT, "--format", type=click.Choice(OUTPUT_FORMATS), help="Of a directory. [as the pool]"
    ),
    option(
        _OUTPUT,
        "--shard-size",
        type=SizeType(),
        default=DEFAULT_SHARD_BYTES,
        help="Text in one file of a directory. [256MiB]",
    ),
    option(_OUTPUT, "--report", metavar="FILE", help="Another copy of report.json."),
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
        metavar="|".join(STRATEGIES),
        default="top",
        show_default=True,
        help="How the budget is filled; the README says which to use when.",
    ),
    option(
        _SELECTION,
        "--dedup",
        type=click.Choice(["exact", "near", "none"]),
        default="exact",
        show_default=True,
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
    option(_SELECTION, "--quota", metavar="NAME=F,...", help="Budget by group: 'code=0.5,*=0.5'."),
    option(_SELECTION, "--max-per-group", type=int, metavar="N", help="Records of one group."),
    option(_SELECTION, "--mix", metavar="NAME=F,...", help="Budget by named target."),
)

_rare_options = stack(
    option(
        _RARE,
        "--temperature",
        type=float,
        default=0.3,
        show_default=True,
        help="Of --strategy sample.",
    ),
    option(
        _RARE,
        "--hard-cutoff",
        type=float,
        default=0.5,
        show_default=True,
        metavar="F",
        help="Lowest share that --strategy stratified drops.",
    ),
    option(
        _RARE,
        "--near-threshold",
        type=float,
        default=DEFAULT_NEAR_THRESHOLD,
        show_default=True,
        metavar="F",
        help="Jaccard similarity of near-duplicates.",
    ),
    option(
        _RARE,
        "--leak-ngram",
        type=int,
        default=DEFAULT_NGRAM,
        show_default=True,
        metavar="N",
        help="Words in an n-gram that shows a leak.",
    ),
    option(
        _RARE,
        "--leak-overlap",
        type=float,
        default=DEFAULT_OVERLAP,
        show_default=True,
        metavar="F",
        help="Share of an example's n-grams that makes a leak.",
    ),
    option(
        _RARE,
        "--contenders",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="F",
        help="Share of the pool that fused compresses. [twice the budget, 0.05 or more]",
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
@read_options
@run_options
@_rare_options
def command(**options: Any) -> int:
    """Choose the records of POOL that are closest to a target.

    POOL is files, directories or globs of .jsonl, .ndjson, .json, .csv or .tsv (plain, .gz,
    .zst), .parquet, .arrow and .feather, directories that Hugging Face datasets saved, or - for
    JSONL on standard input. The subset is written best first, with a report; in a directory,
    with a README.md by which datasets.load_dataset opens it.
    """
    budget = _budget(options)
    settings = score_settings(options, options["output"])
    select = SelectSettings(
        budget=budget,
        output=options["output"],
        order=options["order"],
        add_field=options["add_field"],
        format=options["format"],
        shard_bytes=options["shard_size"],
        tokenizer=options["tokenizer"],
        contenders=options["contenders"],
        strategy=options["strategy"],
        temperature=options["temperature"],
        hard_cutoff=options["hard_cutoff"],
        seed=options["seed"],
        dedup=options["dedup"],
        near_threshold=options["near_threshold"],
        keep_leaks=options["keep_leaks"],
        leak_rule=LeakRule(options["leak_ngram"], options["leak_overlap"]),
        exclude=tuple(options["exclude_overlap"]),
        eval_target=tuple(options["eval_target"]),
        quota=_shares(options, "quota"),
        max_per_group=options["max_per_group"],
        mix=_shares(options, "mix"),
    )
    if select.eval_target and select.output == "-" and options["report"] is None:
        raise UsageError("--eval-target adds to the report; name a file for it: --report FILE")
    stdout = sys.stdout.buffer
    log = make_log(options)
    with redirect_stdout(sys.stderr):
        from zipsel.commands import start

        n_chosen = start.select(
            settings,
            select,
            log,
            stdout,
            command=command_line(),
            force=options["force"],
            report_path=options["report"],
        )
    if n_chosen == 0 and options["fail_if_empty"]:
        log.say("empty", "the subset is empty (--fail-if-empty)")
        return 1
    return os.EX_OK


def _shares(options: dict[str, Any], name: str) -> tuple[tuple[str, float], ...]:
    value = options[name]
    return () if value is None else tuple(parse_shares(value, name).items())


def _budget(options: dict[str, Any]) -> Budget:
    kinds: tuple[BudgetKind, ...] = (
        "top_k",
        "fraction",
        "min_alignment",
        "max_bytes",
        "max_tokens",
        "auto",
    )
    given = [kind for kind in kinds if options[kind] is not None and options[kind] is not False]
    names = [f"--{kind.replace('_', '-')}" for kind in kinds]
    if len(given) != 1:
        raise UsageError(f"give exactly one of {', '.join(names)}; found {len(given)}")
    if options["tokenizer"] and given != ["max_tokens"]:
        raise UsageError("--tokenizer goes with --max-tokens")
    return Budget(given[0], options[given[0]])
