"""Options of every command: one check for whichever door they came through.

The command line, a file (``--config``), the environment (``ZIPSEL_*``) and Python each give names
and values. Here a name is known or refused with the nearest one, a value is of its kind or refused,
the nearer level wins over the farther; ``option_table`` says which options there are, ``rules`` and
``needs`` which of them go together.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import FieldInfo, fields

from zipsel.commands.needs import NEEDS, n_named_targets
from zipsel.commands.option_table import COMMANDS, CommandName, options_of, variable_of
from zipsel.commands.rules import ALTERNATIVES, MISSING, REQUIRED, Options, flag
from zipsel.console.values import Path, convert, is_many, nearest
from zipsel.errors import UsageError
from zipsel.scorers.fit import default_scorer
from zipsel.selection.strategies import default_strategy

Settings = TypeVar("Settings", bound=msgspec.Struct)


class Given(NamedTuple):
    """A value and where it stands.

    Attributes:
        value: As it was written.
        where: Of the file or the variable; empty for the command line and Python.
    """

    value: Any
    where: str = ""


#: Option → value, of one door.
Level = Mapping[str, Given]


def read_file(path: str) -> Level:
    """The options that a TOML file holds; a ``UsageError`` if it cannot be read."""
    try:
        path = convert(path, Path)  # an integer would be an open file of this process
    except ValueError as error:
        raise UsageError(f"--config {error}") from None
    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"--config {path}: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--config {path} is no TOML file: {error}") from None
    if "config" in values:
        raise UsageError(f"--config {path}: a file cannot name another by config")
    return {key.replace("-", "_"): Given(value, path) for key, value in values.items()}


def read_environment(command: CommandName, environment: Mapping[str, str]) -> Level:
    """The options that variables hold; a variable of several paths has one on each line.

    Raises:
        UsageError: If a variable ``ZIPSEL_*`` is no option of any command.
    """
    level = {}
    others = [variable for variable in environment if variable.startswith("ZIPSEL_")]
    for name, field in options_of(command).items():
        variable = variable_of(command, name)
        if text := environment.get(variable):
            level[name] = Given(text.splitlines() if is_many(field.type) else text, variable)
        others = [other for other in others if other != variable]
    for variable in others:  # the options of all commands load much more than this command does
        known = {variable_of(one, name) for one in COMMANDS for name in options_of(one)}
        if variable not in known:
            raise UsageError(f"{variable} is no option of any command{nearest(variable, known)}")
    return level


def gather(command: CommandName, levels: Sequence[Level]) -> Options:
    """The options in force, from what each door gave, the nearest door first.

    Raises:
        UsageError: Naming the option and the remedy.
    """
    merged: dict[str, Given] = {}
    for level in reversed(levels):
        read = {
            name: one._replace(value=_read(command, name, one))
            for name, one in level.items()
            if one.value is not None
        }
        merged = _lay_over(command, merged, read)
    options = _choice(command, merged)
    _check_alternatives(options)
    _check_required(command, options)
    for need in NEEDS.get(command, ()):
        for name in need.options:
            if name in options.given and not need.met(options):
                raise UsageError(f"{_named(name, merged[name])} needs {need.told}")
    return options


def _read(command: CommandName, name: str, one: Given) -> Any:
    known = options_of(command)
    if name not in known:
        shown = f"{name.replace('_', '-')}{f' in {one.where}' if one.where else ''}"
        names = [other.replace("_", "-") for other in known]
        raise UsageError(
            f"{shown} is no option of {command}{nearest(name.replace('_', '-'), names)}"
        )
    try:
        return convert(one.value, known[name].type)
    except ValueError as error:
        raise UsageError(f"{_named(name, one)} {error}") from None


def _named(name: str, one: Given) -> str:
    return f"{flag(name)} ({one.where})" if one.where else flag(name)


def _lay_over(
    command: CommandName, far: dict[str, Given], near: dict[str, Given]
) -> dict[str, Given]:
    """A nearer level over farther ones.

    It replaces their values and alternatives, and with them what only those needed.
    """
    replaced = {
        name
        for group in ALTERNATIVES
        if any(other in near and _counts(near[other].value) for other in group)
        for name in group
    }
    kept = {name: one for name, one in far.items() if name not in replaced}
    before, after = _choice(command, far), _choice(command, {**kept, **near})
    gone = {
        name
        for need in NEEDS.get(command, ())
        for name in need.options
        if name in kept and name not in near and need.met(before) and not need.met(after)
    }
    return {name: one for name, one in {**kept, **near}.items() if name not in gone}


def _counts(value: Any) -> bool:
    """Whether a value asks for something: a flag that is off, or no paths, do not."""
    return value is not False and value != ()


def _choice(command: CommandName, merged: Mapping[str, Given]) -> Options:
    given = {name: one.value for name, one in merged.items() if _counts(one.value)}
    defaults = {name: _default(field) for name, field in options_of(command).items()}
    settled = {
        "scorer": default_scorer(n_named_targets(given.get("target", ())), given.get("facets", 1)),
        "strategy": default_strategy(by_alignment="min_alignment" in given),
    }
    defaults.update((name, value) for name, value in settled.items() if name in defaults)
    return Options({**defaults, **given}, given.keys())


def _default(field: FieldInfo) -> Any:
    return None if field.default is msgspec.NODEFAULT else field.default


def _check_alternatives(options: Options) -> None:
    for group in ALTERNATIVES:
        found = [name for name in group if name in options.given]
        if len(found) > 1:
            raise UsageError(
                f"give exactly one of {', '.join(flag(n) for n in group if n in options.values)}; "
                f"found {' and '.join(map(flag, found))}"
            )


def _check_required(command: CommandName, options: Options) -> None:
    for group in REQUIRED.get(command, ()):
        if not options.has(*group):
            told = next((MISSING[name] for name in group if name in MISSING), None)
            one = "exactly one of " if len(group) > 1 else ""
            raise UsageError(told or f"give {one}{', '.join(map(flag, group))}; found none")


def needs_in_help(command: CommandName, name: str) -> str:
    """A sentence for the help of an option that needs others; empty for one that does not."""
    words = [need.told for need in NEEDS.get(command, ()) if need.helps and name in need.options]
    return f"Needs {' and '.join(words)}." if words else ""


def fill(struct: type[Settings], options: Options, **made: Any) -> Settings:
    """Settings out of the options that were given; ``made`` are fields that are no options."""
    given = {
        field.name: options.values[field.encode_name]
        for field in fields(struct)
        if field.encode_name in options.given
    }
    return struct(**{**given, **made})
