"""Options that several commands have, each defined once."""

from __future__ import annotations

import sys

import click

from zipsel.cli.parameters import ManyArgument, flag, option, stack
from zipsel.commands.rules import Options
from zipsel.console.messages import Log

_TEXT = "Text of a row"
_SCORER = "Scorer"
_TRUST = "Bad input"
_RUN = "Running"

pool_argument = click.argument(
    "pool", cls=ManyArgument, nargs=-1, metavar="POOL...", type=click.UNPROCESSED
)

target_option = option(
    "Input",
    "--target -t",
    "Examples of the target: files, directories, globs; also .txt, one each.",
    "[NAME=]PATH",
    multiple=True,
)

profile_option = option("Input", "--profile", "A fitted profile in its place.", "FILE")

text_options = stack(
    option(_TEXT, "--text-field", "Dotted path of the text. [default: text]", "NAME"),
    option(_TEXT, "--template", "Fields in braces: '{question}\\n{answer}'."),
    flag(_TEXT, "--chat", "Turns of messages or conversations."),
    option(
        _TEXT,
        "--target-text-field",
        "Dotted path of a target example. [default: as the pool]",
        "NAME",
    ),
    option(_TEXT, "--target-template", "Fields in braces, of a target example."),
    flag(_TEXT, "--target-chat", "Target examples are turns."),
    option(_TEXT, "--delimiter", "Between fields of CSV and TSV. [default: comma, tab]", "CHAR"),
    option(_TEXT, "--encoding", "Of CSV and TSV: utf-16, cp1252.", "NAME"),
    flag(_TEXT, "--no-quotes", "Quote marks in CSV and TSV are plain text."),
)

seed_option = option(_SCORER, "--seed", "Decides everything that is drawn.", "N")

scorer_options = stack(
    option(
        _SCORER,
        "--scorer",
        "How closeness is measured; ncd is ZIP-FIT, dsir is DSIR. "
        "[ngram; fused for several targets or facets]",
    ),
    option(_SCORER, "--codec", "Compressor. [default: gzip]"),
    flag(_SCORER, "--per-token", "Weight per token, not per text."),
    option(
        _SCORER,
        "--facets",
        "Groups of a target of many kinds, each matched alone. [default: 1]",
        "N|auto",
    ),
    option(_SCORER, "--level", "Compression level. [default: zstd 3, gzip 9]"),
    seed_option,
    option(_SCORER, "--sample-bytes", "Pool text that the target is held against. [default: 8MiB]"),
)

bad_file_options = stack(
    option(_TRUST, "--on-bad-file", "What to do with a file that cannot be read (to its end)."),
    option(_TRUST, "--max-row-bytes", "Longer rows are refused. [default: 64MiB]"),
    flag(_TRUST, "--long", "Accept zstd windows up to 2 GiB."),
)

reject_options = stack(
    option(_TRUST, "--max-rejects", "More refused rows end the run with exit code 3.", "N|P%"),
    flag(_TRUST, "--strict", "Refuse every bad row, as --max-rejects 0."),
)

group_option = option(
    "Input",
    "--group-field",
    "Field whose values the report compares, and that --quota and --max-per-group need.",
    "NAME",
)

workers_option = option(_RUN, "--workers", "Processes. [default: usable CPUs]", "N")

work_dir_option = option(
    _RUN, "--work-dir", "Keeps scores. [default: .zipsel beside the output]", "DIR|URL"
)

message_options = stack(
    flag(_RUN, "--quiet -q", "Print errors only."),
    option(_RUN, "--log-format", "Form of messages on standard error."),
    option(
        _RUN,
        "--config",
        "TOML with any of these options; the command line and the environment win.",
        "FILE",
    ),
)

run_options = stack(
    workers_option,
    option(_RUN, "--engine", "Processes of this machine, or a Ray cluster."),
    option(
        _RUN, "--ray-address", "Cluster to join. [default: this machine]", "auto|ray://HOST:PORT"
    ),
    work_dir_option,
    option(_RUN, "--lock", "When another run uses the work directory."),
    flag(_RUN, "--force", "Do again what is up to date."),
    message_options,
)


def make_log(options: Options) -> Log:
    """The log that the options ask for."""
    return Log(options["quiet"], options["log_format"])


def command_line() -> list[str]:
    """The command as it was given."""
    return ["zipsel", *sys.argv[1:]]
