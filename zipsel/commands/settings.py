"""From the options in force to the settings of a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from zipsel.commands.options import fill
from zipsel.commands.rules import Options
from zipsel.engines.cpus import usable_cpus
from zipsel.readers.reading import Reading, TextSpec
from zipsel.scorers.fit import FitSettings
from zipsel.scoring.ranks import Share, share_of_launcher
from zipsel.scoring.settings import RunSettings, ScoreOutput
from zipsel.selection.budgets import BudgetOptions
from zipsel.selection.settings import LeakRule, SelectSettings
from zipsel.storage.workdir import work_places

if TYPE_CHECKING:
    from zipsel.commands.explain import ExplainSettings
    from zipsel.evaluation.subsets import EvalSettings


def run_settings(options: Options) -> RunSettings:
    """What scoring a pool needs."""
    work_dir = options["work_dir"] if "work_dir" in options.given else None
    place, store = work_places(work_dir, options["output"] or "-")
    fit = fill(FitSettings, options)
    made = {"work_dir": place, "store": store, "workers": workers(options)}
    return fill(RunSettings, options, fit=fit, **readings(options), **made)


def select_settings(options: Options) -> SelectSettings:
    """What choosing and writing needs."""
    budget = fill(BudgetOptions, options).budget
    return fill(SelectSettings, options, budget=budget, leak_rule=fill(LeakRule, options))


def score_output(options: Options) -> ScoreOutput:
    """What ``score`` writes, and which part of the pool it scores."""
    share = None
    if options["rank"] == "auto":
        share = share_of_launcher(os.environ)
    elif options.has("rank"):
        share = Share(options["rank"], options["world_size"])
    return fill(ScoreOutput, options, share=share)


def eval_settings(options: Options) -> EvalSettings:
    """What to compare."""
    from zipsel.evaluation.subsets import EvalSettings

    return fill(EvalSettings, options, workers=workers(options), **readings(options))


def explain_settings(options: Options, *, stdin: bool) -> ExplainSettings:
    """What to explain."""
    from zipsel.commands.explain import ExplainSettings

    return fill(ExplainSettings, options, stdin=stdin, **readings(options))


def workers(options: Options) -> int:
    """How many processes work."""
    return int(options["workers"]) if options.has("workers") else usable_cpus()


def readings(options: Options) -> dict[str, Reading]:
    """``reading`` of the pool and ``target_reading``, which is like it unless options say else."""
    text = _text_spec(options, "")
    reading = fill(Reading, options, text=text or TextSpec(), quotes=not options["no_quotes"])
    of_target = replace(reading, text=_text_spec(options, "target_") or reading.text)
    return {"reading": reading, "target_reading": of_target}


def _text_spec(options: Options, prefix: str) -> TextSpec | None:
    if options.has(f"{prefix}template"):
        template = options[f"{prefix}template"]
        return TextSpec("template", template.replace("\\n", "\n").replace("\\t", "\t"))
    if options.has(f"{prefix}chat"):
        return TextSpec("chat", options["chat_parts"] or "")
    if options.has(f"{prefix}text_field"):
        return TextSpec("field", options[f"{prefix}text_field"])
    return None
