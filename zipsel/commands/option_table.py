"""Which options each command has: the fields of its settings, with their kinds and defaults.

What is no setting of a part below stands here, so that no option is described twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo, fields

from zipsel.commands.needs import TARGET_TEXT
from zipsel.console.values import Name, Names, Path, Paths
from zipsel.readers.reading import ChatParts, Reading
from zipsel.scorers.fit import FitSettings
from zipsel.scoring.settings import RunSettings, ScoreOutput, Workers
from zipsel.selection.budgets import BudgetOptions
from zipsel.selection.settings import LeakRule, SelectSettings

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
