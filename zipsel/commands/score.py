"""``zipsel score``: score shards and write what was asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import IO

from zipsel.console.safe_text import human_bytes
from zipsel.engines import Engine
from zipsel.errors import UsageError
from zipsel.output.scores import refuse_foreign_scores, score_file_names, write_scores
from zipsel.pool.formats import STDIN, is_data_file
from zipsel.pool.shards import Shard
from zipsel.report.print_run import count_shards
from zipsel.scoring.exchange import Store
from zipsel.scoring.fitting import open_profile, profile_key
from zipsel.scoring.identify import identify
from zipsel.scoring.inputs import Inputs
from zipsel.scoring.plan import PoolScores, score_job, score_shards
from zipsel.scoring.ranks import Deal, deal
from zipsel.scoring.rejects import check_rejects
from zipsel.scoring.run import Run
from zipsel.scoring.settings import ScoreOutput
from zipsel.storage.paths import check_writable
from zipsel.storage.remote import is_remote
from zipsel.storage.workdir import WorkDir


def run_score(run: Run, engine: Engine, output: ScoreOutput) -> PoolScores:
    """Score a pool, or a share of it, and write what is asked for.

    A directory gets ``SHARD.scores.parquet`` for each shard, at the shard's place below the
    pool's common directory, one row per input row in input order; and ``rejects.jsonl``. With a
    share other processes may score theirs at the same time; whether too many rows were refused
    is then left to ``select``, which sees all of them. A shard is cut among shares only if no
    file of its own is wanted.

    No profile is kept from one run to the next, unlike by ``select``: scores are for comparing, so
    those of several nights need one profile for ever, which ``--profile`` names, and not one until
    the pool drifts.

    Raises:
        ZipselError: As the stages do.
    """
    settings, work_dir = run.settings, WorkDir(run.settings.work_dir)
    inputs = Inputs.find(run)
    pool = inputs.shards
    inputs.refuse_work_dir(work_dir.path)
    _check_output(output, inputs, run.stdout)
    if settings.store is not None:
        Store(settings.store, settings.work_dir).check_writable()
    if output.path is not None and is_remote(output.path):
        check_writable(os.path.join(output.path, "rejects.jsonl"))
    dealt = None
    if output.share is not None:
        dealt = deal(output.share, pool, may_cut=output.path is None)
        _say_lumps(run, dealt)
    shards = pool if dealt is None else dealt.shards
    with (
        work_dir.locked(settings.lock, shared=dealt is not None, on_wait=run.say_waiting),
        engine,
    ):
        given = inputs.paths("profile")
        engine.check_paths(work_dir.path, [shard.path for shard in shards], given)
        if dealt is None:
            inputs = inputs.identify(run, engine)
            shards = pool = inputs.shards
        else:
            shards = _identify_share(run, engine, dealt)
        key, target = profile_key(settings, pool if dealt is None else _by_mark(pool))
        with work_dir.alone(key):
            file, _ = open_profile(run, key, target, pool, work_dir)
        job = score_job(settings, work_dir, file, None)
        wanted = _want_all if dealt is None else dealt.has
        scores = score_shards(run, engine, job, shards, wanted)
        if dealt is not None:
            scores.parts = [p for p in scores.parts if dealt.has(p.shard, p.summary.index)]
        else:
            scores.bad_shards.extend(inputs.skipped)
            check_rejects(scores, settings)
        with run.stage("write"):
            write_scores(run, output, pool, scores)
    n_shards = len(shards) if dealt is None else len({part.shard.index for part in scores.parts})
    _say_scored(run, scores, n_shards, len(pool))
    return scores


def _say_scored(run: Run, scores: PoolScores, n_shards: int, n_pool: int) -> None:
    of_pool = "" if n_shards == n_pool else f" in {n_shards:,} of {n_pool:,} shards"
    counted = count_shards(n_shards, len(scores.scored), scores.n_scored_bytes, run.stages["score"])
    run.log.say(
        "scored",
        f"{scores.n_rows:,} rows{of_pool}, {scores.n_rejected:,} refused, "
        f"{human_bytes(scores.n_bytes)} of text; shards: {counted}",
        n_rows=scores.n_rows,
        n_rejected=scores.n_rejected,
        n_bytes=scores.n_bytes,
        n_shards=n_shards,
        n_scored_shards=len(scores.scored),
        n_scored_bytes=scores.n_scored_bytes,
    )


def _by_mark(pool: Sequence[Shard]) -> list[Shard]:
    """The pool by what a stat tells: all ranks know this, and none reads all of the pool for it."""
    return [replace(shard, fingerprint=shard.mark) for shard in pool]


def _identify_share(run: Run, engine: Engine, dealt: Deal) -> list[Shard]:
    """A share's shards with their fingerprints.

    Shards that several shares have a part of go by their marks, or each rank would read all of
    them; the next run renames their parts. Machines that share no disk share no marks.
    """
    is_apart = run.settings.store is not None
    cut = [] if is_apart else [one for one in dealt.shards if one.index in dealt.first_chunks]
    whole = [shard for shard in dealt.shards if shard not in cut]
    found, errors = identify(run, engine, whole)
    kept = {shard.path for shard in run.leave_out(errors, found)} if whole else set()
    good = [shard for shard in found if shard.path in kept]  # by their places in the pool
    return sorted([*good, *cut], key=lambda shard: shard.index)


def _want_all(*_: object) -> bool:
    return True


def _check_output(output: ScoreOutput, inputs: Inputs, stdout: IO[bytes]) -> None:
    if output.path == STDIN:
        inputs.refuse_stdout(stdout)
    elif output.path is not None:
        names_file = is_data_file(output.path) and not os.path.isdir(output.path)
        if names_file or os.path.isfile(output.path):
            raise UsageError(
                f"--output {output.path} is a file; score writes a directory, or - for lines"
            )
        inputs.refuse_overwriting("--output", output.path, below=True)
        names = score_file_names(output, inputs.shards).values()
        files = [os.path.join(output.path, name) for name in (*names, "a.parquet")]
        inputs.refuse_found_later("--output", output.path, files)
        refuse_foreign_scores(output, inputs.shards)
    if output.format == "dolma":
        from zipsel.output.dolma import check_shards

        check_shards(inputs.shards)


def _say_lumps(run: Run, dealt: Deal) -> None:
    """Say which shards keep one process longer at work than the others."""
    for shard in dealt.lumps:
        if dealt.share.rank == 0 or shard in dealt.shards:
            run.log.say(
                "uneven",
                f"{shard.path} is more than a fair share and goes to one rank whole: it is "
                "cut only if it is uncompressed and no --output is asked for",
                shard=shard.path,
                level="warning",
            )
