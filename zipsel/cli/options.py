"""Options that several commands have, each defined once."""

from __future__ import annotations

import sys

import click

from zipsel.cli.parameters import ManyArgument, flag, option, stack
from zipsel.commands.rules import Options
from zipsel.console.messages import Log, use_log

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
    "Read the examples of the target from a file, directory or glob.",
    "[NAME=]PATH",
    multiple=True,
)

profile_option = option(
    "Input", "--profile", "Take what zipsel fit has learned, in place of --target.", "FILE"
)

_POOL_TEXT = (
    option(
        _TEXT,
        "--text-field",
        "Take the text from a field, or from the first of several that a row has. [default: text]",
        "NAME,...",
    ),
    option(_TEXT, "--template", "Make the text of fields in braces: '{question}\\n{answer}'."),
    flag(_TEXT, "--chat", "Make the text of the turns of messages, as chats."),
    option(_TEXT, "--chat-parts", "Write only these parts of chats. [default: all but tools]"),
)

_TARGET_TEXT = (
    option(
        _TEXT,
        "--target-text-field",
        "Take a target example from this field, if it is another one than the pool's.",
        "NAME",
    ),
    option(_TEXT, "--target-template", "Make a target example of fields in braces."),
    flag(_TEXT, "--target-chat", "Make a target example of turns."),
)

_CSV = (
    option(
        _TEXT,
        "--delimiter",
        "Cut rows of CSV and TSV at this character. [default: comma, tab]",
        "CHAR",
        is_rare=True,
    ),
    option(
        _TEXT,
        "--encoding",
        "Read CSV and TSV in an encoding such as utf-16 or cp1252.",
        "NAME",
        is_rare=True,
    ),
    flag(_TEXT, "--no-quotes", "Take quote marks in CSV and TSV for plain text.", is_rare=True),
)

text_options = stack(*_POOL_TEXT, *_TARGET_TEXT, *_CSV)

#: Of a command that reads no target.
pool_text_options = stack(*_POOL_TEXT, *_CSV)

seed_option = option(
    _SCORER, "--seed", "Fix everything that is drawn at random.", "N", is_rare=True
)

scorer_options = stack(
    option(
        _SCORER,
        "--scorer",
        "Measure closeness in this way; ncd is ZIP-FIT, dsir is DSIR. "
        "[default: ngram; fused for several targets or facets]",
    ),
    option(_SCORER, "--codec", "Compress with this library. [default: gzip]", is_rare=True),
    flag(_SCORER, "--per-token", "Divide DSIR's weight by the length of the text.", is_rare=True),
    option(
        _SCORER,
        "--facets",
        "Split a target of many kinds into groups that are matched alone. [default: 1]",
        "N|auto",
        is_rare=True,
    ),
    option(_SCORER, "--level", "Compress at this level. [default: zstd 3, gzip 9]", is_rare=True),
    seed_option,
    option(
        _SCORER,
        "--sample-bytes",
        "Hold the target against so much text of the pool. [default: 8MiB]",
        is_rare=True,
    ),
)

bad_file_options = stack(
    option(
        _TRUST,
        "--on-bad-file",
        "Stop at a damaged file, skip it, or salvage the rows before the damage.",
    ),
    option(
        _TRUST, "--max-row-bytes", "Refuse rows that are longer. [default: 64MiB]", is_rare=True
    ),
    flag(_TRUST, "--long", "Accept zstd windows up to 2 GiB.", is_rare=True),
)

reject_option = option(
    _TRUST,
    "--max-rejects",
    "End with exit code 3 if more rows are refused; 0 accepts none.",
    "N|P%",
)

group_option = option(
    "Input",
    "--group-field",
    "Group records by this field, in scores and report and for --quota.",
    "NAME",
)

workers_option = option(_RUN, "--workers", "Use so many processes. [default: usable CPUs]", "N")

work_dir_option = option(
    _RUN,
    "--work-dir",
    "Keep scores here for later runs. [default: .zipsel beside the output]",
    "DIR|URL",
)

message_options = stack(
    flag(_RUN, "--quiet -q", "Print errors only."),
    option(_RUN, "--log-format", "Write messages as text, or as JSON for a program.", is_rare=True),
    option(
        _RUN,
        "--config",
        "Read options from a TOML file; the command line and the environment win.",
        "FILE",
    ),
)

run_options = stack(
    workers_option,
    option(_RUN, "--engine", "Work on this machine, or on a Ray cluster."),
    option(
        _RUN,
        "--ray-address",
        "Join this Ray cluster. [default: one on this machine]",
        "auto|ray://HOST:PORT",
        is_rare=True,
    ),
    work_dir_option,
    option(
        _RUN, "--lock", "Wait, or fail, when another run uses the work directory.", is_rare=True
    ),
    flag(_RUN, "--force", "Do again what is up to date."),
    message_options,
)


def make_log(options: Options) -> Log:
    """The log that the options ask for."""
    return use_log(Log(options["quiet"], options["log_format"]))


def command_line() -> list[str]:
    """The command as it was given."""
    return ["zipsel", *sys.argv[1:]]
