"""The command group; each command's module is imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from zipsel.errors import PipeClosed

_COMMANDS = {
    "select": "Choose the records of a pool that are closest to a target.",
    "peek": "Show which fields shards have, and which options they need.",
    "fit": "Learn a target against a pool, for later runs.",
    "score": "Give every record of a pool its alignment.",
    "report": "Make a run's report again, or compare two runs.",
    "eval": "Measure what subsets are worth to held-out examples.",
    "explain": "Show why a text scores as it does.",
    "clean": "Free what no run has met for some days.",
    "completion": "Print the script that lets a shell complete.",
    "demo": "Run the main job on Python's own standard library.",
}

_EPILOG = """\b
Exit codes: 0 done, 1 failed, 2 usage, 3 too many refused rows,
130 interrupted, 143 terminated, 141 output pipe closed.

Begin with: zipsel demo
"""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"zipsel.cli.{cmd_name}").command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As Click does, but without arguments print help on standard error and exit with 2.

        Click's versions differ in that.
        """
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """As Click does, but raise ``PipeClosed`` for a closed pipe; Click exits with 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise PipeClosed from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from zipsel.report.model import library_versions

    versions = library_versions()
    click.echo(f"zipsel {versions.pop('zipsel')}")
    click.echo("\n".join(f"{name} {number}" for name, number in versions.items()))
    ctx.exit()


@click.group(
    cls=_LazyGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions of zipsel and its libraries.",
)
def cli() -> None:
    """Choose language-model training data by compression.

    zipsel streams a pool of JSONL, Parquet, Arrow or CSV shards past examples of a target task
    and keeps what is closest to them. No model, no embeddings, no GPU.
    """
