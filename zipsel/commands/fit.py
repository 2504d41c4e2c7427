"""``zipsel fit``: fit a profile and write it."""

from __future__ import annotations

from zipsel.output.place import refuse_overwriting
from zipsel.scorers.profile import Profile
from zipsel.scoring.fitting import fit_profile
from zipsel.scoring.inputs import input_paths, read_targets
from zipsel.scoring.run import Run
from zipsel.storage.paths import refuse_unwritable
from zipsel.storage.remote import is_remote
from zipsel.storage.uploads import check_writable


def run_fit(run: Run, output: str) -> Profile:
    """``zipsel fit``: fit a profile and write it.

    Raises:
        ZipselError: As the stages do.
    """
    settings = run.settings
    refuse_unwritable("--output", output)
    shards, _ = run.find_pool()
    refuse_overwriting("--output", output, input_paths(settings, shards))
    if is_remote(output):
        check_writable(output)
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
