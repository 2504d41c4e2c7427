"""What each command does once its options are settings, and the summary that it prints."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import IO

from zipsel.console.messages import Log
from zipsel.engines import open_engine
from zipsel.errors import UsageError
from zipsel.pool.finding import refuse_stdin_among
from zipsel.pool.formats import STDIN
from zipsel.scoring.settings import ScoreOutput, ScoreSettings
from zipsel.selection.settings import SelectSettings
from zipsel.selection.strategies import find_strategy

#: Modules of the functions that workers run.
WORKER_MODULES = ("zipsel.scoring.task", "zipsel.selection.gather")


def select(
    settings: ScoreSettings,
    select_settings: SelectSettings,
    log: Log,
    stdout: IO[bytes],
    *,
    command: Sequence[str],
    force: bool = False,
    report_path: str | None = None,
) -> int | None:
    """``zipsel select``.

    Standard input is streamed where the budget and the output allow it; otherwise it is kept in
    the work directory until the run is over.

    Returns:
        Records chosen, now or by the run that the output is up to date with.

    Raises:
        ZipselError: As the stages do.
    """
    refuse_stdin_among(settings.pool)
    if settings.pool == (STDIN,):
        _refuse_stdin_twice(settings)
        budget = select_settings.budget
        if report_path is None and _goes_by(select_settings):
            if budget.kind == "min_alignment":
                return _stream(settings, log, stdout, select_settings, min_alignment=budget.value)
            if budget.kind == "top_k" and select_settings.dedup == "exact":
                return _stream(settings, log, stdout, select_settings, best=int(budget.value))
        with _kept_stdin(settings) as kept:
            return _select_pool(kept, select_settings, log, stdout, command, force, report_path)
    return _select_pool(settings, select_settings, log, stdout, command, force, report_path)


def _goes_by(select: SelectSettings) -> bool:
    """Whether rows can be chosen as they come: nothing asked for needs the pool as a whole."""
    asked = (select.exclude, select.quota, select.max_per_group, select.mix)
    in_order = select.order == "rank" or select.budget.kind == "min_alignment"
    return (
        select.output == STDIN
        and select.format in (None, "jsonl")
        and select.dedup != "near"
        and in_order
        and find_strategy(select.strategy).by_alignment_alone
        and asked == ((), (), None, ())
    )


def _select_pool(
    settings: ScoreSettings,
    select_settings: SelectSettings,
    log: Log,
    stdout: IO[bytes],
    command: Sequence[str],
    force: bool,
    report_path: str | None,
) -> int | None:
    with open_engine(
        settings.engine, settings.workers, settings.ray_address, WORKER_MODULES
    ) as engine:
        engine.start()
        from zipsel.commands.select import run_select  # while the workers' server is starting
        from zipsel.scoring.run import Run

        run = Run(settings, log, command, force, stdout)
        report = run_select(run, select_settings, engine, report_path)
    if report is None:  # up to date
        from zipsel.output.place import Output

        manifest = Output(select_settings.output).read_manifest()
        return sum(file.n_records for file in manifest.files) if manifest else None
    if not log.quiet:
        if log.log_format == "json":
            log.say("done", "done", n_chosen=report.counts.n_chosen, threshold=report.threshold)
        else:
            from zipsel.console.messages import stderr_console
            from zipsel.report.print_run import print_summary

            print_summary(report, stderr_console())
    return report.counts.n_chosen


def _stream(
    settings: ScoreSettings,
    log: Log,
    stdout: IO[bytes],
    select_settings: SelectSettings,
    *,
    min_alignment: float | None = None,
    best: int | None = None,
) -> int:
    from zipsel.commands.stream import stream

    counts = stream(
        settings,
        sys.stdin.fileno(),
        stdout,
        min_alignment=min_alignment,
        best=best,
        add_field=select_settings.add_field,
    )
    log.say(
        "done",
        f"{counts.n_chosen:,} of {counts.n_rows:,} rows passed on, {counts.n_rejected:,} refused",
        n_rows=counts.n_rows,
        n_chosen=counts.n_chosen,
        rejects=counts.rejects,
    )
    return counts.n_chosen


def _refuse_stdin_twice(settings: ScoreSettings) -> None:
    from zipsel.scoring.inputs import refuse_stdin_twice  # loads the readers

    refuse_stdin_twice(settings)


@contextmanager
def _kept_stdin(settings: ScoreSettings) -> Iterator[ScoreSettings]:
    """Settings whose pool is a copy of standard input, which goes when the run is over."""
    folder = os.path.join(settings.work_dir, "stdin", str(os.getpid()))
    os.makedirs(folder, exist_ok=True)
    try:
        path = os.path.join(folder, "stdin.jsonl")
        with open(path, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        yield replace(settings, pool=(path,), store=None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def score(
    settings: ScoreSettings,
    output: ScoreOutput,
    log: Log,
    stdout: IO[bytes],
    *,
    force: bool = False,
) -> None:
    """``zipsel score``.

    Raises:
        ZipselError: As the stages do.
    """
    refuse_stdin_among(settings.pool)
    if settings.pool == (STDIN,):
        _refuse_stdin_twice(settings)
        if output.share is not None:
            raise UsageError("standard input cannot be shared out; name files for --rank")
        if output.path == STDIN:
            from zipsel.commands.stream import stream

            counts = stream(settings, sys.stdin.fileno(), stdout, add_field=output.add_field)
            log.say(
                "done",
                f"{counts.n_rows:,} rows, {counts.n_rejected:,} refused",
                n_rows=counts.n_rows,
                rejects=counts.rejects,
            )
            return
        with _kept_stdin(settings) as kept:
            score(kept, output, log, stdout, force=force)
        return
    with open_engine(
        settings.engine, settings.workers, settings.ray_address, WORKER_MODULES
    ) as engine:
        engine.start()
        from zipsel.commands.score import run_score
        from zipsel.scoring.run import Run  # while the workers' server is starting

        run_score(Run(settings, log, (), force, stdout), engine, output)
