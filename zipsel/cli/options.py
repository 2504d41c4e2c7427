"""Options that several commands have, each defined once."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from zipsel.cli.parameters import Function, ManyArgument, option, stack
from zipsel.commands.rules import Options
from zipsel.console.messages import Log

_TEXT = "Text of a row"
_SCORER = "Scorer"
_TRUST = "Bad input"
_RUN = "Running"

pool_argument = click.argument(
    "pool", cls=ManyArgument, nargs=-1, metavar="POOL...", type=click.UNPROCESSED
)


def target_options(with_profile: bool) -> Callable[[Function], Function]:
    """``--target``, and ``--profile`` in its place."""
    options = [
        option(
            "Input",
            "--target",
            "-t",
            multiple=True,
            metavar="[NAME=]PATH",
            help="Examples of the target: files, directories, globs; also .txt, one each.",
        )
    ]
    if with_profile:
        options.append(
            option("Input", "--profile", metavar="FILE", help="A fitted profile in its place.")
        )
    return stack(*options)


text_options = stack(
    option(_TEXT, "--text-field", metavar="NAME", help="Dotted path of the text. [default: text]"),
    option(_TEXT, "--template", help="Fields in braces: '{question}\\n{answer}'."),
    option(_TEXT, "--chat", is_flag=True, help="Turns of messages or conversations."),
    option(
        _TEXT,
        "--target-text-field",
        metavar="NAME",
        help="Dotted path of a target example. [default: as the pool]",
    ),
    option(_TEXT, "--target-template", help="Fields in braces, of a target example."),
    option(_TEXT, "--target-chat", is_flag=True, help="Target examples are turns."),
    option(
        _TEXT,
        "--delimiter",
        metavar="CHAR",
        help="Between fields of CSV and TSV. [default: comma, tab]",
    ),
    option(_TEXT, "--encoding", metavar="NAME", help="Of CSV and TSV: utf-16, cp1252."),
    option(_TEXT, "--no-quotes", is_flag=True, help="Quote marks in CSV and TSV are plain text."),
)

seed_option = option(_SCORER, "--seed", metavar="N", help="Decides everything that is drawn.")

scorer_options = stack(
    option(
        _SCORER,
        "--scorer",
        help="How closeness is measured; ncd is ZIP-FIT, dsir is DSIR. "
        "[ngram; fused for several targets or facets]",
    ),
    option(
        _SCORER,
        "--codec",
        help="Compressor. [default: gzip]",
    ),
    option(_SCORER, "--per-token", is_flag=True, help="Weight per token, not per text."),
    option(
        _SCORER,
        "--facets",
        metavar="N|auto",
        help="Groups of a target of many kinds, each matched alone. [default: 1]",
    ),
    option(_SCORER, "--level", help="Compression level. [default: zstd 3, gzip 9]"),
    seed_option,
    option(
        _SCORER,
        "--sample-bytes",
        help="Pool text that the target is held against. [default: 8MiB]",
    ),
)

bad_file_options = stack(
    option(
        _TRUST, "--on-bad-file", help="What to do with a file that cannot be read (to its end)."
    ),
    option(_TRUST, "--max-row-bytes", help="Longer rows are refused. [default: 64MiB]"),
    option(_TRUST, "--long", is_flag=True, help="Accept zstd windows up to 2 GiB."),
)

reject_options = stack(
    option(
        _TRUST,
        "--max-rejects",
        metavar="N|P%",
        help="More refused rows end the run with exit code 3.",
    ),
    option(_TRUST, "--strict", is_flag=True, help="Refuse every bad row, as --max-rejects 0."),
)

group_option = option(
    "Input",
    "--group-field",
    metavar="NAME",
    help="Field whose values the report compares, and that --quota and --max-per-group need.",
)

workers_option = option(_RUN, "--workers", metavar="N", help="Processes. [default: usable CPUs]")

work_dir_option = option(
    _RUN, "--work-dir", metavar="DIR|URL", help="Keeps scores. [default: .zipsel beside the output]"
)

message_options = stack(
    option(_RUN, "--quiet", "-q", is_flag=True, help="Print errors only."),
    option(_RUN, "--log-format", help="Form of messages on standard error."),
    option(
        _RUN,
        "--config",
        metavar="FILE",
        help="TOML with any of these options; the command line and the environment win.",
    ),
)

run_options = stack(
    workers_option,
    option(_RUN, "--engine", help="Processes of this machine, or a Ray cluster."),
    option(
        _RUN,
        "--ray-address",
        metavar="auto|ray://HOST:PORT",
        help="Cluster to join. [default: this machine]",
    ),
    work_dir_option,
    option(_RUN, "--lock", help="When another run uses the work directory."),
    option(_RUN, "--force", is_flag=True, help="Do again what is up to date."),
    message_options,
)


def make_log(options: Options) -> Log:
    """The log that the options ask for."""
    return Log(options["quiet"], options["log_format"])


def command_line() -> list[str]:
    """The command as it was given."""
    return ["zipsel", *sys.argv[1:]]
