"""The composition: readers → scorers → selection → writers → report."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import IO

import msgspec

from zipsel.engines import Engine
from zipsel.errors import BadShards, ShardError
from zipsel.files import staged_files
from zipsel.fitting import (
    fit_profile,
    input_paths,
    open_profile,
    profile_key,
    read_targets,
    save_excluded,
)
from zipsel.formats import resolve_format
from zipsel.outputs import Output, refuse_overwriting
from zipsel.profile import Profile
from zipsel.progress import Log
from zipsel.ranking import Ranking
from zipsel.readers.check import find_damage
from zipsel.readers.parquet import schema_errors
from zipsel.rejects import check_rejects, encode_rejects
from zipsel.report.build import build_report
from zipsel.report.chosen import FILE_NAME as CHOSEN_FILE
from zipsel.report.chosen import chosen_table, write_chosen
from zipsel.report.figures import Curve
from zipsel.report.files import iter_report_files, provenance_of
from zipsel.report.model import Report
from zipsel.report.removals import iter_leaks
from zipsel.scorers.faceted import Cascade
from zipsel.scores import SIDECAR_VERSION
from zipsel.scoring import PoolScores, score_pool
from zipsel.selecting import Selection, Selector, contender_share, screen_of
from zipsel.selection.inspect import Inspection
from zipsel.selection.leaks import LeakSources
from zipsel.settings import ScoreSettings, SelectSettings, digest_of
from zipsel.shards import Shard, find_shards
from zipsel.tasks import Job
from zipsel.workdir import WorkDir
from zipsel.writers import SubsetWriter

#: Bytes of text in a byte of a compressed shard, to guess a pool's size before reading it.
_GUESSED_COMPRESSION = 4


@dataclass
class Run:
    """What all stages of a command share.

    Attributes:
        settings: What was asked for.
        log: Where people and machines read how it goes.
        command: The command line, for the report.
        force: Do again what is done.
        stdout: Where data for standard output go.
        stages: Stage → wall seconds.
    """

    settings: ScoreSettings
    log: Log
    command: Sequence[str] = ()
    force: bool = False
    stdout: IO[bytes] = field(default_factory=lambda: sys.stdout.buffer)
    stages: dict[str, float] = field(default_factory=dict)

    def say_waiting(self, message: str) -> None:
        """Say that another run is waited for."""
        self.log.say("waiting", message)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        started = time.perf_counter()
        yield
        self.stages[name] = self.stages.get(name, 0.0) + time.perf_counter() - started

    def find_pool(self) -> tuple[list[Shard], list[ShardError]]:
        """Find the shards, and the bad files if those are to be skipped.

        Raises:
            BadShards: If there are bad files and they are not to be skipped.
        """
        shards, errors = find_shards(self.settings.pool)
        if errors and self.settings.on_bad_file == "stop":
            errors += find_damage(shards, self.settings.text, self.settings.read)
        return self.leave_out(errors, shards), errors

    def leave_out(self, errors: Sequence[ShardError], shards: list[Shard]) -> list[Shard]:
        """The shards without the bad ones.

        Raises:
            BadShards: If there are bad ones and they are not to be skipped, or no others.
        """
        bad = {error.shard for error in errors}
        good = [shard for shard in shards if shard.path not in bad]
        if errors and (self.settings.on_bad_file == "stop" or not good):
            raise BadShards(errors)
        for error in errors:
            self.log.say("bad-file", f"skipped: {error}", shard=error.shard)
        return [replace(shard, index=i) for i, shard in enumerate(good)]


def run_fit(run: Run, output: str) -> Profile:
    """``zipsel fit``: fit a profile and write it.

    Raises:
        ZipselError: As the stages do.
    """
    settings = run.settings
    shards, _ = run.find_pool()
    refuse_overwriting("--output", output, input_paths(settings, shards))
    targets = read_targets(settings)
    profile = fit_profile(settings, targets, shards)
    profile.save(output)
    run.log.say(
        "fitted",
        f"{output}: {profile.scorer.name} of {len(profile.target):,} target examples "
        f"and {profile.origin['n_sample_records']:,} pool records",
        profile=output,
        digest=profile.digest,
    )
    return profile


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
    with run.stage("find"):
        shards, missing = run.find_pool()
        inputs = input_paths(settings, shards)
        output.refuse_inputs(inputs)
        if report_path is not None:
            refuse_overwriting("--report", report_path, inputs)
        format_name = resolve_format(
            select.output, select.format, {shard.format for shard in shards}
        )
        if format_name == "parquet":
            errors = schema_errors(shards)
            shards = run.leave_out(errors, shards)
            missing.extend(errors)
    # Leaving, workers end before the lock goes and what they left is swept away.
    with work_dir.locked(settings.lock, on_wait=run.say_waiting), engine:
        with run.stage("fit"):
            key, targets = profile_key(settings, shards)
            digest = digest_of(
                {
                    "profile": key,
                    "text": settings.text,
                    "read": settings.read,
                    "pool": [(shard.path, shard.fingerprint) for shard in shards],
                    "bad": settings.on_bad_file,
                    "select": select.digest_fields(),
                    "exclude": [one.fingerprint for one in find_shards(select.exclude)[0]],
                    "version": SIDECAR_VERSION,
                }
            )
            if not run.force and output.is_up_to_date(digest):
                run.log.say("up-to-date", f"{select.output} is up to date (--force redoes it)")
                return None
            output.check_writable()
            engine.check_paths(work_dir.path, [shard.path for shard in shards])
            curves: list[Curve] = []
            if select.budget.kind == "auto":
                select, curves = _settle_budget(run, select, engine, shards)
            profile_path, profile = open_profile(settings, key, targets, shards, work_dir)
        stage = _Selecting(run, select, engine, work_dir, shards, missing, profile_path, profile)
        stage.select()
        writer = SubsetWriter(
            stage.selection.in_order(select.order),
            format_name,
            select.add_field,
        )
        with staged_files() as staging:
            with run.stage("write"):
                if output.is_stdout:
                    writer.write_lines(run.stdout, slice(0, len(stage.selection.taken)))
                    run.stdout.flush()
                    files = []
                else:
                    files = output.write_subset(writer, select.shard_bytes, staging)
            run.stages["total"] = time.perf_counter() - started
            report = build_report(
                command=run.command,
                select=select,
                curves=curves,
                profile=profile,
                shards=shards,
                scores=stage.scores,
                ranking=stage.ranking,
                selection=stage.selection,
                share=stage.share,
                screen=stage.screen,
                spec=settings.text,
                group_field=settings.read.group_field,
                outputs=files,
                stages=run.stages,
                provenance=provenance_of(settings, profile_path),
            )
            if not output.is_stdout:
                with staging.open(output.side_file("rejects.jsonl")) as file:
                    file.writelines(encode_rejects(stage.scores.parts))
                with staging.open(output.side_file("leaks.jsonl")) as file:
                    leaks = iter_leaks(stage.selection, shards, settings.text)
                    file.writelines(msgspec.json.encode(leak) + b"\n" for leak in leaks)
                for name, content in iter_report_files(report):
                    with staging.open(output.side_file(name)) as file:
                        file.write(content)
                with staging.open(output.side_file(CHOSEN_FILE)) as file:
                    chosen, names = stage.selection.chosen, stage.ranking.group_names
                    write_chosen(file, chosen_table(chosen, shards, names))
            if report_path is not None:
                with staging.open(report_path) as file:
                    file.write(report.to_json())
            if output.is_stdout:
                staging.commit()
            else:
                output.finish(digest, files, staging)
        return report


def _settle_budget(
    run: Run, select: SelectSettings, engine: Engine, shards: Sequence[Shard]
) -> tuple[SelectSettings, list[Curve]]:
    """Settings with the budget that ``--auto`` finds, and the curve that it was found on."""
    from zipsel.auto import find_budget

    def run_fold(settings: ScoreSettings, fold: SelectSettings) -> None:
        run_select(Run(settings, Log(quiet=True)), fold, engine)

    found = find_budget(run.settings, select, guess_bytes(shards), run_fold)
    run.log.say("auto", f"--auto settles on {found.budget}", max_bytes=found.budget.value)
    return replace(select, budget=found.budget), [found.curve]


def guess_bytes(shards: Sequence[Shard]) -> int:
    """Bytes of text that a pool may hold, before it is read."""
    return sum(
        shard.n_bytes * (1 if shard.seekable and shard.format == "jsonl" else _GUESSED_COMPRESSION)
        for shard in shards
    )


@dataclass
class _Selecting:
    """Pass one and two, again with a lower screen while a cascade's contenders do not suffice."""

    run: Run
    select_settings: SelectSettings
    engine: Engine
    work_dir: WorkDir
    shards: list[Shard]
    missing: list[ShardError]
    profile_path: str
    profile: Profile
    share: float | None = None
    screen: float | None = None
    scores: PoolScores = field(init=False)
    ranking: Ranking = field(init=False)
    selection: Selection = field(init=False)

    def select(self) -> None:
        """Run both passes until the budget is full or everything has been considered."""
        select = self.select_settings
        is_cascade = isinstance(self.profile.scorer, Cascade)
        share = contender_share(select, *self._guess_size()) if is_cascade else 1.0
        while True:
            self._score(share)
            if is_cascade:
                n_accepted = self.scores.n_rows - self.scores.n_rejected
                needed = contender_share(select, n_accepted, self.scores.n_bytes)
                if needed > share:
                    share = needed
                    continue
            self._choose()
            if self.selection.full or share >= 1 or select.contenders is not None:
                self.share = share if is_cascade else None
                return
            share = min(1.0, 2 * share)

    def _guess_size(self) -> tuple[float, float]:
        """Records and bytes of text that the pool may hold."""
        n_bytes = guess_bytes(self.shards)
        origin = self.profile.origin
        mean = origin["n_sample_bytes"] / max(1, origin["n_sample_records"]) or 1000.0
        return n_bytes / mean, n_bytes

    def _score(self, share: float) -> None:
        run, settings = self.run, self.run.settings
        self.screen = screen_of(self.profile, share)
        job = score_job(settings, self.work_dir, self.profile_path, self.profile, self.screen)
        stored_bytes = sum(shard.n_bytes for shard in self.shards)
        with run.stage("score"), run.log.progress("scoring", stored_bytes) as progress:
            self.scores = score_pool(
                self.engine,
                job,
                self.shards,
                skip_bad=settings.on_bad_file != "stop",
                force=run.force,
                advance=progress.advance,
            )
        self.run.force = False  # a second round of this run need not score again
        self.scores.bad_shards.extend(self.missing)
        check_rejects(self.scores, settings)

    def _choose(self) -> None:
        run, select = self.run, self.select_settings
        spool_folder = self.work_dir.spool()
        selector = Selector(
            self.engine,
            self.shards,
            self.scores,
            self.profile,
            run.settings,
            select,
            Inspection(
                leaks=self._leak_sources(spool_folder),
                near=select.dedup == "near",
                tokenizer_path=select.tokenizer,
            ),
            spool_folder,
            self.screen,
        )
        with run.stage("rank"):
            selector.rank()
        with run.stage("choose"):
            self.selection = selector.choose()
        self.ranking = selector.ranking

    def _leak_sources(self, folder: str) -> LeakSources | None:
        select = self.select_settings
        if select.keep_leaks:
            return None
        exclude_path = None
        if select.exclude:
            exclude_path = os.path.join(folder, "exclude")
            save_excluded(exclude_path, select.exclude, self.run.settings)
        return LeakSources(self.profile_path, exclude_path, select.leak_rule)


def score_job(
    settings: ScoreSettings,
    work_dir: WorkDir,
    profile_path: str,
    profile: Profile,
    screen: float | None,
) -> Job:
    """The settings of scoring tasks, with the folder that they key."""
    key = digest_of(
        {
            "version": SIDECAR_VERSION,
            "profile": profile.digest,
            "text": settings.text,
            "read": settings.read,
            "salvage": settings.on_bad_file == "salvage",
        }
    )
    return Job(
        profile_path,
        settings.text,
        settings.read,
        work_dir.scores(key),
        screen,
        settings.on_bad_file == "salvage",
    )
