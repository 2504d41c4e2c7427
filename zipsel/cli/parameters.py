"""Click building blocks: options without types of their own, help sections, the levels of values.

Click only splits the command line into words. ``zipsel.commands.options`` knows what an option
takes and its default, for the command line as for configuration files, environment and Python.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from zipsel.commands.option_table import options_of
from zipsel.commands.options import Given, Level, gather, needs_in_help, read_environment, read_file
from zipsel.commands.rules import Options
from zipsel.console.messages import Log, use_log
from zipsel.console.values import choices_of, is_path, metavar_of
from zipsel.pool.formats import STDIN

Function = TypeVar("Function", bound=Callable[..., Any])


class ManyArgument(click.Argument):
    """An argument of any number of values, which a configuration file may hold.

    Click before 8.3 takes the empty list of the command line for a value.
    """

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> Any:
        """Look in the configuration if the command line has no value."""
        return super().consume_value(ctx, {name: one for name, one in opts.items() if one != ()})

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Files."""
        return [CompletionItem(incomplete, type="file")]


#: Option that takes a field → where the shards are named that have it.
_SHARDS_OF_FIELDS = {
    "text_field": ("pool", "shards"),
    "group_field": ("pool",),
    "target_text_field": ("target",),
}


def _fields_of(ctx: click.Context, names: tuple[str, ...], incomplete: str) -> list[CompletionItem]:
    """Fields of the first rows of the first shard; none where it cannot be read."""
    paths = [path for name in names for path in ctx.params.get(name) or ()]
    if "pool" in names:  # where an option without a value ends parsing, arguments are left over
        paths += ctx.args
    if not paths or paths[0] == STDIN:
        return []
    from zipsel.errors import ZipselError
    from zipsel.pool.finding import find_shards
    from zipsel.readers.peek import field_names

    try:
        shards, _ = find_shards(paths[:1], for_target=True)
        found = field_names(shards[0]) if shards else []
    except ZipselError:  # told when the command runs
        return []
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


class SectionOption(click.Option):
    """An option that knows under which heading the help shows it, and whether only in full."""

    def __init__(
        self, *args: Any, section: str = "Other", is_rare: bool = False, **kwargs: Any
    ) -> None:
        self.section = section
        self.is_rare = is_rare
        super().__init__(*args, **kwargs)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Names and help, with the choices, the default and what the option needs."""
        field = options_of(str(ctx.command.name))[str(self.name)]
        if not self.is_flag and self.metavar is None:
            self.metavar = metavar_of(field.type)
        record = super().get_help_record(ctx)
        if record is None:
            return None
        names, text = record
        needs = needs_in_help(str(ctx.command.name), str(self.name))
        text, _, default = text.partition(" [default: ")
        shown = isinstance(field.default, str | int | float) and field.default != ""
        if not default and not self.is_flag and shown:
            default = f"{field.default}]"
        return names, " ".join(filter(None, (text, needs, default and f"[default: {default}")))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The words that the option takes, files, or fields of the first shard that is named."""
        kind = options_of(str(ctx.command.name))[str(self.name)].type
        if self.name in _SHARDS_OF_FIELDS:
            return _fields_of(ctx, _SHARDS_OF_FIELDS[self.name], incomplete)
        if is_path(kind):
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(word) for word in choices_of(kind) if word.startswith(incomplete)]


#: Whether the help shows options that are rarely needed, in what a context remembers.
_IN_FULL = "zipsel.help_in_full"


def _show_all(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.meta[_IN_FULL] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


class SectionCommand(click.Command):
    """A command whose help groups options by purpose and leaves the rare ones to --help-all."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The options, and ``--help-all`` where some are rare."""
        params = super().get_params(ctx)
        if any(getattr(param, "is_rare", False) for param in params):
            params.append(
                click.Option(
                    ["--help-all"],
                    is_flag=True,
                    is_eager=True,
                    expose_value=False,
                    callback=_show_all,
                    help="Show all options, the rarely needed ones too.",
                )
            )
        return params

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each heading, in the order in which they first occur."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if not isinstance(param, click.Option) or (
                getattr(param, "is_rare", False) and _IN_FULL not in ctx.meta
            ):
                continue
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(param, "section", "Other"), []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)


def option(
    section: str,
    names: str,
    text: str,
    metavar: str | None = None,
    *,
    is_rare: bool = False,
    **kwargs: Any,
) -> Callable[[Function], Function]:
    """An option under a heading of the help; its words are read by ``zipsel.commands.options``.

    A rare one is shown by ``--help-all`` alone.
    """
    kwargs |= {"section": section, "help": text, "metavar": metavar, "is_rare": is_rare}
    return click.option(*names.split(), cls=SectionOption, type=click.UNPROCESSED, **kwargs)


def flag(
    section: str, names: str, text: str, *, is_rare: bool = False
) -> Callable[[Function], Function]:
    """An option without a value."""
    kwargs: dict[str, Any] = {"section": section, "help": text, "is_rare": is_rare}
    return click.option(*names.split(), cls=SectionOption, is_flag=True, **kwargs)


def stack(*decorators: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Several options as one decorator, in reading order."""

    def decorate(function: Function) -> Function:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def chosen() -> Options:
    """The options in force of the running command: command line, environment, file."""
    ctx = click.get_current_context()
    command = str(ctx.command.name)
    line: Level = {
        name: Given(value)
        for name, value in ctx.params.items()
        if name in options_of(command)
        and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    levels = [line, read_environment(command, os.environ)]
    config = next((level["config"].value for level in levels if "config" in level), None)
    if config is not None:
        levels.append(read_file(config))
    if any(level["log_format"].value == "json" for level in levels[-1:] if "log_format" in level):
        use_log(Log(log_format="json"))  # for what is wrong with the other options
    return gather(command, levels)
