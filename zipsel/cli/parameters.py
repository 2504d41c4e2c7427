"""What options are made of: sizes, headings of the help, variables of the environment."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zipsel.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
          "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}  # fmt: skip


if TYPE_CHECKING:
    _IntType = click.ParamType[int]
else:  # before Click 8.4 a ParamType takes no type argument at run time
    _IntType = click.ParamType


class SizeType(_IntType):
    """A number of bytes: ``400000``, ``400kB``, ``64MiB``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number and its unit."""
        if isinstance(value, int):
            return value
        text = str(value).strip().lower().removesuffix("b")
        number = text.rstrip("kmgti")
        unit = text[len(number) :]
        try:
            size = float(number) * _UNITS[unit]
        except (ValueError, KeyError):
            self.fail(f"{value!r} is no size; write 400000, 400kB or 64MiB", param, ctx)
        return int(size)


class SectionOption(click.Option):
    """An option that knows under which heading the help shows it, and its variable."""

    def __init__(self, *args: Any, section: str = "Other", **kwargs: Any) -> None:
        self.section = section
        super().__init__(*args, **kwargs)
        if self.envvar is None and self.expose_value:
            self.envvar = f"ZIPSEL_{(self.name or '').upper()}"


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


def option(section: str, *args: Any, **kwargs: Any) -> Callable[[Function], Function]:
    """An option under a heading."""
    return click.option(*args, cls=SectionOption, section=section, **kwargs)


def stack(*decorators: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Several options as one decorator, in reading order."""

    def decorate(function: Function) -> Function:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def load_config(ctx: click.Context, _param: click.Parameter, path: str | None) -> None:
    """Make a file's values the defaults of a command.

    Raises:
        UsageError: If the file cannot be read or has a key that is no option.
    """
    if path is None:
        return
    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"--config {path}: {(error.strerror or str(error)).lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path}: {error}") from None
    known = {param.name or "": param for param in ctx.command.params}
    known.pop("config", None)
    defaults: dict[str, Any] = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0].replace('_', '-')}?" if near else ""
            raise UsageError(f"--config {path}: {key!r} is no option of {ctx.info_name}{hint}")
        many = known[name].nargs == -1 or getattr(known[name], "multiple", False)
        defaults[name] = [value] if many and not isinstance(value, list) else value
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
