"""``zipsel select`` as a function, and the result that it returns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from zipsel.api.scorer import Scorer
from zipsel.commands.options import Given, gather, read_file
from zipsel.commands.rules import Options
from zipsel.commands.settings import run_settings, select_settings
from zipsel.commands.start import WORKER_MODULES
from zipsel.console.messages import Log
from zipsel.engines import open_engine
from zipsel.engines.worker import is_worker_starting
from zipsel.errors import UsageError, ZipselError
from zipsel.pool.formats import STDIN
from zipsel.readers.rows import TextSpec
from zipsel.report.model import Report
from zipsel.storage.paths import read_bytes
from zipsel.storage.workdir import WorkDir


@dataclass(frozen=True)
class SelectResult:
    """What ``select`` did.

    Attributes:
        output: The directory or file.
        files: The subset's files, in order.
        n_rows: Rows of the pool, refused ones among them.
        n_rejected: Refused rows.
        n_chosen: Rows of the subset.
        n_chosen_bytes: Bytes of their texts.
        threshold: Alignment of the last chosen row; None if none was chosen.
        report: Everything else, as in ``report.json``.
    """

    output: str
    files: tuple[str, ...] = field(repr=False)
    n_rows: int
    n_rejected: int
    n_chosen: int
    n_chosen_bytes: int
    threshold: float | None
    report: Report = field(repr=False)


def select(
    pool: str | Path | Sequence[str | Path] = (),
    *,
    profile: Scorer | str | Path | None = None,
    text: str | TextSpec | None = None,
    target_text: str | TextSpec | None = None,
    exclude: str | Path | Sequence[str | Path] | None = None,
    quiet: bool = True,
    **options: Any,
) -> SelectResult:
    """``zipsel select`` as a function: the same options, the same checks, the same bytes.

    A script that calls it with more than one worker needs ``if __name__ == "__main__":`` around
    its own work, as all that starts Python processes does.

    Args:
        pool: Files, directories, globs.
        profile: In place of ``target``: a scorer, or a profile's file.
        text: Where the text of a pool row is, if not by ``text_field``, ``template`` or ``chat``:
            a column, or a ``TextSpec``.
        target_text: Where the text of a target row is; as of the pool if not given.
        exclude: Benchmarks whose items must not leak into the subset: ``exclude_overlap`` for
            short.
        quiet: Print no progress on standard error.
        **options: Every option of ``zipsel select`` under its own name, with ``_`` for ``-``:
            ``target``, ``output``, exactly one budget (``top_k``, ``fraction``,
            ``min_alignment``, ``max_bytes``, ``max_tokens``, ``auto``), ``scorer``, ``workers``
            and so on; ``config`` names a TOML file with more of them.

    Raises:
        ZipselError: As the command does, with the same messages.
    """
    from zipsel.commands.select import run_select
    from zipsel.scoring.run import Run

    _refuse_in_import()
    given = {"pool": pool, "quiet": quiet, **options}
    if exclude is not None:
        if given.get("exclude_overlap") is not None:
            raise UsageError("give exclude= or exclude_overlap=, not both")
        given["exclude_overlap"] = exclude
    for prefix, spec in (("", text), ("target_", target_text)):
        given |= _text_options(spec, prefix, given)
    is_scorer = isinstance(profile, Scorer)
    chosen = _choose({**given, "profile": "a scorer" if is_scorer else profile})
    settings, wanted = run_settings(chosen), select_settings(chosen)
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


def _refuse_in_import() -> None:
    """Raise where a worker, importing the script that started it, would start workers again."""
    if is_worker_starting():
        raise UsageError(
            "zipsel.select was called again while a worker imported your script; "
            "put the call under: if __name__ == '__main__':"
        )


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
