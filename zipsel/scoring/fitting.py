"""From target files and a pool to a fitted profile."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from zipsel.pool.shards import Shard
from zipsel.scorers import package_version
from zipsel.scorers.fit import fit_scorer
from zipsel.scorers.profile import Profile, ProfileFile
from zipsel.scorers.target_ngrams import TargetNgrams
from zipsel.scoring.exchange import Store
from zipsel.scoring.inputs import read_targets
from zipsel.scoring.pool_sample import sample_pool
from zipsel.scoring.settings import RunSettings
from zipsel.storage.remote import is_remote
from zipsel.storage.workdir import WorkDir, digest_of, mark_used
from zipsel.texts import TextBatch, join_batches

#: Raise it when the same target and pool no longer give the same profile.
FIT_VERSION = 5


def fit_profile(
    settings: RunSettings, targets: Mapping[str, TextBatch], shards: Sequence[Shard]
) -> Profile:
    """Draw a pool sample and fit a profile.

    Shards that cannot be read are left out of the sample: pass one names them all at once.
    """
    fit = settings.fit
    sample = sample_pool(
        shards,
        settings.reading,
        sample_bytes=fit.sample_bytes,
        seed=fit.seed,
        on_error=lambda _: None,
    )
    return make_profile(settings, targets, sample)


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
    scorer, ngrams = fit_scorer(fit, targets, sample), TargetNgrams.fit(target, sample)
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
    key = digest_of(
        {
            "version": FIT_VERSION,
            "target": digest_targets(targets),
            "pool": [shard.fingerprint for shard in shards],
            "reading": settings.reading,
            "fit": settings.fit,
            "package": package_version(settings.fit.scorer_for(len(targets))),
        }
    )
    return key, targets


def digest_targets(targets: Mapping[str, TextBatch]) -> dict[str, str]:
    """Name of each target → digest of its texts."""
    return {name: _digest(target) for name, target in targets.items()}


def _digest(target: TextBatch) -> str:
    return blake2b(target.buffer.tobytes() + target.offsets.tobytes()).hexdigest()


def open_profile(
    settings: RunSettings,
    key: str,
    targets: Mapping[str, TextBatch] | None,
    shards: Sequence[Shard],
    work_dir: WorkDir,
) -> tuple[ProfileFile, Profile]:
    """Load the given profile, or the one that the work directory has, or fit it.

    Returns:
        The profile's file and the profile.
    """
    if targets is None:
        path, profile = str(settings.profile), Profile.load(str(settings.profile))
        if is_remote(path):  # which may change, and workers read it again
            path = work_dir.profile(profile.digest)
            profile.save(path)
        return ProfileFile(path, profile.digest), profile
    path = work_dir.profile(key)
    store = Store(settings.store, settings.work_dir) if settings.store is not None else None
    if store is not None:
        store.fetch(path)
    if os.path.exists(path):
        mark_used(path)
        profile = Profile.load(path)
        return ProfileFile(path, profile.digest), profile
    profile = fit_profile(settings, targets, shards)
    profile.save(path)
    if store is not None:
        store.keep(path)
    return ProfileFile(path, profile.digest), profile
