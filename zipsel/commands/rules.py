"""Which options are alternatives, which are required, and when all of standard input is needed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from zipsel.engines import runs_in_order
from zipsel.pool.formats import STDIN
from zipsel.selection.budgets import BUDGET_KINDS


@dataclass(frozen=True)
class Options:
    """The options that are in force.

    Attributes:
        values: Option → value, defaults included.
        given: Options that were given.
    """

    values: Mapping[str, Any]
    given: Collection[str]

    def __getitem__(self, name: str) -> Any:
        """A value; None for an option that the command does not have."""
        return self.values.get(name)

    def has(self, *names: str) -> bool:
        """Whether one of some options was given."""
        return any(name in self.given for name in names)


def flag(name: str) -> str:
    """An option as the command line has it."""
    return f"--{name.replace('_', '-')}"


#: Options of which at most one is given; on a nearer level, one replaces those of farther levels.
ALTERNATIVES: tuple[tuple[str, ...], ...] = (
    BUDGET_KINDS,
    ("target", "profile"),
    ("run", "profile", "target"),
    ("text_field", "template", "chat"),
    ("target_text_field", "target_template", "target_chat"),
)

#: Command → what it cannot do without: an option, or one of several.
REQUIRED: dict[str, tuple[tuple[str, ...], ...]] = {
    "select": (("pool",), ("output",), ("target", "profile"), BUDGET_KINDS),
    "fit": (("pool",), ("target",), ("output",)),
    "score": (("pool",), ("target", "profile"), ("output", "work_dir")),
    "eval": (("target",), ("subsets",)),
    "explain": (("run", "profile", "target"),),
    "peek": (("shards",),),
}

_POOL = "name at least one pool file, directory or pattern (or - for stdin)"

#: What is missing, where "give OPTION" would not say enough.
MISSING = {
    "pool": _POOL,
    "shards": "name at least one file, directory or pattern to look at",
    "subsets": "name at least one subset: a file, or a directory that select wrote",
    "work_dir": "say where the scores go: --output, or --work-dir for select to find",
}


def whole_input_option(options: Options) -> str | None:
    """The option that needs all of standard input at once; None if each line can be answered."""
    kinds = [kind for kind in BUDGET_KINDS if kind != "min_alignment" and options.has(kind)]
    needs = {
        **{flag(kind): True for kind in kinds},
        "--output": options["output"] != STDIN,
        "--report": options.has("report"),
        "--dedup near": options["dedup"] == "near",
        "--max-per-group": options.has("max_per_group"),
        "--contenders": options.has("contenders"),
        f"--engine {options['engine']}": not runs_in_order(options["engine"]),
    }
    return next((option for option, is_needed in needs.items() if is_needed), None)
