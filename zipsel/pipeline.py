"""The composition: readers → scorers → selection → writers → report."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from zipsel.engines import Engine
from zipsel.errors import BadShards, ShardError
from zipsel.files import staged_files
from zipsel.fitting import fit_profile, open_profile, profile_key, read_target
from zipsel.outputs import Output
from zipsel.profile import Profile
from zipsel.progress import Log
from zipsel.ranking import Ranking
from zipsel.rejects import check_rejects, encode_rejects
from zipsel.report.build import build_report
from zipsel.report.model import Report
from zipsel.scorers.fused import FusedScorer
from zipsel.scores import SIDECAR_VERSION
from zipsel.scoring import PoolScores, score_pool
from zipsel.selecting import Selection, choose, contender_share
from zipsel.selection.choose import Chooser
from zipsel.selection.inspect import Inspection
from zipsel.settings import ScoreSettings, SelectSettings, digest_of
from zipsel.shards import Shard, find_shards
from zipsel.tasks import Job
from zipsel.workdir import WorkDir
from zipsel.writers import SubsetWriter, resolve_format

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
            raise BadShards(errors)
        for error in errors:
            self.log.say("bad-file", f"skipped: {error}", shard=error.shard)
        return shards, errors


def run_fit(run: Run, output: str) -> Profile:
    """``zipsel fit``: fit a profile and write it.

    Raises:
        ZipselError: As the stages do.
    """
    settings = run.settings
    shards, _ = run.find_pool()
    target = read_target(settings.target, settings.target_text, settings.read)
    profile = fit_profile(settings, target, shards)
    profile.save(output)
    run.log.say(
        "fitted",
        f"{output}: {profile.scorer.name} of {len(target):,} target examples "
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
        output.refuse_inputs(shards)
    with work_dir.locked(settings.lock):
        with run.stage("fit"):
            key, target = profile_key(settings, shards)
            digest = digest_of(
                {
                    "profile": key,
                    "text": settings.text,
                    "read": settings.read,
                    "pool": [(shard.path, shard.fingerprint) for shard in shards],
                    "bad": settings.on_bad_file,
                    "select": select.digest_fields(),
                    "version": SIDECAR_VERSION,
                }
            )
            if not run.force and output.is_up_to_date(digest):
                run.log.say("up-to-date", f"{select.output} is up to date (--force redoes it)")
                return None
            output.check_writable()
            profile_path, profile = open_profile(settings, key, target, shards, work_dir)
        stage = _Selecting(run, select, engine, work_dir, shards, missing, profile_path, profile)
        stage.select()
        writer = SubsetWriter(
            stage.selection.in_order(select.order),
            resolve_format(select.output, select.format, {shard.format for shard in shards}),
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
                budget=str(select.budget),
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
            )
            if not output.is_stdout:
                with staging.open(output.side_file("rejects.jsonl")) as file:
                    file.writelines(encode_rejects(stage.scores.parts))
                with staging.open(output.side_file("report.json")) as file:
                    file.write(report.to_json())
            if report_path is not None:
                with staging.open(report_path) as file:
                    file.write(report.to_json())
            if output.is_stdout:
                staging.commit()
            else:
                output.finish(digest, files, staging)
        return report


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
        budget = self.select_settings.budget
        fixed = self.select_settings.contenders
        is_cascade = isinstance(self.profile.scorer, FusedScorer)
        share = fixed if fixed is not None else contender_share(budget, *self._guess_size())
        while True:
            self._score(share if is_cascade else None)
            if is_cascade and fixed is None:
                n_accepted = self.scores.n_rows - self.scores.n_rejected
                needed = contender_share(budget, n_accepted, self.scores.n_bytes)
                if needed > share:
                    share = needed
                    continue
            self._choose()
            if self.selection.full or not is_cascade or fixed is not None or share >= 1:
                return
            share = min(1.0, 2 * share)

    def _guess_size(self) -> tuple[float, float]:
        """Records and bytes of text that the pool may hold."""
        n_bytes = sum(
            shard.n_bytes
            * (1 if shard.seekable and shard.format == "jsonl" else _GUESSED_COMPRESSION)
            for shard in self.shards
        )
        origin = self.profile.origin
        mean = origin["n_sample_bytes"] / max(1, origin["n_sample_records"]) or 1000.0
        return n_bytes / mean, n_bytes

    def _score(self, share: float | None) -> None:
        run, settings = self.run, self.run.settings
        scorer = self.profile.scorer
        self.share = share
        self.screen = None
        if share is not None and share < 1 and isinstance(scorer, FusedScorer):
            self.screen = scorer.screen_for(share)
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
        with run.stage("rank"):
            self.ranking = Ranking(
                self.scores.parts,
                screen=self.screen,
                grouped=run.settings.read.group_field is not None,
            )
        with run.stage("choose"):
            n_accepted = self.scores.n_rows - self.scores.n_rejected
            self.selection = choose(
                self.engine,
                self.shards,
                self.ranking,
                Chooser.for_budget(select.budget, n_accepted, dedup=select.dedup == "exact"),
                run.settings.text,
                run.settings.read,
                Inspection(select.tokenizer if select.budget.kind == "max_tokens" else None),
                self.work_dir.spool(),
            )


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
