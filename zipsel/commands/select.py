"""``zipsel select``: score what is not scored yet, choose, write, report."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from zipsel.commands.kept_profile import mark_work_used, must_refit, open_run_profile
from zipsel.commands.made_from import made_from
from zipsel.console.messages import Log
from zipsel.engines import Engine
from zipsel.evaluation.held_out import HeldOut
from zipsel.evaluation.verdicts import Curve
from zipsel.output.changes import list_changes
from zipsel.output.chosen import FILE_NAME as CHOSEN_FILE
from zipsel.output.chosen import write_chosen
from zipsel.output.place import Output
from zipsel.output.subset import SubsetWriter
from zipsel.output.subset_file import OutputFile
from zipsel.pool.formats import resolve_format
from zipsel.readers.shard import schema_errors
from zipsel.report.build import build_report
from zipsel.report.card import FILE_NAME as CARD_FILE
from zipsel.report.card import data_pattern, may_write, render_card
from zipsel.report.model import Report
from zipsel.report.runs import iter_report_files, provenance_of
from zipsel.report.shown_records import iter_leaks
from zipsel.scoring.cleaning import kept_bytes
from zipsel.scoring.exchange import Store
from zipsel.scoring.fitting import profile_key
from zipsel.scoring.inputs import Inputs
from zipsel.scoring.rejects import encode_rejects
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.selection.passes import Choice, Passes, guess_bytes
from zipsel.selection.settings import SelectSettings, check_profile
from zipsel.storage import paths
from zipsel.storage.paths import refuse_no_file
from zipsel.storage.staging import Staging, staged_files, write_atomically
from zipsel.storage.workdir import WorkDir


def run_select(
    run: Run, select: SelectSettings, engine: Engine, report_path: str | None = None
) -> Report | None:
    """``zipsel select``; the report, or None if the output was up to date."""
    started = time.perf_counter()
    settings, output, work_dir = run.settings, Output(select.output), WorkDir(run.settings.work_dir)
    with run.stage("find"):
        inputs = _find_inputs(run, select)
        _refuse_places(run, output, inputs, report_path)
        inputs, format_name = _settle_format(run, select, inputs)
    # On leaving, workers end before the lock goes and the spool is cleared.
    with work_dir.locked(settings.lock, on_wait=run.say_waiting), engine:
        with run.stage("identify"):
            inputs = inputs.identify(run, engine)
        with run.stage("fit"):
            fresh = profile_key(settings, inputs.shards)
            made = made_from(settings, select, inputs, fresh, format_name)
            is_new = must_refit(output, fresh, refit=select.refit)
            if not (run.force or is_new) and output.is_up_to_date(made):
                _say_up_to_date(run, output, report_path)
                return None
            changes = _say_changes(run, output, made, inputs, refit=is_new)
            _check_places(run, output, inputs, engine)
            held_out = HeldOut.open(settings, select)
        select, curves = _settle_budget(run, select, engine, inputs)
        with run.stage("fit"):
            used = open_run_profile(run, output, fresh, inputs.shards, refit=select.refit)
            check_profile(select, settings.fit, used.profile.scorer)
        passes = Passes(run, select, engine, inputs, used.file, used.profile)
        choice = passes.choose()
        if held_out is not None:
            with run.stage("evaluate"):
                in_order = choice.selection.in_order("rank")
                target = used.profile.target
                curves += held_out.measure(in_order, choice.shards, target, run.log)
        with staged_files(work_dir.path) as staging:
            files = _write_subset(run, output, select, choice, format_name, (staging, engine))
            run.stages["total"] = time.perf_counter() - started
            provenance = provenance_of(settings, inputs, used.file.path)
            report = build_report(run, select, used.profile, choice, files, curves, provenance)
            report.changes, report.work_dir_bytes = changes, kept_bytes(work_dir)
            report.profile_use = used.use
            if report_path is not None:
                with staging.open(report_path) as file:
                    file.write(report.to_json())
            if output.is_stdout:
                staging.commit()
            else:
                _write_side_files(run, output, choice, report, staging)
                output.finish(made, files, used.entry, staging, choice.scores.key)
    return report


def _find_inputs(run: Run, select: SelectSettings) -> Inputs:
    return Inputs.find(
        run, exclude=select.exclude, held_out=select.eval_target, tokenizer=select.tokenizer
    )


def _refuse_places(run: Run, output: Output, inputs: Inputs, report_path: str | None) -> None:
    """Raise if anything would be written over an input, or into what the next run reads."""
    output.refuse(inputs, run.stdout)
    inputs.refuse_work_dir(run.settings.work_dir)
    if report_path is not None:
        refuse_no_file("--report", report_path)
        output.refuse_report(report_path)
        inputs.refuse_overwriting("--report", report_path)
        inputs.refuse_found_later("--report", report_path, [report_path])


def _settle_format(run: Run, select: SelectSettings, inputs: Inputs) -> tuple[Inputs, str]:
    """The format of the subset, and the inputs without tables whose columns do not fit in it."""
    formats = {shard.format for shard in inputs.shards}
    format_name = resolve_format(select.output, select.format, formats)
    if format_name == "parquet":
        inputs = inputs.leave_out(schema_errors(inputs.shards, run.settings.reading), run)
    return inputs, format_name


def _say_up_to_date(run: Run, output: Output, report_path: str | None) -> None:
    mark_work_used(output, WorkDir(run.settings.work_dir))
    run.log.say("up-to-date", f"{output.path} is up to date (--force redoes it)")
    if report_path is not None:
        with write_atomically(report_path) as file:
            file.write(paths.read_bytes(output.side_file("report.json")))


def _say_changes(
    run: Run, output: Output, made: Mapping[str, str], inputs: Inputs, *, refit: bool
) -> list[str]:
    """Say why an output is made again; say nothing where there is none."""
    if output.is_stdout or output.read_manifest() is None:
        return []
    changes = list_changes(output, made, inputs.shards)
    if refit:
        changes.append("--refit")
    if not changes:
        changes = ["--force" if run.force else "a file of the output is missing or changed"]
    message = f"{output.path} is made again: {'; '.join(changes)}"
    run.log.say("changed", message, changes=changes)
    return changes


def _check_places(run: Run, output: Output, inputs: Inputs, engine: Engine) -> None:
    """Find out before the work whether every place can be written, and seen by all workers."""
    settings = run.settings
    output.check_writable()
    if settings.store is not None:
        Store(settings.store, settings.work_dir).check_writable()
    pool = [shard.path for shard in inputs.shards]
    engine.check_paths(settings.work_dir, pool, inputs.paths("profile", "tokenizer"))


def _settle_budget(
    run: Run, select: SelectSettings, engine: Engine, inputs: Inputs
) -> tuple[SelectSettings, list[Curve]]:
    """Settings with the budget that ``--auto`` finds, and the curve that it was found on."""
    if select.budget.kind != "auto":
        return select, []
    from zipsel.evaluation.auto_budget import find_budget

    def run_fold(settings: RunSettings, fold: SelectSettings, log: Log) -> None:
        run_select(Run(settings, log, known=run.known), fold, engine)

    pool_bytes = guess_bytes(inputs.shards)
    with run.stage("auto"):
        found = find_budget(run.settings, select, pool_bytes, run_fold, run.log)
    run.log.say("auto", f"--auto: {found.conclusion}", max_bytes=found.budget.value)
    return replace(select, budget=found.budget), [found.curve]


def _write_subset(
    run: Run,
    output: Output,
    select: SelectSettings,
    choice: Choice,
    format_name: str,
    means: tuple[Staging, Engine],
) -> list[OutputFile]:
    """Write the subset's rows to standard output, or into files that have no names yet."""
    selection = choice.selection
    chosen = selection.in_order(select.order)
    n_bytes = int(chosen.n_bytes.sum())
    with run.stage("write"), run.log.progress("writing the subset", n_bytes) as progress:
        writer = SubsetWriter(
            chosen,
            format_name,
            select.add_field,
            lambda rank: selection.name_of(rank, choice.shards),
            progress.advance,
        )
        if not output.is_stdout:
            return output.write_subset(writer, select.shard_bytes, *means)
        writer.write_stream(run.stdout)
        run.stdout.flush()
        return []


def _write_side_files(
    run: Run, output: Output, choice: Choice, report: Report, staging: Staging
) -> None:
    """Write everything that goes beside the subset but for the manifest."""
    with staging.open(output.side_file("rejects.jsonl")) as file:
        file.writelines(encode_rejects(choice.scores.parts))
    with staging.open(output.side_file("leaks.jsonl")) as file:
        leaks = iter_leaks(choice.selection, choice.shards, run.settings.reading.text)
        file.writelines(msgspec.json.encode(leak) + b"\n" for leak in leaks)
    for name, content in iter_report_files(report):
        with staging.open(output.side_file(name)) as file:
            file.write(content)
    selection, group_names = choice.selection, choice.ranking.group_names
    of_each = (selection.text_hashes, selection.gains)
    with staging.open(output.side_file(CHOSEN_FILE)) as file:
        write_chosen(file, selection.chosen, choice.shards, group_names, *of_each)
    if not output.is_file:
        path = output.side_file(CARD_FILE)
        if may_write(path):
            with staging.open(path) as file:
                file.write(render_card(report).encode())
        else:
            files = f'data_files: "{data_pattern(report)}"'
            run.log.say(
                "readme", f"{path} is not zipsel's and stays; let it say {files}", level="warning"
            )
