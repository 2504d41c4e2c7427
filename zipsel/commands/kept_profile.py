"""The profile of a run: that of the last run into the same output, as long as it fits the pool.

A pool sample is drawn from all shards, so a profile that is fitted anew changes with every new
shard, and every score with it. A run therefore keeps the profile of the last run into the same
output while target, options of fitting and versions are the same and the pool has not drifted.

Drift is the mean change of the alignments of the sample's records, in standard deviations of these
alignments, between the profile's sample and one of the pool as it is now. Only the n-gram table
that every profile holds is compared, so that it costs the same for every scorer: 0.3 to 0.5 CPU
seconds. Measured on four targets: 0.07 to 0.09 for another seed, 0.08 to 0.11 for one more shard of
the kind, 0.14 to 0.19 where only another part of the pool is left, 0.44 and more where all records
are of other kinds. Under ``ngram`` itself it is 0.06 to 0.09, 0.08 to 0.11, 0.12 to 0.17, 1.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from zipsel.errors import ProfileError
from zipsel.output.manifest import FittedProfile
from zipsel.output.place import Output
from zipsel.pool.shards import Shard
from zipsel.report.findings import say_profile
from zipsel.report.model import ProfileUse
from zipsel.scorers.profile import Profile, ProfileFile
from zipsel.scorers.target_ngrams import TargetNgrams
from zipsel.scoring.fitting import digest_basis, draw_sample, find_profile, open_profile
from zipsel.scoring.run import Run
from zipsel.storage.paths import read_bytes
from zipsel.storage.workdir import WorkDir, mark_used
from zipsel.texts import TextBatch

#: Between what samples of one pool differ by and what other kinds of records do.
DRIFT_LIMIT = 0.25

_NO_DRIFT = "the records of the pool's sample all have one score, so drift has no measure"


class RunProfile(NamedTuple):
    """The profile of a run.

    Attributes:
        file: Where it is.
        profile: What it holds.
        use: Whether it was kept, for the report; None where no later run can keep it.
        entry: What the manifest says of it; None likewise.
    """

    file: ProfileFile
    profile: Profile
    use: ProfileUse | None = None
    entry: FittedProfile | None = None


#: Key of the profile that a first run would fit, and the targets; None where one is given.
Fresh = tuple[str, Mapping[str, TextBatch] | None]


class _PastUse(msgspec.Struct):
    kept: bool = False
    since: str = ""


class _PastOrigin(msgspec.Struct):
    finished: str = ""


class _PastReport(msgspec.Struct):
    profile_use: _PastUse | None = None
    provenance: _PastOrigin | None = None


def open_run_profile(
    run: Run, output: Output, fresh: Fresh, shards: Sequence[Shard], *, refit: bool
) -> RunProfile:
    """Load the given profile, keep the one of the last run into an output, or fit a new one.

    Says which, and why.
    """
    settings, work_dir = run.settings, WorkDir(run.settings.work_dir)
    key, targets = fresh
    if targets is None or output.is_stdout or work_dir.is_scratch:
        return RunProfile(*open_profile(run, key, targets, shards, work_dir))
    basis = digest_basis(settings, targets)
    use, sample = ProfileUse(limit=DRIFT_LIMIT), None
    manifest = output.read_manifest()
    past = None if manifest is None else manifest.profile
    if past is not None:
        use.since = _fitted_at(output)
        if past.key == key:
            use.kept = True
        else:
            use.reason, last = _find_last(run, past, basis, refit=refit)
            if last is not None:
                sample = draw_sample(run, shards)
                use.drift = measure_drift(last.ngrams, sample)
                use.kept = use.drift is not None and use.drift <= DRIFT_LIMIT
                use.reason = _NO_DRIFT if use.drift is None else ""
                key = past.key if use.kept else key
            if said := say_profile(use):
                run.log.say("profile", said, **msgspec.to_builtins(use))
    file, profile = open_profile(run, key, targets, shards, work_dir, sample)
    return RunProfile(file, profile, use, FittedProfile(key, basis))


def _find_last(
    run: Run, past: FittedProfile, basis: str, *, refit: bool
) -> tuple[str, Profile | None]:
    """The profile of the last run, or why it cannot be kept."""
    work_dir = WorkDir(run.settings.work_dir)
    if past.basis != basis:
        return "the target, its reading, an option of fitting or a version has changed", None
    if refit:
        return "--refit asks for it", None
    try:
        found = find_profile(run.settings, past.key, work_dir)
    except ProfileError as error:
        return f"the last one cannot be used: {error}", None
    return ("", found) if found else (f"the last one is gone: {work_dir.profile(past.key)}", None)


def _fitted_at(output: Output) -> str:
    """When the profile of an output was fitted, as its report says; empty if it does not."""
    try:
        data = read_bytes(output.side_file("report.json"))
        past = msgspec.json.decode(data, type=_PastReport)
    except (OSError, msgspec.MsgspecError):
        return ""
    if past.profile_use is not None and past.profile_use.kept:
        return past.profile_use.since
    return "" if past.provenance is None else past.provenance.finished


def measure_drift(before: TargetNgrams, sample: TextBatch) -> float | None:
    """How far a pool has drifted from the sample that n-grams of a target were counted in.

    Args:
        before: The target's n-grams, counted in the sample of a profile.
        sample: Of the pool as it is now.

    Returns:
        Mean change of the alignments of the sample's records, in their standard deviations; None
        if they change and have none.
    """
    then, now = before.score(sample), before.recount(sample).score(sample)
    if len(sample) == 0 or (then == now).all():
        return 0.0
    deviation = float(now.std())
    return float(abs(now - then).mean()) / deviation if deviation else None


def must_refit(output: Output, fresh: Fresh, *, refit: bool) -> bool:
    """Whether an output is to be made again because its profile was kept and none shall be."""
    manifest = output.read_manifest() if refit else None
    return (
        manifest is not None and manifest.profile is not None and manifest.profile.key != fresh[0]
    )


def mark_work_used(output: Output, work_dir: WorkDir) -> None:
    """Let ``zipsel clean`` see that profile and scores of an output are still in use."""
    manifest = output.read_manifest()
    if manifest is not None and manifest.profile is not None:
        mark_used(work_dir.profile(manifest.profile.key))
    if manifest is not None and manifest.scores:
        mark_used(work_dir.scores(manifest.scores))
