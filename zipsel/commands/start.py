"""What each command does once its options are settings, and the summary that it prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from zipsel.commands.rules import Options, whole_input_option
from zipsel.commands.settings import run_settings, score_output
from zipsel.commands.settings import select_settings as settings_to_select
from zipsel.console.messages import Log
from zipsel.engines import open_engine, runs_in_order
from zipsel.errors import UsageError
from zipsel.pool.formats import STDIN, refuse_stdin_twice
from zipsel.scoring.settings import RunSettings, ScoreOutput
from zipsel.selection.settings import SelectSettings

#: Modules of the functions that workers run, and what these load at their first rows.
WORKER_MODULES = (
    "zipsel.scoring.small_shards",
    "zipsel.selection.fetching",
    "zipsel.readers.jsonl",
    "zstandard",
    "numpy.ma",  # which pyarrow takes for its first array with a mask
)

if TYPE_CHECKING:
    from zipsel.commands.stream import StreamCounts
    from zipsel.report.model import Report


def select(options: Options, log: Log, stdout: IO[bytes], *, command: Sequence[str]) -> int | None:
    """``zipsel select``.

    Standard input is filtered line by line where that gives what files would give; otherwise it
    is kept in the work directory until the run is over.

    Returns:
        Records chosen, now or by the run that the output is up to date with.
    """
    settings, select_settings = run_settings(options), settings_to_select(options)
    force, report_path = options["force"], options["report"]
    refuse_stdin_twice(
        {
            "POOL": settings.pool,
            "--target": settings.target,
            "--exclude-overlap": select_settings.exclude,
            "--eval-target": select_settings.eval_target,
        }
    )
    if settings.pool != (STDIN,):
        return _select_pool(settings, select_settings, log, stdout, command, force, report_path)
    from zipsel.commands.kept_stdin import kept_stdin
    from zipsel.commands.stream import stream

    option = whole_input_option(options)
    if option is None:
        counts = stream(
            settings, log, stdout, select=select_settings, add_field=select_settings.add_field
        )
        _say_passed_on(counts, log)
        return counts.n_chosen
    if select_settings.budget.kind == "min_alignment" and select_settings.output == STDIN:
        log.say(
            "kept",
            f"{option} needs all of standard input: it is kept in {settings.work_dir} and "
            "answered at its end",
        )
    with kept_stdin(settings, log) as kept:
        return _select_pool(kept, select_settings, log, stdout, command, force, report_path)


def _say_passed_on(counts: StreamCounts, log: Log) -> None:
    log.say(
        "done",
        f"{counts.n_chosen:,} of {counts.n_rows:,} rows passed on; left out: "
        f"{counts.n_low:,} below --min-alignment, {counts.n_leaks:,} leaks, "
        f"{counts.n_duplicates:,} copies, {counts.n_rejected:,} refused",
        n_rows=counts.n_rows,
        n_chosen=counts.n_chosen,
        n_leaks=counts.n_leaks,
        n_duplicates=counts.n_duplicates,
        rejects=counts.refusals.rejects,
    )


def _select_pool(
    settings: RunSettings,
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
    show(report, log)
    return report.counts.n_chosen


def show(report: Report, log: Log) -> None:
    """Say what came out of a run, for people or machines."""
    if log.quiet:
        return
    if log.log_format == "json":
        _say_done(report, log)
        return
    from zipsel.console.messages import stderr_console
    from zipsel.report.print_run import print_summary

    print_summary(report, stderr_console())


def _say_done(report: Report, log: Log) -> None:
    """Say what the summary says, for machines."""
    import msgspec

    counts = report.counts
    known = counts.n_shards - counts.n_scored_shards
    message = f"{counts.n_shards:,} shards: {known:,} known, {counts.n_scored_shards:,} scored"
    log.say("shards", message, n_known=known, n_scored=counts.n_scored_shards)
    if counts.n_rejected:
        message = f"{counts.n_rejected:,} rows refused"
        log.say("rejects", message, level="warning", rejects=counts.rejects)
    log.say(
        "done",
        f"{counts.n_chosen:,} of {counts.n_rows:,} rows chosen",
        n_chosen=counts.n_chosen,
        threshold=report.threshold,
        seconds=report.stages,
        counts=msgspec.to_builtins(counts),
    )


def score(options: Options, log: Log, stdout: IO[bytes]) -> None:
    """``zipsel score``."""
    settings, output = run_settings(options), score_output(options)
    refuse_stdin_twice({"POOL": settings.pool, "--target": settings.target})
    if settings.pool == (STDIN,):
        _score_stdin(settings, output, log, stdout)
    else:
        _score_pool(settings, output, log, stdout, options["force"])


def _score_stdin(settings: RunSettings, output: ScoreOutput, log: Log, stdout: IO[bytes]) -> None:
    from zipsel.commands.kept_stdin import kept_stdin
    from zipsel.commands.stream import stream

    if output.share is not None:
        raise UsageError("standard input cannot be shared out; name files for --rank")
    if output.path is None:
        raise UsageError(
            "scores of standard input cannot be found again, so they need a place: --output"
        )
    if output.path == STDIN and runs_in_order(settings.engine):
        counts = stream(settings, log, stdout, add_field=output.add_field)
        log.say(
            "done",
            f"{counts.n_rows:,} rows, {counts.n_rejected:,} refused",
            n_rows=counts.n_rows,
            rejects=counts.refusals.rejects,
        )
        return
    with kept_stdin(settings, log) as kept:
        _score_pool(kept, output, log, stdout, force=False)


def _score_pool(
    settings: RunSettings, output: ScoreOutput, log: Log, stdout: IO[bytes], force: bool
) -> None:
    with open_engine(
        settings.engine, settings.workers, settings.ray_address, WORKER_MODULES
    ) as engine:
        engine.start()
        from zipsel.commands.score import run_score
        from zipsel.scoring.run import Run  # while the workers' server is starting

        run_score(Run(settings, log, (), force, stdout), engine, output)
