"""``zipsel select`` as a function, and the result that it returns."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from zipsel.api.guard import refuse_unguarded
from zipsel.api.result import SelectResult
from zipsel.api.rows import is_rows, keep_rows
from zipsel.api.scorer import Scorer
from zipsel.commands.options import Given, gather, read_file
from zipsel.commands.rules import Options
from zipsel.commands.settings import run_settings, select_settings
from zipsel.commands.start import WORKER_MODULES
from zipsel.console.messages import Log
from zipsel.engines import open_engine
from zipsel.errors import UsageError, ZipselError
from zipsel.pool.formats import STDIN
from zipsel.readers.reading import TextSpec
from zipsel.report.model import Report
from zipsel.scoring.settings import RunSettings
from zipsel.selection.settings import SelectSettings
from zipsel.storage.paths import read_bytes
from zipsel.storage.workdir import WorkDir


def select(
    pool: Any = (),
    *,
    profile: Scorer | str | Path | None = None,
    text: str | TextSpec | None = None,
    target_text: str | TextSpec | None = None,
    exclude: Any = None,
    quiet: bool = True,
    **options: Any,
) -> SelectResult:
    """``zipsel select`` as a function: the same options, the same checks, the same bytes.

    With more than one worker, a script calls it below ``if __name__ == "__main__":``.

    Args:
        pool: Files, directories, globs; or rows: mappings, an Arrow table or stream, a data set of
            Hugging Face ``datasets``, a generator of mappings. ``target``, ``exclude`` and
            ``eval_target`` take rows likewise.
        profile: In place of ``target``: a scorer, or a profile's file.
        text: Where the text of a pool row is, if not by ``text_field``, ``template`` or ``chat``:
            a column, or a ``TextSpec``.
        target_text: Where the text of a target row is; as of the pool if not given.
        exclude: Benchmarks whose items must not leak into the subset: ``exclude_overlap`` for
            short.
        quiet: Print no progress on standard error.
        **options: Every option of ``zipsel select`` under its own name, with ``_`` for ``-``:
            ``target``, ``output``, exactly one budget such as ``top_k``, ``workers`` and so on.

    Raises:
        ZipselError: As the command does, with the same messages.
    """
    from zipsel.commands.select import run_select
    from zipsel.scoring.run import Run

    given = {"pool": pool, "quiet": quiet, **options}
    if exclude is not None:
        if given.get("exclude_overlap") is not None:
            raise UsageError("give exclude= or exclude_overlap=, not both")
        given["exclude_overlap"] = exclude
    for prefix, spec in (("", text), ("target_", target_text)):
        given |= _text_options(spec, prefix, given)
    is_scorer = isinstance(profile, Scorer)
    rows = {name: given[name] for name in _OF_FILES if is_rows(name, given.get(name))}
    named = dict.fromkeys(rows, _IN_MEMORY)  # no file is looked for until the options are checked
    chosen = _choose({**given, **named, "profile": "a scorer" if is_scorer else profile})
    settings, wanted = _with_rows(run_settings(chosen), select_settings(chosen), rows)
    if settings.workers > 1 and settings.engine == "local":
        refuse_unguarded()
    if isinstance(profile, Scorer):
        settings = replace(settings, profile=_keep_profile(profile, settings.work_dir))
    with open_engine(
        settings.engine, settings.workers, settings.ray_address, WORKER_MODULES
    ) as engine:
        run = Run(settings, Log(chosen["quiet"], chosen["log_format"]), force=chosen["force"])
        report = run_select(run, wanted, engine, chosen["report"])
    result = _summarize(wanted.output, report)
    if chosen["fail_if_empty"] and not result.n_chosen:
        raise ZipselError("the subset is empty (--fail-if-empty)")
    return result


#: Arguments that name files, or hold rows.
_OF_FILES = ("pool", "target", "exclude_overlap", "eval_target")

_IN_MEMORY = "rows in memory"


def _with_rows(
    settings: RunSettings, wanted: SelectSettings, rows: Mapping[str, Any]
) -> tuple[RunSettings, SelectSettings]:
    """Settings that name files of the rows that were given."""
    kept = {name: (keep_rows(name, one, settings.work_dir),) for name, one in rows.items()}
    for name, paths in kept.items():
        if name in ("pool", "target"):
            settings = replace(settings, **{name: paths})
        else:
            wanted = replace(wanted, **{name.removesuffix("_overlap"): paths})
    return settings, wanted


def _choose(given: dict[str, Any]) -> Options:
    levels = [{name: Given(value) for name, value in given.items()}]
    if given.get("config") is not None:
        levels.append(dict(read_file(given["config"])))
    options = gather("select", levels)
    for name in ("pool", "output"):
        if options[name] in (STDIN, (STDIN,)):
            raise UsageError(f"--{name} - is a stream of the command line; name files here")
    return options


def _text_options(
    spec: str | TextSpec | None, prefix: str, given: dict[str, Any]
) -> dict[str, Any]:
    """The option that a text's place stands for."""
    name = f"{prefix}text"
    if spec is None:
        return {}
    kind, value = (spec.kind, spec.value) if isinstance(spec, TextSpec) else ("field", spec)
    option = f"{prefix}{'text_field' if kind == 'field' else kind}"
    if given.get(option) is not None:
        raise UsageError(f"give {name}= or {option}=, not both")
    return {option: True if kind == "chat" else value}


def _keep_profile(scorer: Scorer, work_dir: str) -> str:
    path = WorkDir(work_dir).profile(scorer.digest)
    if not os.path.exists(path):
        scorer.save(path)
    return path


def _summarize(output: str, report: Report | None) -> SelectResult:
    """The result of a run; of the run that made the output where this one had nothing to do."""
    from zipsel.output.place import Output

    place = Output(output)
    if report is None:
        report = msgspec.json.decode(read_bytes(place.side_file("report.json")), type=Report)
    counts = report.counts
    names = [str(entry["name"]) for entry in report.outputs]
    return SelectResult(
        output=output,
        files=tuple(os.path.join(place.subset_directory, name) for name in names),
        n_rows=counts.n_rows,
        n_rejected=counts.n_rejected,
        n_chosen=counts.n_chosen,
        n_chosen_bytes=counts.n_chosen_bytes,
        threshold=report.threshold,
        report=report,
    )
