"""``zipsel select`` as a function, and the result that it returns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from msgspec.structs import replace

from zipsel.api.scorer import Scorer, to_spec
from zipsel.commands.start import WORKER_MODULES
from zipsel.console.messages import Log
from zipsel.engines import open_engine
from zipsel.engines.cpus import usable_cpus
from zipsel.engines.worker import is_worker_starting
from zipsel.errors import UsageError
from zipsel.readers.rows import Reading, TextSpec
from zipsel.report.model import Report
from zipsel.scorers.fit import FitSettings
from zipsel.scoring.settings import ScoreSettings
from zipsel.selection.budgets import Budget, BudgetKind
from zipsel.selection.settings import SelectSettings
from zipsel.storage.paths import read_bytes
from zipsel.storage.workdir import work_places


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
    files: tuple[str, ...]
    n_rows: int
    n_rejected: int
    n_chosen: int
    n_chosen_bytes: int
    threshold: float | None
    report: Report


def select(
    pool: str | Path | Sequence[str | Path],
    *,
    output: str | Path,
    target: str | Path | Sequence[str | Path] = (),
    profile: Scorer | str | Path | None = None,
    text: str | TextSpec = "text",
    target_text: str | TextSpec | None = None,
    scorer: str = "fused",
    codec: str | None = None,
    level: int | None = None,
    seed: int = 0,
    facets: int | Literal["auto"] = 1,
    group_field: str | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    no_quotes: bool = False,
    work_dir: str | Path | None = None,
    workers: int | None = None,
    engine: str = "local",
    ray_address: str | None = None,
    on_bad_file: Literal["stop", "skip", "salvage"] = "stop",
    max_rejects: str = "1%",
    force: bool = False,
    quiet: bool = True,
    **options: Any,
) -> SelectResult:
    """``zipsel select`` as a function: the same options, the same bytes written.

    A script that calls it with more than one worker needs ``if __name__ == "__main__":`` around
    its own work, as all that starts Python processes does.

    Args:
        pool: Files, directories, globs.
        output: A directory or a file.
        target: Files, directories, globs of examples.
        profile: In place of ``target``: a scorer, or a profile's file.
        text: Where the text of a pool row is.
        target_text: Where the text of a target row is; as ``text`` if not given.
        scorer: As ``--scorer``.
        codec: As ``--codec``.
        level: As ``--level``.
        seed: As ``--seed``.
        facets: As ``--facets``: groups that the target is split into, or ``auto``.
        group_field: As ``--group-field``.
        delimiter: As ``--delimiter``.
        encoding: As ``--encoding``.
        no_quotes: As ``--no-quotes``.
        work_dir: Where scores are kept, also a URL; ``.zipsel`` beside the output if not given.
        workers: Processes; as many as there are usable CPUs if not given.
        engine: As ``--engine``.
        ray_address: As ``--ray-address``.
        on_bad_file: As ``--on-bad-file``.
        max_rejects: As ``--max-rejects``.
        force: As ``--force``.
        quiet: Print no progress on standard error.
        **options: Exactly one budget (``top_k``, ``fraction``, ``min_alignment``, ``max_bytes``,
            ``max_tokens``), and any field of ``SelectSettings``: ``order``, ``add_field``,
            ``format``, ``dedup`` and so on.

    Raises:
        ZipselError: As the command does, with the same messages.
        TypeError: If an option is none.
    """
    from zipsel.commands.select import run_select
    from zipsel.scoring.run import Run

    _refuse_in_import()
    place, store = work_places(None if work_dir is None else str(work_dir), str(output))
    if isinstance(profile, Scorer):
        profile = _keep_profile(profile, place)
    reading = Reading(
        to_spec(text),
        group_field,
        delimiter=delimiter,
        encoding=encoding,
        quotes=not no_quotes,
    )
    settings = ScoreSettings(
        pool=_to_paths(pool),
        target=_to_paths(target),
        profile=None if profile is None else str(profile),
        reading=reading,
        target_reading=replace(
            reading, text=reading.text if target_text is None else to_spec(target_text)
        ),
        fit=FitSettings(
            scorer=scorer,
            codec=codec,
            level=level,
            seed=seed,
            facets=None if facets == "auto" else facets,
        ),
        work_dir=place,
        store=store,
        workers=usable_cpus() if workers is None else workers,
        on_bad_file=on_bad_file,
        max_rejects=max_rejects,
        engine=engine,
        ray_address=ray_address,
    )
    budget = _take_budget(options)
    select_settings = SelectSettings(budget=budget, output=str(output), **options)
    with open_engine(engine, settings.workers, ray_address, WORKER_MODULES) as opened:
        report = run_select(Run(settings, Log(quiet=quiet), force=force), select_settings, opened)
    return _summarize(str(output), report)


def _refuse_in_import() -> None:
    """Raise where a worker, importing the script that started it, would start workers again."""
    if is_worker_starting():
        raise UsageError(
            "zipsel.select was called again while a worker imported your script; "
            "put the call under: if __name__ == '__main__':"
        )


def _to_paths(paths: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    return (str(paths),) if isinstance(paths, str | Path) else tuple(map(str, paths))


def _take_budget(options: dict[str, Any]) -> Budget:
    kinds: tuple[BudgetKind, ...] = get_args(BudgetKind)
    given: list[BudgetKind] = [kind for kind in kinds if options.get(kind) is not None]
    if len(given) != 1:
        raise UsageError(f"give exactly one of {', '.join(kinds)}; found {len(given)}")
    value = options[given[0]]
    for kind in kinds:
        options.pop(kind, None)
    return Budget(given[0], value)


def _keep_profile(scorer: Scorer, work_dir: str) -> str:
    from zipsel.storage.workdir import WorkDir

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
