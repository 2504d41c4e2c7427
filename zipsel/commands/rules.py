"""Which options go together: tables that the check, the help and the tests read.

An option that would have no effect is refused by naming it and what it needs. A need speaks of
options that were given, so that a value equal to its default is refused too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from zipsel.engines import runs_in_order
from zipsel.pool.formats import STDIN, format_of_suffix
from zipsel.scorers import scorer_class
from zipsel.scorers.fit import (
    finishes_later,
    scorers_that_draw,
    scorers_that_finish_later,
    scorers_that_take,
)
from zipsel.selection.budgets import BUDGET_KINDS
from zipsel.selection.strategies import STRATEGIES, Strategy, find_strategy


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


class Need(NamedTuple):
    """What options need in order to have an effect.

    Attributes:
        options: Each of them needs it.
        words: What they need, as in "needs --strategy sample".
        met: Whether it is there.
        helps: Whether the help of each option ends with the words.
    """

    options: tuple[str, ...]
    words: str
    met: Callable[[Options], bool]
    helps: bool = True


def flag(name: str) -> str:
    """An option as it stands on the command line."""
    return f"--{name.replace('_', '-')}"


def _either(names: Collection[str]) -> str:
    return " or ".join(names)


#: Options of which at most one is given; on a nearer level, one replaces those of farther levels.
ALTERNATIVES: tuple[tuple[str, ...], ...] = (
    BUDGET_KINDS,
    ("target", "profile"),
    ("run", "profile", "target"),
    ("text_field", "template", "chat"),
    ("target_text_field", "target_template", "target_chat"),
    ("max_rejects", "strict"),
)

#: Command → what it cannot do without: an option, or one of several.
REQUIRED: dict[str, tuple[tuple[str, ...], ...]] = {
    "select": (("pool",), ("output",), ("target", "profile"), BUDGET_KINDS),
    "fit": (("pool",), ("target",), ("output",)),
    "score": (("pool",), ("target", "profile"), ("output", "work_dir")),
    "eval": (("target",), ("subsets",)),
    "explain": (("run", "profile", "target"),),
}

_POOL = "name at least one pool file, directory or pattern (or - for stdin)"

#: What is missing, where "give OPTION" would not say enough.
MISSING = {
    "pool": _POOL,
    "subsets": "name at least one subset: a file, or a directory that select wrote",
    "work_dir": "say where the scores go: --output, or --work-dir for select to find",
}

_OF_FIT = ("scorer", "codec", "level", "per_token", "facets", "sample_bytes")

_OF_TARGET_TEXT = ("target_text_field", "target_template", "target_chat")


def _is_directory(options: Options) -> bool:
    output = options["output"]
    return output not in (None, STDIN) and format_of_suffix(output) is None


def _fits_suffix(options: Options) -> bool:
    named = None if options["output"] is None else format_of_suffix(options["output"])
    return named in (None, options["format"])


def _takes(options: Options, option: str) -> bool:
    """Whether the scorer uses an option."""
    return option in scorer_class(options["scorer"]).takes


def _draws(options: Options) -> bool:
    """Whether a sample of the pool is drawn to fit."""
    return options.has("target") and scorer_class(options["scorer"]).needs_sample


def _has_one_target(options: Options) -> bool:
    """Whether there is one target, not several with names of their own."""
    from zipsel.scoring.inputs import target_patterns  # loads PyArrow, which --help leaves out

    return len(target_patterns(options["target"] or ())) < 2


def _has_files(options: Options) -> bool:
    """Whether the pool is files, not standard input."""
    return bool(options["pool"] != (STDIN,))


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


def _sees_all(options: Options) -> bool:
    """Whether the run sees all records before it writes the first."""
    return _has_files(options) or whole_input_option(options) is not None


def _strategies(has: Callable[[Strategy], object]) -> str:
    return _either([name for name in STRATEGIES if has(find_strategy(name))])


def _strategy_takes(option: str) -> Need:
    return Need(
        (option,),
        f"--strategy {_strategies(lambda one: option in one.takes)}",
        lambda options: option in find_strategy(options["strategy"]).takes,
    )


_FITTING = (
    Need(
        _OF_FIT,
        "--target (a profile keeps the scorer that it was fitted with, so not with --profile)",
        lambda one: not one.has("profile"),
        helps=False,
    ),
    *(
        Need(
            (option,),
            f"--scorer {_either(scorers_that_take(option))}",
            partial(_takes, option=option),
        )
        for option in ("codec", "level", "per_token", "facets")
    ),
    Need(
        ("scorer",),
        f"to be {_either(scorers_that_take('facets'))} for several named targets "
        "(--target NAME=PATH)",
        lambda one: _takes(one, "facets") or _has_one_target(one),
        helps=False,
    ),
    Need(
        ("facets",),
        "one target to split: named targets (--target NAME=PATH) are matched each alone already",
        _has_one_target,
        helps=False,
    ),
    Need(
        ("sample_bytes",),
        f"--scorer {_either(scorers_that_draw())}",
        lambda one: scorer_class(one["scorer"]).needs_sample,
    ),
)


def _text_of_target(*examples: str) -> Need:
    return Need(
        _OF_TARGET_TEXT,
        f"examples to read: {_either([flag(name) for name in examples])}",
        lambda one: one.has(*examples),
        helps=False,
    )


_CLUSTER = Need(("ray_address",), "--engine ray", lambda one: one["engine"] == "ray")


_STREAM = (
    Need(
        ("lock", "force"),
        "files as POOL: of standard input, -, nothing is kept for other runs",
        _has_files,
        helps=False,
    ),
    Need(
        ("on_bad_file",),
        "files as POOL in order to skip one: damaged standard input, -, is stopped at or salvaged",
        lambda one: _has_files(one) or one["on_bad_file"] != "skip",
        helps=False,
    ),
    Need(
        ("order",),
        "all records in order to rank them: name a file with --output or --report, as lines of "
        "standard input are answered in the order in which they come",
        lambda one: _sees_all(one) or one["order"] == "input",
        helps=False,
    ),
    Need(
        ("group_field",),
        "records that are kept: with --output -, each line of standard input is answered alone",
        _sees_all,
        helps=False,
    ),
    Need(
        ("seed",),
        "a pool to draw from: with --output -, the first lines of standard input are the sample",
        _sees_all,
        helps=False,
    ),
)


_SELECT = (
    Need(("tokenizer",), "--max-tokens", lambda one: one.has("max_tokens")),
    Need(("shard_size",), "a directory as --output", _is_directory),
    Need(
        ("format",),
        "an --output that is a directory or has that suffix",
        _fits_suffix,
        helps=False,
    ),
    Need(
        ("format",),
        "a file as --output: standard output carries plain JSONL",
        lambda one: one["output"] != STDIN or one["format"] == "jsonl",
        helps=False,
    ),
    Need(
        ("eval_target",),
        "a report: name a file for it with --report, or another --output than -",
        lambda one: one["output"] != STDIN or one.has("report"),
        helps=False,
    ),
    Need(("quota", "max_per_group"), "--group-field", lambda one: one.has("group_field")),
    Need(
        ("quota", "mix"),
        "the budget for itself: only one of --quota, --mix and --strategy "
        f"{_strategies(lambda one: one.shares_budget)} shares it out",
        lambda one: (
            one.has("quota") + one.has("mix") + find_strategy(one["strategy"]).shares_budget == 1
        ),
        helps=False,
    ),
    Need(
        ("quota", "mix"),
        "a budget with a size, so not --min-alignment",
        lambda one: not one.has("min_alignment"),
        helps=False,
    ),
    Need(
        ("strategy",),
        "a budget with a size: --min-alignment takes all there are, as --strategy top does",
        lambda one: (
            find_strategy(one["strategy"]).by_alignment_alone or not one.has("min_alignment")
        ),
        helps=False,
    ),
    _strategy_takes("temperature"),
    _strategy_takes("hard_cutoff"),
    Need(("near_threshold",), "--dedup near", lambda one: one["dedup"] == "near"),
    Need(
        ("exclude_overlap", "leak_ngram", "leak_overlap"),
        "leaks to be looked for, so not --keep-leaks",
        lambda one: not one.has("keep_leaks"),
        helps=False,
    ),
    Need(
        ("contenders",),
        f"--scorer {_either(scorers_that_finish_later())}",
        lambda one: one.has("profile") or finishes_later(one["scorer"]),
    ),
    Need(
        ("auto",),
        "--target, which it splits, so not --profile",
        lambda one: not one.has("profile"),
        helps=False,
    ),
    Need(
        ("seed",),
        f"something random: --target with --scorer {_either(scorers_that_draw())}, --strategy "
        f"{_strategies(lambda one: 'seed' in one.takes)}, or --eval-target",
        lambda one: (
            _draws(one)
            or "seed" in find_strategy(one["strategy"]).takes
            or one.has("eval_target", "auto")
        ),
        helps=False,
    ),
)

_SCORE = (
    Need(("format",), "a directory as --output", lambda one: one["output"] not in (None, STDIN)),
    Need(
        ("add_field",),
        "--output - or --format dolma",
        lambda one: one["output"] == STDIN or (one["format"] == "dolma" and one.has("output")),
    ),
    Need(("world_size",), "--rank R", lambda one: one["rank"] not in (None, "auto")),
    Need(
        ("rank",),
        "--world-size",
        lambda one: one["rank"] == "auto" or one.has("world_size"),
        helps=False,
    ),
    Need(
        ("max_rejects", "strict"),
        "all rows, so not --rank: select counts what all ranks refused",
        lambda one: not one.has("rank"),
        helps=False,
    ),
    Need(("seed",), f"--target with --scorer {_either(scorers_that_draw())}", _draws, helps=False),
)

_EXPLAIN = (
    Need(("top",), "--run", lambda one: one.has("run")),
    Need(
        ("text_field", "template", "chat"),
        "--record with --profile or --target: a run knows its own",
        lambda one: one.has("record") and not one.has("run"),
        helps=False,
    ),
    Need(
        ("delimiter", "encoding", "no_quotes"),
        "rows to read: --target, or --record with --profile (a run knows its own)",
        lambda one: one.has("target") or (one.has("record") and not one.has("run")),
        helps=False,
    ),
)

NEEDS: dict[str, tuple[Need, ...]] = {
    "select": (
        *_FITTING,
        *_SELECT,
        *_STREAM,
        _text_of_target("target", "exclude_overlap", "eval_target"),
        _CLUSTER,
    ),
    "score": (*_FITTING, *_SCORE, *_STREAM, _text_of_target("target"), _CLUSTER),
    "fit": (
        *_FITTING,
        Need(("seed",), f"--scorer {_either(scorers_that_draw())}", _draws, helps=False),
    ),
    "report": (
        Need(
            ("html", "json"), "two runs to compare: a second DIR", lambda one: len(one["runs"]) == 2
        ),
    ),
    "explain": (*_EXPLAIN, _text_of_target("target")),
}
