"""``zipsel fit``: fit a profile and write it."""

from __future__ import annotations

from zipsel.commands.kept_stdin import kept_stdin
from zipsel.console.messages import Log
from zipsel.pool.formats import refuse_stdin_twice
from zipsel.scorers.profile import Profile
from zipsel.scoring.fitting import fit_profile
from zipsel.scoring.inputs import Inputs
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.scoring.targets import read_targets
from zipsel.storage.paths import check_writable, refuse_no_file
from zipsel.storage.remote import is_remote


def fit(settings: RunSettings, log: Log, output: str) -> None:
    """``zipsel fit``; a pool on standard input is kept until its sample is drawn."""
    refuse_stdin_twice({"POOL": settings.pool, "--target": settings.target})
    with kept_stdin(settings, log) as kept:
        run_fit(Run(kept, log), output)


def run_fit(run: Run, output: str) -> Profile:
    """Fit a profile on files and write it."""
    settings = run.settings
    refuse_no_file("--output", output)
    inputs = Inputs.find(run)
    inputs.refuse_overwriting("--output", output)
    inputs.refuse_found_later("--output", output, [output])
    if is_remote(output):
        check_writable(output)
    targets = read_targets(settings)
    profile = fit_profile(run, targets, inputs.shards)
    profile.save(output)
    run.log.say(
        "fitted",
        f"{output}: {profile.scorer.name} of {len(profile.target):,} target examples "
        f"and {profile.origin['n_sample_records']:,} pool records",
        profile=output,
        digest=profile.digest,
    )
    return profile
