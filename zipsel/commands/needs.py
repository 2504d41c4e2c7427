"""What options need in order to have an effect: tables that the check, the help and the tests read.

An option that would have no effect is refused by naming it and what it needs. A need speaks of
options that were given, so that a value equal to its default is refused too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import NamedTuple

from zipsel.commands.rules import Options, flag, whole_input_option
from zipsel.pool.formats import STDIN, format_of_suffix
from zipsel.scorers import scorer_class
from zipsel.scorers.fit import is_cascade, scorers_that_take, scorers_with
from zipsel.selection.strategies import STRATEGIES, Strategy, find_strategy
from zipsel.storage.remote import is_remote


class Need(NamedTuple):
    """What options need in order to have an effect.

    Attributes:
        options: Each of them needs it.
        words: What they need, as in "needs --strategy sample"; a function where that asks
            all scorers or strategies, which only a message or a help loads.
        met: Whether it is there.
        helps: Whether the help of each option ends with the words.
    """

    options: tuple[str, ...]
    words: str | Callable[[], str]
    met: Callable[[Options], bool]
    helps: bool = False

    @property
    def told(self) -> str:
        """What they need, in words."""
        return self.words if isinstance(self.words, str) else self.words()


def _either(names: Collection[str]) -> str:
    return " or ".join(names)


def _scorers_that_draw() -> str:
    """The scorers that compare the target with a sample of the pool, as an option."""
    return f"--scorer {scorers_with(lambda kind: kind.needs_sample)}"


_OF_FIT = ("scorer", "codec", "level", "per_token", "facets", "sample_bytes")
TARGET_TEXT = ("target_text_field", "target_template", "target_chat")


def _has_files(options: Options) -> bool:
    """Whether the pool is files, not standard input."""
    return bool(options["pool"] != (STDIN,))


def _is_directory(options: Options) -> bool:
    output = options["output"]
    return output not in (None, STDIN) and format_of_suffix(output) is None


def _fits_suffix(options: Options) -> bool:
    named = None if options["output"] is None else format_of_suffix(options["output"])
    return named in (None, options["format"])


def _scorers_that_take(option: str) -> str:
    return f"--scorer {scorers_that_take(option)}"


def _takes(options: Options, option: str) -> bool:
    """Whether the scorer uses an option."""
    return option in scorer_class(options["scorer"]).takes


def _draws(options: Options) -> bool:
    """Whether a sample of the pool is drawn to fit."""
    return options.has("target") and scorer_class(options["scorer"]).needs_sample


def n_named_targets(targets: Sequence[str]) -> int:
    """How many names ``NAME=PATH`` gives to targets; 0 for paths alone."""
    if not any("=" in one for one in targets):
        return 0
    from zipsel.scoring.targets import target_patterns  # loads PyArrow, which --help leaves out

    return sum(1 for name in target_patterns(targets) if name)


def _has_one_target(options: Options) -> bool:
    """Whether there is one target, not several with names of their own."""
    return n_named_targets(options["target"] or ()) < 2


def _sees_all(options: Options) -> bool:
    """Whether the run sees all records before it writes the first."""
    return _has_files(options) or whole_input_option(options) is not None


def _has_local_profile(options: Options) -> bool:
    return options.has("profile") and not is_remote(options["profile"])


def _strategies(has: Callable[[Strategy], object]) -> str:
    return _either([name for name in STRATEGIES if has(find_strategy(name))])


def _strategy_takes(option: str) -> Need:
    return Need(
        (option,),
        lambda: f"--strategy {_strategies(lambda one: option in one.takes)}",
        lambda options: option in find_strategy(options["strategy"]).takes,
        helps=True,
    )


_FITTING = (
    Need(
        _OF_FIT,
        "--target (a profile keeps the scorer that it was fitted with, so not with --profile)",
        lambda one: not one.has("profile"),
    ),
    *(
        Need(
            (option,),
            partial(_scorers_that_take, option),
            partial(_takes, option=option),
            helps=True,
        )
        for option in ("codec", "level", "per_token", "facets")
    ),
    Need(
        ("scorer",),
        lambda: (
            f"to be {scorers_that_take('facets')} for several named targets (--target NAME=PATH)"
        ),
        lambda one: _has_one_target(one) or _takes(one, "facets"),
    ),
    Need(
        ("facets",),
        "one target to split: named targets (--target NAME=PATH) are matched each alone already",
        _has_one_target,
    ),
    Need(
        ("sample_bytes",),
        _scorers_that_draw,
        lambda one: scorer_class(one["scorer"]).needs_sample,
        helps=True,
    ),
)


def _text_of_target(*examples: str) -> Need:
    return Need(
        TARGET_TEXT,
        f"examples to read: {_either([flag(name) for name in examples])}",
        lambda one: one.has(*examples),
    )


_CHAT = Need(
    ("chat_parts",),
    "--chat or --target-chat",
    lambda one: one.has("chat", "target_chat"),
    helps=True,
)

_CLUSTER = Need(("ray_address",), "--engine ray", lambda one: one["engine"] == "ray", helps=True)

_STREAM = (
    Need(
        ("work_dir",),
        "something to keep: a profile's scores of single lines of standard input go nowhere",
        lambda one: _sees_all(one) or not _has_local_profile(one) or one.has("exclude_overlap"),
    ),
    Need(
        ("lock", "force"),
        "files as POOL: of standard input, -, nothing is kept for other runs",
        _has_files,
    ),
    Need(
        ("on_bad_file",),
        "files as POOL in order to skip one: damaged standard input, -, is stopped at or salvaged",
        lambda one: _has_files(one) or one["on_bad_file"] != "skip",
    ),
    Need(
        ("order",),
        "all records in order to rank them: name a file with --output or --report, as lines of "
        "standard input are answered in the order in which they come",
        lambda one: _sees_all(one) or one["order"] == "input",
    ),
    Need(
        ("group_field",),
        "records that are kept: with --output -, each line of standard input is answered alone",
        _sees_all,
    ),
    Need(
        ("seed",),
        "a pool to draw from: with --output -, the first lines of standard input are the sample",
        _sees_all,
    ),
)

_SELECT = (
    Need(("tokenizer",), "--max-tokens", lambda one: one.has("max_tokens"), helps=True),
    Need(("shard_size",), "a directory as --output", _is_directory, helps=True),
    Need(("format",), "an --output that is a directory or has that suffix", _fits_suffix),
    Need(
        ("format",),
        "a file as --output: standard output carries plain JSONL",
        lambda one: one["output"] != STDIN or one["format"] == "jsonl",
    ),
    Need(
        ("eval_target",),
        "a report: name a file for it with --report, or another --output than -",
        lambda one: one["output"] != STDIN or one.has("report"),
    ),
    Need(
        ("quota", "max_per_group"), "--group-field", lambda one: one.has("group_field"), helps=True
    ),
    Need(
        ("quota", "mix"),
        lambda: (
            "the budget for itself: only one of --quota, --mix and --strategy "
            f"{_strategies(lambda one: one.shares_budget)} shares it out"
        ),
        lambda one: (
            one.has("quota") + one.has("mix") + find_strategy(one["strategy"]).shares_budget == 1
        ),
    ),
    Need(
        ("quota", "mix"),
        "a budget with a size, so not --min-alignment",
        lambda one: not one.has("min_alignment"),
    ),
    Need(
        ("strategy",),
        "a budget with a size: --min-alignment takes all there are, as --strategy top does",
        lambda one: (
            find_strategy(one["strategy"]).by_alignment_alone or not one.has("min_alignment")
        ),
    ),
    Need(
        ("refit",),
        "--target: a given profile is never fitted, so not --profile",
        lambda one: not one.has("profile"),
    ),
    Need(
        ("refit",),
        "files as POOL and a place as --output: of a stream, -, no profile is kept",
        lambda one: _has_files(one) and one["output"] != STDIN,
    ),
    _strategy_takes("temperature"),
    _strategy_takes("hard_cutoff"),
    Need(("near_threshold",), "--dedup near", lambda one: one["dedup"] == "near", helps=True),
    Need(
        ("exclude_overlap", "leak_ngram", "leak_overlap"),
        "leaks to be looked for, so not --keep-leaks",
        lambda one: not one.has("keep_leaks"),
    ),
    Need(
        ("contenders",),
        lambda: f"--scorer {scorers_with(is_cascade)}",
        lambda one: one.has("profile") or is_cascade(scorer_class(one["scorer"])),
        helps=True,
    ),
    Need(
        ("auto",), "--target, which it splits, so not --profile", lambda one: not one.has("profile")
    ),
    Need(
        ("seed",),
        lambda: (
            f"something random: --target with {_scorers_that_draw()}, --strategy "
            f"{_strategies(lambda one: 'seed' in one.takes)}, or --eval-target"
        ),
        lambda one: (
            _draws(one)
            or "seed" in find_strategy(one["strategy"]).takes
            or one.has("eval_target", "auto")
        ),
    ),
)

_SCORE = (
    Need(
        ("format",),
        "a directory as --output",
        lambda one: one["output"] not in (None, STDIN),
        helps=True,
    ),
    Need(
        ("add_field",),
        "--output - or --format dolma",
        lambda one: one["output"] == STDIN or (one["format"] == "dolma" and one.has("output")),
        helps=True,
    ),
    Need(("world_size",), "--rank R", lambda one: one["rank"] not in (None, "auto"), helps=True),
    Need(("rank",), "--world-size", lambda one: one["rank"] == "auto" or one.has("world_size")),
    Need(
        ("max_rejects",),
        "all rows, so not --rank: select counts what all ranks refused",
        lambda one: not one.has("rank"),
    ),
    Need(("seed",), lambda: f"--target with {_scorers_that_draw()}", _draws),
)

_EXPLAIN = (
    Need(("top",), "--run", lambda one: one.has("run"), helps=True),
    Need(
        ("text_field", "template", "chat"),
        "--record with --profile or --target: a run knows its own",
        lambda one: one.has("record") and not one.has("run"),
    ),
    Need(
        ("delimiter", "encoding", "no_quotes"),
        "rows to read: --target, or --record with --profile (a run knows its own)",
        lambda one: one.has("target") or (one.has("record") and not one.has("run")),
    ),
)

NEEDS: dict[str, tuple[Need, ...]] = {
    "select": (
        *_FITTING,
        *_SELECT,
        *_STREAM,
        _CHAT,
        _text_of_target("target", "exclude_overlap", "eval_target"),
        _CLUSTER,
    ),
    "score": (*_FITTING, *_SCORE, *_STREAM, _CHAT, _text_of_target("target"), _CLUSTER),
    "fit": (*_FITTING, _CHAT, Need(("seed",), _scorers_that_draw, _draws)),
    "report": (
        Need(
            ("html", "json"),
            "two runs to compare: a second DIR",
            lambda one: len(one["runs"]) == 2,
            helps=True,
        ),
    ),
    "eval": (_CHAT,),
    "peek": (Need(("chat_parts",), "--chat", lambda one: one.has("chat"), helps=True),),
    "explain": (*_EXPLAIN, _CHAT, _text_of_target("target")),
}
