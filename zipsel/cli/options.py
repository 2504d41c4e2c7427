"""Options, each defined once, and the settings that they make."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click
from msgspec.structs import replace

from zipsel.cli.parameters import Function, SizeType, load_config, option, stack
from zipsel.console.messages import Log
from zipsel.engines import ENGINES
from zipsel.errors import UsageError
from zipsel.readers.rows import DEFAULT_MAX_ROW_BYTES, Reading, TextSpec
from zipsel.scorers import SCORERS
from zipsel.scorers.fit import DEFAULT_SAMPLE_BYTES, FitSettings
from zipsel.scoring.settings import ScoreSettings
from zipsel.storage.workdir import work_places

_TEXT = "Text of a row"
_SCORER = "Scorer"
_TRUST = "Bad input"
_RUN = "Running"

pool_argument = click.argument("pool", nargs=-1, metavar="POOL...")


def target_options(with_profile: bool) -> Callable[[Function], Function]:
    """``--target``, and ``--profile`` in its place."""
    options = [
        option(
            "Input",
            "--target",
            "-t",
            multiple=True,
            metavar="PATH",
            help="Examples of the target: files, directories, globs; also .txt, one each.",
        )
    ]
    if with_profile:
        options.append(
            option("Input", "--profile", metavar="FILE", help="A fitted profile in its place.")
        )
    return stack(*options)


text_options = stack(
    option(_TEXT, "--text-field", metavar="NAME", help="Dotted path of the text. [text]"),
    option(_TEXT, "--template", metavar="TEXT", help="Fields in braces: '{question}\\n{answer}'."),
    option(_TEXT, "--chat", is_flag=True, help="Turns of messages or conversations."),
    option(_TEXT, "--target-text-field", metavar="NAME", help="The same for the target;"),
    option(_TEXT, "--target-template", metavar="TEXT", help="by default as for the pool."),
    option(_TEXT, "--target-chat", is_flag=True, help=""),
    option(
        _TEXT,
        "--delimiter",
        metavar="CHAR",
        help="Between fields of CSV, TSV. [comma, tab]",
    ),
    option(_TEXT, "--encoding", metavar="NAME", help="Of CSV and TSV: utf-16, cp1252. [utf-8]"),
    option(_TEXT, "--no-quotes", is_flag=True, help="Quote marks in CSV and TSV are plain text."),
)

seed_option = option(
    _SCORER, "--seed", type=int, default=0, show_default=True, help="Of all that is drawn."
)

scorer_options = stack(
    option(
        _SCORER,
        "--scorer",
        metavar="|".join(SCORERS),
        default="fused",
        show_default=True,
        help="How closeness is measured; ncd is ZIP-FIT, dsir is DSIR.",
    ),
    option(
        _SCORER,
        "--codec",
        type=click.Choice(["gzip", "zstd", "lz4", "brotli", "lzma"]),
        help="Compressor of ncd. [gzip]",
    ),
    option(_SCORER, "--per-token", is_flag=True, help="Weight of dsir per token, not per text."),
    option(
        _SCORER,
        "--facets",
        metavar="N|auto",
        default="1",
        show_default=True,
        help="Groups of a target of many kinds, each matched alone.",
    ),
    option(_SCORER, "--level", type=int, metavar="N", help="Compression level. [zstd 3, gzip 9]"),
    seed_option,
    option(
        _SCORER,
        "--sample-bytes",
        type=SizeType(),
        default=DEFAULT_SAMPLE_BYTES,
        help="Pool text that the target is held against. [8MiB]",
    ),
)

read_options = stack(
    option(
        _TRUST,
        "--max-rejects",
        default="1%",
        show_default=True,
        metavar="N|P%",
        help="Refused rows that end the run with exit code 3.",
    ),
    option(_TRUST, "--strict", is_flag=True, help="The same as --max-rejects 0."),
    option(
        _TRUST,
        "--on-bad-file",
        type=click.Choice(["stop", "skip", "salvage"]),
        default="stop",
        show_default=True,
        help="What to do with a file that cannot be read (to its end).",
    ),
    option(
        _TRUST,
        "--max-row-bytes",
        type=SizeType(),
        default=DEFAULT_MAX_ROW_BYTES,
        help="Longer rows are refused. [64MiB]",
    ),
    option(_TRUST, "--long", is_flag=True, help="Accept zstd windows up to 2 GiB."),
)

group_option = option(
    "Input", "--group-field", metavar="NAME", help="Field whose values the report compares."
)

workers_option = option(_RUN, "--workers", type=int, metavar="N", help="Processes. [usable CPUs]")

message_options = stack(
    option(_RUN, "--quiet", "-q", is_flag=True, help="Print errors only."),
    option(
        _RUN,
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Form of messages on standard error.",
    ),
    option(
        _RUN,
        "--config",
        is_eager=True,
        expose_value=False,
        callback=load_config,
        metavar="FILE",
        help="TOML with any of these options; the command line wins.",
    ),
)

run_options = stack(
    workers_option,
    option(
        _RUN,
        "--engine",
        type=click.Choice(list(ENGINES)),
        default="local",
        show_default=True,
        help="Processes of this machine, or a Ray cluster.",
    ),
    option(_RUN, "--ray-address", metavar="auto|ray://HOST:PORT", help="Cluster. [this machine]"),
    option(_RUN, "--work-dir", metavar="DIR|URL", help="Keeps scores. [.zipsel beside the output]"),
    option(
        _RUN,
        "--lock",
        type=click.Choice(["wait", "fail"]),
        default="wait",
        show_default=True,
        help="When another run uses the work directory.",
    ),
    option(_RUN, "--force", is_flag=True, help="Do again what is up to date."),
    message_options,
)


def readings(options: dict[str, Any]) -> tuple[Reading, Reading]:
    """How rows of the pool and of the target become texts; the target's like the pool's.

    Raises:
        UsageError: If two options say where a text is.
    """
    text = _text_spec(options["text_field"], options["template"], options["chat"], "")
    target_text = _text_spec(
        options["target_text_field"],
        options["target_template"],
        options["target_chat"],
        "target-",
    )
    reading = Reading(
        text or TextSpec(),
        options.get("group_field"),
        options.get("max_row_bytes", DEFAULT_MAX_ROW_BYTES),
        options.get("long", False),
        "\t" if options["delimiter"] == "\\t" else options["delimiter"],
        options["encoding"] or "utf-8",
        not options["no_quotes"],
    )
    return reading, replace(reading, text=target_text or reading.text)


def _text_spec(field: str | None, template: str | None, chat: bool, prefix: str) -> TextSpec | None:
    """The spec that at most one of three options asks for.

    Raises:
        UsageError: If there is more than one.
    """
    if (field is not None) + (template is not None) + chat > 1:
        raise UsageError(f"give one of --{prefix}text-field, --{prefix}template and --{prefix}chat")
    if template is not None:
        return TextSpec("template", template.replace("\\n", "\n").replace("\\t", "\t"))
    if chat:
        return TextSpec("chat", "")
    return TextSpec("field", field) if field is not None else None


def score_settings(options: dict[str, Any], output: str) -> ScoreSettings:
    """Settings from the values of the shared options.

    Raises:
        UsageError: If they contradict each other.
    """
    from zipsel.engines.cpus import usable_cpus

    reading, target_reading = readings(options)
    work_dir, store = work_places(options["work_dir"] or None, output)
    return ScoreSettings(
        pool=tuple(options["pool"]),
        target=tuple(options["target"]),
        profile=options.get("profile"),
        reading=reading,
        target_reading=target_reading,
        fit=FitSettings(
            scorer=options["scorer"],
            codec=options["codec"],
            level=options["level"],
            seed=options["seed"],
            sample_bytes=options["sample_bytes"],
            facets=_n_facets(options["facets"]),
            per_token=options["per_token"],
        ),
        work_dir=work_dir,
        store=store,
        workers=options["workers"] if options["workers"] is not None else usable_cpus(),
        on_bad_file=options["on_bad_file"],
        max_rejects="0" if options["strict"] else options["max_rejects"],
        lock=options["lock"],
        engine=options["engine"],
        ray_address=options["ray_address"],
    )


def _n_facets(value: str) -> int | None:
    if value == "auto":
        return None
    if not value.isdigit():
        raise UsageError(f"--facets takes a number or auto, not {value!r}")
    return int(value)


def make_log(options: dict[str, Any]) -> Log:
    """The log that the options ask for."""
    return Log(options["quiet"], options["log_format"])


def command_line() -> list[str]:
    """The command as it was given."""
    return ["zipsel", *sys.argv[1:]]
