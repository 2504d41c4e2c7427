"""Options of every command: one check for whichever door they came through.

The command line, a file (``--config``), the environment (``ZIPSEL_*``) and Python each give names
and values. Here a name is known or refused with the nearest one, a value is of its kind or refused,
the nearer level wins over the farther; ``rules`` and ``needs`` say which options go together. Kinds
and defaults are those of the settings' own fields, so that no option is described twice.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo, fields

from zipsel.commands.needs import NEEDS, TARGET_TEXT, n_named_targets
from zipsel.commands.rules import ALTERNATIVES, MISSING, REQUIRED, Options, flag
from zipsel.console.values import Name, Names, Path, Paths, convert, is_many, nearest
from zipsel.errors import UsageError
from zipsel.readers.reading import ChatParts, Reading
from zipsel.scorers.fit import FitSettings, default_scorer
from zipsel.scoring.settings import RunSettings, ScoreOutput, Workers
from zipsel.selection.budgets import BudgetOptions
from zipsel.selection.settings import LeakRule, SelectSettings
from zipsel.selection.strategies import default_strategy

Settings = TypeVar("Settings", bound=msgspec.Struct)

#: Fields of settings that are made of several options, or of none.
_MADE = frozenset(
    {"reading", "target_reading", "text", "fit", "budget", "leak_rule", "store", "share", "quotes"}
)


class TextOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where the text of a row is; of each three at most one is given."""

    text_field: Names | None = None
    template: Name | None = None
    chat: bool = False
    target_text_field: Names | None = None
    target_template: Name | None = None
    target_chat: bool = False
    chat_parts: ChatParts | None = None
    no_quotes: bool = False


class MessageOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What standard error shows, and the file with more options."""

    quiet: bool = False
    log_format: Literal["text", "json"] = "text"
    config: Path | None = None


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What select and score take beside settings."""

    force: bool = False


class SelectOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What select alone takes beside settings."""

    report: Path | None = None
    fail_if_empty: bool = False


class RankOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a pool is scored."""

    rank: Annotated[int, Meta(ge=0, description="a number from 0")] | Literal["auto"] | None = None
    world_size: (
        Annotated[int, Meta(ge=1, le=10**6, description="a whole number, 1 to 1000000")] | None
    ) = None


class FitOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What fit takes beside settings."""

    pool: Paths
    target: Paths
    output: Path
    on_bad_file: Literal["stop", "skip", "salvage"] = "stop"


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What demo takes."""

    output: Path = "zipsel-demo"
    work_dir: Path | None = None
    workers: Workers | None = None


class CleanOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What clean takes."""

    work_dir: Path = ".zipsel"
    keep_days: Annotated[int, Meta(ge=0, description="a whole number of days")] = 30
    yes: bool = False
    lock: Literal["wait", "fail"] = "wait"


class PageOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What commands take that can show their answer in several forms."""

    json: bool = False
    html: Path | None = None


class PeekOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What peek takes."""

    shards: Paths = ()


class ReportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What report takes."""

    runs: Paths = ()


def _structs(command: CommandName) -> tuple[type[msgspec.Struct], ...]:
    """The settings that a command's options make."""
    scoring = (RunSettings, Reading, FitSettings, TextOptions, RunOptions, MessageOptions)
    if command == "select":
        return (*scoring, SelectSettings, LeakRule, BudgetOptions, SelectOptions)
    if command == "score":
        return (*scoring, ScoreOutput, RankOptions)
    if command == "fit":
        return (FitOptions, Reading, FitSettings, TextOptions, MessageOptions)
    if command == "eval":
        from zipsel.evaluation.subsets import EvalSettings

        return (EvalSettings, Reading, PageOptions, TextOptions, MessageOptions)
    if command == "explain":
        from zipsel.commands.explain import ExplainSettings

        return (ExplainSettings, Reading, PageOptions, TextOptions)
    if command == "peek":
        return (PeekOptions, Reading, PageOptions, TextOptions)
    if command == "clean":
        return (CleanOptions, MessageOptions)
    return (ReportOptions, PageOptions) if command == "report" else (DemoOptions, MessageOptions)


#: Fields of a command's settings that are no options of the command.
_NOT_OPTIONS = {
    "fit": {"group_field"},
    "eval": {"html", "group_field", "max_row_bytes", "long"},
    "peek": {"html", "group_field", "max_row_bytes", "long", *TARGET_TEXT},
    "explain": {"stdin", "group_field", "max_row_bytes", "long"},
}

#: One of ``COMMANDS``.
CommandName: TypeAlias = str

COMMANDS = ("select", "fit", "score", "report", "eval", "explain", "peek", "clean", "demo")


@cache
def options_of(command: CommandName) -> Mapping[str, FieldInfo]:
    """Option → its kind and default."""
    left_out = _MADE | _NOT_OPTIONS.get(command, set())
    return {
        field.encode_name: field
        for struct in _structs(command)
        for field in fields(struct)
        if field.encode_name not in left_out
    }


def variable_of(command: CommandName, name: str) -> str:
    """The environment variable of an option.

    Where two commands mean different things by one name, the rarer one's has its command in it.
    """
    if (command, name) in {("score", "format"), ("eval", "max_bytes")}:
        return f"ZIPSEL_{command}_{name}".upper()
    return f"ZIPSEL_{name}".upper()


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
