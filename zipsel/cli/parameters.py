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

from zipsel.commands.options import (
    Given,
    Level,
    gather,
    needs_in_help,
    options_of,
    read_environment,
    read_file,
)
from zipsel.commands.rules import Options
from zipsel.console.values import choices_of, metavar_of

Function = TypeVar("Function", bound=Callable[..., Any])


class ManyArgument(click.Argument):
    """An argument of any number of values, which a configuration file may hold.

    Click before 8.3 takes the empty list of the command line for a value.
    """

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> Any:
        """Use the configuration's value if the command line has none."""
        return super().consume_value(ctx, {name: one for name, one in opts.items() if one != ()})


class SectionOption(click.Option):
    """An option with the heading under which the help lists it."""

    def __init__(self, *args: Any, section: str = "Other", **kwargs: Any) -> None:
        self.section = section
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
        if not default and not self.is_flag and isinstance(field.default, str | int | float):
            default = f"{field.default}]"
        return names, " ".join(filter(None, (text, needs, default and f"[default: {default}")))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The values that begin with an incomplete word."""
        kind = options_of(str(ctx.command.name))[str(self.name)].type
        return [CompletionItem(word) for word in choices_of(kind) if word.startswith(incomplete)]


class SectionCommand(click.Command):
    """A command whose help groups options by purpose."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each heading, in the order in which they first occur."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(param, "section", "Other"), []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)


def option(
    section: str, names: str, text: str, metavar: str | None = None, **kwargs: Any
) -> Callable[[Function], Function]:
    """An option under a heading of the help; its words are read by ``zipsel.commands.options``."""
    kwargs |= {"section": section, "help": text, "metavar": metavar, "type": click.UNPROCESSED}
    return click.option(*names.split(), cls=SectionOption, **kwargs)


def flag(section: str, names: str, text: str) -> Callable[[Function], Function]:
    """An option without a value."""
    return click.option(*names.split(), cls=SectionOption, section=section, help=text, is_flag=True)


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
    return gather(command, levels)
