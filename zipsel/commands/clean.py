"""``zipsel clean``: free what no run has met for some days."""

from __future__ import annotations

import os

from zipsel.commands.rules import Options
from zipsel.console.messages import Log
from zipsel.console.safe_text import human_bytes
from zipsel.errors import UsageError
from zipsel.scoring.cleaning import find_leftovers, remove, size_below
from zipsel.storage.remote import is_remote
from zipsel.storage.workdir import WorkDir


def clean(options: Options, log: Log) -> None:
    """Show what can go, and remove it if that is asked for, beside no other run.

    Raises:
        UsageError: If there is no work directory.
        WorkDirLocked: If another run holds it and is not to be waited for.
    """
    path, keep_days = options["work_dir"], options["keep_days"]
    if is_remote(path) or not os.path.exists(os.path.join(path, "CACHEDIR.TAG")):
        raise UsageError(f"--work-dir {path} is no work directory of zipsel on this machine")
    work_dir = WorkDir(path)
    with work_dir.locked(options["lock"], on_wait=lambda message: log.say("waiting", message)):
        found = find_leftovers(work_dir, keep_days)
        n_bytes = sum(one.n_bytes for one in found)
        kinds = [
            f"{human_bytes(sum(one.n_bytes for one in found if one.kind == kind))} of {kind}"
            for kind in sorted({one.kind for one in found})
        ]
        what = f"{' and '.join(kinds) or 'nothing'} that no run has met for {keep_days} days"
        log.say("clean", f"{path}: {what}", n_bytes=n_bytes, paths=[one.path for one in found])
        before = size_below(path)
        if options["yes"]:
            remove(work_dir, found, keep_days)
        left = size_below(path)
    if options["yes"]:
        freed = before - left  # with what is known of files that no run has met
        log.say("cleaned", f"{human_bytes(freed)} freed, {human_bytes(left)} left", n_bytes=freed)
    elif found:
        log.say(
            "kept",
            f"nothing is removed of {human_bytes(left)}; add --yes to free {human_bytes(n_bytes)}",
        )
