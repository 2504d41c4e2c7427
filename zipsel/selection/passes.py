"""Both passes: score as much as the budget needs, then choose.

A cascade finishes only contenders. How many follows the budget; should they not suffice (quotas of
groups that rank low, many duplicates), the threshold is lowered, and only the new contenders are
finished.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import msgspec

from zipsel.engines import Engine
from zipsel.errors import BadShards
from zipsel.pool.shards import Shard
from zipsel.readers.target import read_target
from zipsel.scorers import as_cascade
from zipsel.scorers.profile import Profile, ProfileFile
from zipsel.scoring.inputs import Inputs
from zipsel.scoring.plan import PoolScores, score_job, score_shards
from zipsel.scoring.rejects import check_rejects
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.selection.budgets import BYTES_PER_TOKEN, Budget
from zipsel.selection.inspection import Inspection, TokenizerFile
from zipsel.selection.leaks import LeakSources
from zipsel.selection.offers import FIRST_STAGE_BYTES
from zipsel.selection.ranking import Ranking
from zipsel.selection.selection import Selection
from zipsel.selection.selector import Selector
from zipsel.selection.settings import SelectSettings, check_groups, no_groups
from zipsel.selection.strategies import CANDIDATE_FACTOR, find_strategy
from zipsel.storage.workdir import WorkDir

#: Up to this fraction of contenders their lines stay in the sidecar, which then holds some 3 % of
#: the bytes of the pool; beyond it, decompressing again costs less.
_KEPT_FRACTION = 0.1

#: Text of the best rows of JSONL behind URLs that is kept in any case.
_KEPT_BYTES = 1 << 30


def guess_bytes(shards: Sequence[Shard]) -> int:
    """Bytes of text that a pool may hold, before it is read."""
    return sum(shard.guessed_bytes for shard in shards)


@dataclass(frozen=True)
class Choice:
    """What both passes found out.

    Attributes:
        shards: The pool, without files that were left out.
        scores: The pool's sidecar.
        ranking: The pool by alignment.
        selection: What was considered, and what was chosen.
        fraction: Fraction of the pool that contended; None where the scorer is no cascade.
        threshold: The cascade's last threshold, or None.
    """

    shards: list[Shard]
    scores: PoolScores
    ranking: Ranking
    selection: Selection
    fraction: float | None
    threshold: float | None


@dataclass(frozen=True)
class Passes:
    """Both passes of one run."""

    run: Run
    select: SelectSettings
    engine: Engine
    inputs: Inputs
    file: ProfileFile
    profile: Profile

    @property
    def work_dir(self) -> WorkDir:
        """Where sidecars and fetched rows are."""
        return WorkDir(self.run.settings.work_dir)

    def choose(self) -> Choice:
        """Run both passes until the budget is full or everything has been considered.

        A file that turns out to be bad only when rows are fetched from it is left out, if the
        settings allow that, and the choice is made again among the rest.

        Raises:
            BadShards: If files cannot be read and are not to be left out, or no others are left.
        """
        run, select = self.run, self.select
        shards, missing = self.inputs.shards, list(self.inputs.skipped)
        is_cascade = as_cascade(self.profile.scorer) is not None
        fraction = contender_fraction(select, *self._guess_size(shards)) if is_cascade else 1.0
        scores = PoolScores([])
        while True:
            threshold = threshold_for(self.profile, fraction)
            before, scores = scores, self._score(run, shards, fraction, threshold)
            scores.scored |= before.scored
            scores.n_scored_bytes += before.n_scored_bytes
            run = replace(run, force=False)  # a second round need not score again
            scores.bad_shards.extend(missing)
            check_rejects(scores, run.settings)
            check_groups(select, run.settings.reading.group_field, scores.groups)
            needed = contender_fraction(select, scores.n_rows - scores.n_rejected, scores.n_bytes)
            if is_cascade and needed > fraction:
                fraction = needed
                continue
            try:
                ranking, selection = self._select(shards, scores, threshold)
            except BadShards as error:  # in a column that scoring does not read, or changed
                shards = run.leave_out(error.errors, shards)
                missing.extend(error.errors)
                continue
            if selection.full or fraction >= 1 or select.contenders is not None:
                contended = fraction if is_cascade else None
                self._say_ungrouped(scores)
                return Choice(shards, scores, ranking, selection, contended, threshold)
            fraction = min(1.0, 2 * fraction)

    def _say_ungrouped(self, scores: PoolScores) -> None:
        """Say that no row has a group, which the report was to compare."""
        field_name = self.run.settings.reading.group_field
        if field_name is not None and not scores.groups:
            self.run.log.say("no-groups", no_groups(field_name), level="warning")

    def _guess_size(self, shards: Sequence[Shard]) -> tuple[float, float]:
        """Records and bytes of text that the pool may hold."""
        n_bytes = guess_bytes(shards)
        origin = self.profile.origin
        mean = origin["n_sample_bytes"] / max(1, origin["n_sample_records"]) or 1000.0
        return n_bytes / mean, n_bytes

    def _score(
        self, run: Run, shards: Sequence[Shard], fraction: float, threshold: float | None
    ) -> PoolScores:
        job = score_job(run.settings, self.work_dir, self.file, threshold)
        job = replace(
            job, keep_lines=fraction <= _KEPT_FRACTION, keep_best=self._fraction_kept(shards)
        )
        return score_shards(run, self.engine, job, shards)

    def _fraction_kept(self, shards: Sequence[Shard]) -> float:
        """Fraction of the pool, best first, that pass two is likely to fetch; 0 if that is much."""
        n_records, n_bytes = self._guess_size(shards)
        fraction = contender_fraction(self.select, n_records, n_bytes)
        least = _CONTENDERS_PER_CHOSEN * CANDIDATE_FACTOR * FIRST_STAGE_BYTES / max(1.0, n_bytes)
        fraction = min(1.0, max(fraction, least))
        is_little = fraction <= _KEPT_FRACTION or fraction * n_bytes <= _KEPT_BYTES
        return fraction if is_little else 0.0

    def _select(
        self, shards: Sequence[Shard], scores: PoolScores, threshold: float | None
    ) -> tuple[Ranking, Selection]:
        run, select = self.run, self.select
        spool_folder = self.work_dir.spool()
        selector = Selector(
            self.engine,
            shards,
            scores,
            self.profile,
            run.settings,
            select,
            Inspection(
                leaks=leak_sources(run.settings, select, self.file, spool_folder),
                near=select.dedup == "near",
                tokenizer=self._tokenizer(),
                ngrams=self.file if find_strategy(select.strategy).by_gain else None,
            ),
            spool_folder,
            threshold,
            run.log,
        )
        with run.stage("rank"):
            ranked = selector.rank()
        with run.stage("choose"):
            selection = selector.choose(ranked)
        return ranked.ranking, selection

    def _tokenizer(self) -> TokenizerFile | None:
        found = [one for one in self.inputs.files if one.role == "tokenizer"]
        return TokenizerFile(found[0].path, found[0].fingerprint) if found else None


def leak_sources(
    settings: RunSettings, select: SelectSettings, profile: ProfileFile, folder: str
) -> LeakSources | None:
    """What must not leak; None if leaks are kept.

    Raises:
        BadShards: If a benchmark cannot be read.
    """
    if select.keep_leaks:
        return None
    if not select.exclude:
        return LeakSources(profile, None, "", select.leak_rule)
    texts = [
        (pattern, list(read_target([pattern], settings.target_reading).iter_texts()))
        for pattern in select.exclude
    ]
    encoded, path = msgspec.msgpack.encode(texts), os.path.join(folder, "exclude")
    with open(path, "wb") as file:
        file.write(encoded)
    digest = blake2b(encoded, digest_size=16).hexdigest()
    return LeakSources(profile, path, digest, select.leak_rule)


#: Contenders that a cascade finishes, as a multiple of the budget's fraction of the pool, and the
#: least fraction.
_CONTENDERS_PER_CHOSEN = 2

_LEAST_FRACTION = 0.05


def contender_fraction(select: SelectSettings, n_records: float, n_bytes: float) -> float:
    """Fraction of the pool that a cascade should finish.

    Twice the budget's own fraction, in steps that double from a twentieth, so that nearby budgets
    share their scores; all of the pool where the budget is an alignment or the strategy draws from
    all of it. Measured against finishing everything, fractions from 0.03 to 0.2 lose nothing beyond
    noise (at most 0.005 bits per byte of the PPM judge; mean of four targets, 0.4, 1 and 4 MB
    chosen of 55 MB).
    """
    if select.contenders is not None:
        return select.contenders
    budget, strategy = select.budget, find_strategy(select.strategy)
    if budget.kind == "min_alignment" or strategy.needs_whole_pool:
        return 1.0
    chosen = strategy.overselection * _fraction_of_pool(budget, n_records, n_bytes)
    needed = _CONTENDERS_PER_CHOSEN * chosen
    fraction = _LEAST_FRACTION
    while fraction < min(1.0, needed):
        fraction *= 2
    return min(1.0, fraction)


def _fraction_of_pool(budget: Budget, n_records: float, n_bytes: float) -> float:
    whole = {"fraction": 1.0, "top_k": n_records, "max_bytes": n_bytes}.get(
        budget.kind, n_bytes / BYTES_PER_TOKEN
    )
    return budget.value / max(1.0, whole)


def threshold_for(profile: Profile, fraction: float) -> float | None:
    """The cascade's threshold for a fraction of the pool; None to finish every row."""
    cascade = as_cascade(profile.scorer)
    return cascade.threshold_for(fraction) if cascade is not None and fraction < 1 else None
