"""Both passes: score as much as the budget needs, then choose.

A cascade finishes only contenders. How many follows the budget; should they not suffice (quotas of
groups that rank low, many duplicates), the screen is lowered, and only the new contenders are
finished.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from zipsel.cascade import contender_share, screen_of
from zipsel.engines import Engine
from zipsel.errors import BadShards, ShardError
from zipsel.profile import Profile
from zipsel.ranking import Ranking
from zipsel.rejects import check_rejects
from zipsel.run import Run
from zipsel.scorers.faceted import Cascade
from zipsel.scores import SIDECAR_VERSION, PartSummary
from zipsel.scoring import PoolScores, score_pool
from zipsel.selecting import Selection, Selector
from zipsel.selection.inspect import Inspection
from zipsel.selection.leaks import LeakSources
from zipsel.settings import ScoreSettings, SelectSettings, digest_of
from zipsel.shards import Shard
from zipsel.stores import Store, score_and_keep
from zipsel.targets import save_excluded
from zipsel.tasks import Job, ScoreTask, score_chunks
from zipsel.workdir import WorkDir

#: Bytes of text in a byte of a compressed shard, to guess a pool's size before reading it.
_GUESSED_COMPRESSION = 4

#: Up to this share of contenders their lines stay in the sidecar, which then holds some 3 % of the
#: bytes of the pool; beyond it, decompressing again costs less.
_KEPT_SHARE = 0.1


def guess_bytes(shards: Sequence[Shard]) -> int:
    """Bytes of text that a pool may hold, before it is read."""
    return sum(
        shard.n_bytes * (_GUESSED_COMPRESSION if _is_packed(shard) else 1) for shard in shards
    )


def _is_packed(shard: Shard) -> bool:
    return bool(shard.compression) or shard.format == "parquet"


@dataclass
class Passes:
    """Both passes of one run.

    Attributes:
        run: Settings, log and clock.
        select_settings: What is chosen.
        engine: Where tasks run.
        work_dir: Where sidecars and rows under way are.
        shards: The pool, without files that were left out.
        missing: Files that were left out before the passes or while rows were fetched.
        profile_path: The profile's file.
        profile: The profile.
        share: Share of the pool that was finished; None where there is no cascade.
        screen: The cascade's last threshold, or None.
        scores: The pool's sidecar.
        ranking: By alignment.
        selection: What was chosen.
    """

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
        """Run both passes until the budget is full or everything has been considered.

        A file that turns out to be bad only when rows are fetched from it is left out, if that is
        what was asked for, and the choice is made again among the rest.

        Raises:
            BadShards: If files cannot be read and are not to be left out, or no others are left.
        """
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
            if not self._choose():
                continue
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
        job = replace(job, keep_lines=share <= _KEPT_SHARE)
        self.scores = score_shards(run, self.engine, job, self.shards)
        self.run.force = False  # a second round of this run need not score again
        self.scores.bad_shards.extend(self.missing)
        check_rejects(self.scores, settings)

    def _choose(self) -> bool:
        """Choose; False if files turned out to be bad and are now left out: choose again."""
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
            try:
                self.selection = selector.choose()
            except BadShards as error:  # in a column that scoring does not read, or changed
                self.shards = run.leave_out(error.errors, self.shards)
                self.missing.extend(error.errors)
                return False
        self.ranking = selector.ranking
        return True

    def _leak_sources(self, folder: str) -> LeakSources | None:
        select = self.select_settings
        if select.keep_leaks:
            return None
        exclude_path = None
        if select.exclude:
            exclude_path = os.path.join(folder, "exclude")
            save_excluded(exclude_path, select.exclude, self.run.settings)
        return LeakSources(self.profile_path, exclude_path, select.leak_rule)


def score_shards(
    run: Run,
    engine: Engine,
    job: Job,
    shards: Sequence[Shard],
    wanted: Callable[[ScoreTask], bool] = lambda _: True,
) -> PoolScores:
    """Score shards as a stage of a run, with its progress.

    Raises:
        BadShards: As ``score_pool``.
    """
    settings, stored_bytes = run.settings, sum(shard.n_bytes for shard in shards)
    with run.stage("score"), run.log.progress("scoring", stored_bytes) as progress:
        return score_pool(
            engine,
            job,
            shards,
            skip_bad=settings.on_bad_file != "stop",
            force=run.force,
            advance=progress.advance,
            score=_scoring_of(settings, job, shards),
            wanted=wanted,
        )


def _scoring_of(
    settings: ScoreSettings, job: Job, shards: Sequence[Shard]
) -> Callable[[ScoreTask], list[PartSummary]]:
    """What is done with each task; what other machines have scored is brought here first."""
    if settings.store is None:
        return score_chunks
    store = Store(settings.store, settings.work_dir)
    store.exchange(job.folder, shards)
    return partial(score_and_keep, store)


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
