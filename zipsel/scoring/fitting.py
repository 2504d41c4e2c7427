"""From target files and a pool to a fitted profile."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from msgspec.structs import replace

from zipsel.engines.threads import do_both
from zipsel.pool.shards import Shard
from zipsel.scorers import package_version
from zipsel.scorers.fit import fit_scorer
from zipsel.scorers.profile import Profile, ProfileFile
from zipsel.scorers.target_ngrams import TargetNgrams
from zipsel.scoring.exchange import Store
from zipsel.scoring.pool_sample import sample_pool
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.scoring.targets import read_targets
from zipsel.storage.remote import is_remote
from zipsel.storage.workdir import WorkDir, digest_of, mark_used
from zipsel.texts import TextBatch, join_batches

#: Raise it when the same target and pool no longer give the same profile.
FIT_VERSION = 6


def fit_profile(run: Run, targets: Mapping[str, TextBatch], shards: Sequence[Shard]) -> Profile:
    """Draw a pool sample and fit a profile.

    Shards that cannot be read are left out of the sample: pass one names them all at once.
    """
    return make_profile(run.settings, targets, draw_sample(run, shards))


def draw_sample(run: Run, shards: Sequence[Shard]) -> TextBatch:
    """The pool sample of a run, without shards that cannot be read."""
    fit = run.settings.fit
    n_bytes = min(fit.sample_bytes, sum(shard.guessed_bytes for shard in shards))
    with run.log.progress("drawing the pool's sample", n_bytes) as progress:
        return sample_pool(
            shards,
            run.settings.reading,
            sample_bytes=fit.sample_bytes,
            seed=fit.seed,
            on_error=lambda _: None,
            advance=progress.advance,
        )


def make_profile(
    settings: RunSettings, targets: Mapping[str, TextBatch], sample: TextBatch
) -> Profile:
    """Fit a profile on a sample."""
    fit = settings.fit
    origin = {
        "target": list(settings.target),
        "scorer": fit.scorer_for(len(targets)),
        "codec": fit.codec,
        "level": fit.level,
        "seed": fit.seed,
        "n_sample_records": len(sample),
        "n_sample_bytes": int(sample.offsets[-1]),
    }
    target = join_batches(list(targets.values()))
    scorer, ngrams = do_both(
        lambda: fit_scorer(fit, targets, sample), lambda: TargetNgrams.fit(target, sample)
    )
    return Profile(scorer, target, origin, ngrams)


def profile_key(
    settings: RunSettings, shards: Sequence[Shard]
) -> tuple[str, dict[str, TextBatch] | None]:
    """Name the profile of a run by what it comes from, and return the target if it was read.

    Raises:
        BadShards: If the target cannot be read.
        ProfileError: If the given profile cannot be used.
    """
    if settings.profile is not None:
        profile = Profile.load(settings.profile)
        package = package_version(profile.scorer.name)
        return digest_of({"profile": profile.digest, "package": package}), None
    targets = read_targets(settings)
    pool = [shard.fingerprint for shard in shards]
    return digest_of({"basis": digest_basis(settings, targets), "pool": pool}), targets


def digest_basis(settings: RunSettings, targets: Mapping[str, TextBatch]) -> str:
    """Digest of everything but the pool that a profile is fitted by: target, options, versions."""
    return digest_of(
        {
            "version": FIT_VERSION,
            "target": digest_targets(targets),
            "reading": replace(settings.reading, group_field=None),  # texts have no group
            "fit": settings.fit,
            "package": package_version(settings.fit.scorer_for(len(targets))),
        }
    )


def digest_targets(targets: Mapping[str, TextBatch]) -> dict[str, str]:
    """Name of each target, of several with its place → digest of its texts.

    Examples are numbered through all targets, so their order is part of a profile.
    """
    names = [f"{i} {name}" if len(targets) > 1 else name for i, name in enumerate(targets)]
    return dict(zip(names, map(_digest, targets.values()), strict=True))


def _digest(target: TextBatch) -> str:
    return blake2b(target.buffer.tobytes() + target.offsets.tobytes()).hexdigest()


def open_profile(
    run: Run,
    key: str,
    targets: Mapping[str, TextBatch] | None,
    shards: Sequence[Shard],
    work_dir: WorkDir,
    sample: TextBatch | None = None,
) -> tuple[ProfileFile, Profile]:
    """Load the given profile, or the one that the work directory has, or fit it.

    Args:
        run: The run.
        key: Names the profile in the work directory.
        targets: To fit it on; None where a profile is given.
        shards: The pool.
        work_dir: Where it is kept.
        sample: The pool sample, if it was drawn before.

    Returns:
        The profile's file and the profile.
    """
    settings = run.settings
    if targets is None:
        path, profile = str(settings.profile), Profile.load(str(settings.profile))
        if is_remote(path):  # which may change, and workers read it again
            path = work_dir.profile(profile.digest)
            profile.save(path)
        return ProfileFile(path, profile.digest), profile
    path = work_dir.profile(key)
    found = find_profile(settings, key, work_dir)
    if found is not None:
        return ProfileFile(path, found.digest), found
    sample = draw_sample(run, shards) if sample is None else sample
    profile = make_profile(settings, targets, sample)
    profile.save(path)
    if settings.store is not None:
        Store(settings.store, settings.work_dir).keep(path)
    return ProfileFile(path, profile.digest), profile


def find_profile(settings: RunSettings, key: str, work_dir: WorkDir) -> Profile | None:
    """The profile that the work directory has under a key, which counts as a use; or None."""
    path = work_dir.profile(key)
    if settings.store is not None:
        Store(settings.store, settings.work_dir).fetch(path)
    if not os.path.exists(path):
        return None
    mark_used(path)
    return Profile.load(path)
