"""``zipsel fit``: fit a profile and write it."""

from __future__ import annotations

from zipsel.scorers.profile import Profile
from zipsel.scoring.fitting import fit_profile
from zipsel.scoring.inputs import Inputs, read_targets, refuse_stdin_twice
from zipsel.scoring.run import Run
from zipsel.storage.paths import check_writable, refuse_unwritable
from zipsel.storage.remote import is_remote


def run_fit(run: Run, output: str) -> Profile:
    """``zipsel fit``: fit a profile and write it.

    Raises:
        ZipselError: As the stages do.
    """
    settings = run.settings
    refuse_unwritable("--output", output)
    refuse_stdin_twice(settings)
    inputs = Inputs.find(run)
    inputs.refuse_overwriting("--output", output)
    inputs.refuse_found_later("--output", output, [output])
    if is_remote(output):
        check_writable(output)
    targets = read_targets(settings)
    profile = fit_profile(settings, targets, inputs.shards)
    profile.save(output)
    run.log.say(
        "fitted",
        f"{output}: {profile.scorer.name} of {len(profile.target):,} target examples "
        f"and {profile.origin['n_sample_records']:,} pool records",
        profile=output,
        digest=profile.digest,
    )
    return profile
