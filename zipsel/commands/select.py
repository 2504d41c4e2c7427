"""The composition: readers → scorers → selection → writers → report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from zipsel.console.messages import Log
from zipsel.engines import Engine
from zipsel.evaluation.held_out import HeldOut
from zipsel.evaluation.verdicts import Curve
from zipsel.output.chosen import FILE_NAME as CHOSEN_FILE
from zipsel.output.chosen import chosen_table, write_chosen
from zipsel.output.place import Output
from zipsel.output.subset import SubsetWriter
from zipsel.pool.formats import resolve_format
from zipsel.pool.shards import Shard
from zipsel.readers import schema_errors
from zipsel.report.build import build_report
from zipsel.report.card import FILE_NAME as CARD_FILE
from zipsel.report.card import data_pattern, write_card
from zipsel.report.model import Report
from zipsel.report.runs import iter_report_files, provenance_of
from zipsel.report.shown_records import iter_leaks
from zipsel.scoring.exchange import Store
from zipsel.scoring.fitting import open_profile, profile_key
from zipsel.scoring.inputs import Inputs
from zipsel.scoring.rejects import encode_rejects
from zipsel.scoring.run import Run
from zipsel.scoring.settings import ScoreSettings
from zipsel.scoring.sidecar import SIDECAR_VERSION
from zipsel.selection.passes import Passes, check_choice, guess_bytes
from zipsel.selection.settings import SelectSettings
from zipsel.storage.paths import refuse_unwritable
from zipsel.storage.staging import Staging, staged_files
from zipsel.storage.workdir import WorkDir, digest_of


def run_select(
    run: Run, select: SelectSettings, engine: Engine, report_path: str | None = None
) -> Report | None:
    """``zipsel select``: score what is not scored, choose, write.

    Returns:
        The report; None if the output was up to date.

    Raises:
        ZipselError: As the stages do.
    """
    started = time.perf_counter()
    settings, output, work_dir = run.settings, Output(select.output), WorkDir(run.settings.work_dir)
    refuse_unwritable("--report", report_path)
    with run.stage("find"):
        inputs = Inputs.find(
            run, exclude=select.exclude, held_out=select.eval_target, tokenizer=select.tokenizer
        )
        output.refuse(inputs, run.stdout)
        inputs.refuse_work_dir(work_dir.path)
        if report_path is not None:
            output.refuse_report(report_path)
            inputs.refuse_overwriting("--report", report_path)
            inputs.refuse_found_later("--report", report_path, [report_path])
        shards, missing = inputs.shards, list(inputs.skipped)
        format_name = resolve_format(
            select.output, select.format, {shard.format for shard in shards}
        )
        if format_name == "parquet":
            errors = schema_errors(shards, settings.reading)
            shards = run.leave_out(errors, shards)
            missing.extend(errors)
    # Leaving, workers end before the lock goes and what they left is swept away.
    with work_dir.locked(settings.lock, on_wait=run.say_waiting), engine:
        with run.stage("fit"):
            key, targets = profile_key(settings, shards)
            digest = digest_of(
                {
                    "profile": key,
                    "reading": settings.reading,
                    "bad": settings.on_bad_file,
                    "select": select.digest_fields(),
                    "inputs": inputs.digest_fields(),
                    "version": SIDECAR_VERSION,
                }
            )
            if not run.force and output.is_up_to_date(digest):
                run.log.say("up-to-date", f"{select.output} is up to date (--force redoes it)")
                return None
            _check_writable(output, settings)
            given = inputs.paths("profile", "tokenizer")
            engine.check_paths(work_dir.path, [shard.path for shard in shards], given)
            curves: list[Curve] = []
            held_out = HeldOut.open(settings, select)
            if select.budget.kind == "auto":
                select, curves = _settle_budget(run, select, engine, shards)
            profile_path, profile = open_profile(settings, key, targets, shards, work_dir)
            check_choice(settings, select, profile)
        passes = Passes(run, select, engine, work_dir, shards, missing, profile_path, profile)
        passes.select()
        if held_out is not None:
            with run.stage("evaluate"):
                curves += held_out.measure(
                    passes.selection.in_order("rank"), passes.shards, run.log
                )
        writer = SubsetWriter(
            passes.selection.in_order(select.order),
            format_name,
            select.add_field,
        )
        with staged_files(work_dir.path) as staging:
            with run.stage("write"):
                if output.is_stdout:
                    writer.write_lines(run.stdout, slice(0, len(passes.selection.taken)))
                    run.stdout.flush()
                    files = []
                else:
                    files = output.write_subset(writer, select.shard_bytes, staging, engine)
            run.stages["total"] = time.perf_counter() - started
            report = build_report(
                command=run.command,
                select=select,
                curves=curves,
                profile=profile,
                shards=passes.shards,
                scores=passes.scores,
                ranking=passes.ranking,
                selection=passes.selection,
                share=passes.share,
                screen=passes.screen,
                spec=settings.reading.text,
                group_field=settings.reading.group_field,
                outputs=files,
                stages=run.stages,
                provenance=provenance_of(settings, profile_path),
            )
            if not output.is_stdout:
                _write_side_files(staging, output, passes, report)
            if report_path is not None:
                with staging.open(report_path) as file:
                    file.write(report.to_json())
            if output.is_stdout:
                staging.commit()
            else:
                output.finish(digest, files, staging)
        return report


def _check_writable(output: Output, settings: ScoreSettings) -> None:
    output.check_writable()
    if settings.store is not None:
        Store(settings.store, settings.work_dir).check_writable()


def _write_side_files(staging: Staging, output: Output, passes: Passes, report: Report) -> None:
    """What stands beside the subset but for the manifest."""
    selection, shards = passes.selection, passes.shards
    with staging.open(output.side_file("rejects.jsonl")) as file:
        file.writelines(encode_rejects(passes.scores.parts))
    with staging.open(output.side_file("leaks.jsonl")) as file:
        leaks = iter_leaks(selection, shards, passes.run.settings.reading.text)
        file.writelines(msgspec.json.encode(leak) + b"\n" for leak in leaks)
    for name, content in iter_report_files(report):
        with staging.open(output.side_file(name)) as file:
            file.write(content)
    with staging.open(output.side_file(CHOSEN_FILE)) as file:
        write_chosen(file, chosen_table(selection.chosen, shards, passes.ranking.group_names))
    if not output.is_file:
        path, target = output.side_file(CARD_FILE), passes.profile.target
        if not write_card(staging, path, report, target):
            files = f'data_files: "{data_pattern(report)}"'
            passes.run.log.say("readme", f"{path} is not zipsel's and stays; let it say {files}")


def _settle_budget(
    run: Run, select: SelectSettings, engine: Engine, shards: Sequence[Shard]
) -> tuple[SelectSettings, list[Curve]]:
    """Settings with the budget that ``--auto`` finds, and the curve that it was found on."""
    from zipsel.evaluation.auto_budget import find_budget

    def run_fold(settings: ScoreSettings, fold: SelectSettings) -> None:
        run_select(Run(settings, Log(quiet=True)), replace(fold, eval_target=()), engine)

    found = find_budget(run.settings, select, guess_bytes(shards), run_fold)
    run.log.say("auto", f"--auto settles on {found.budget}", max_bytes=found.budget.value)
    return replace(select, budget=found.budget), [found.curve]
