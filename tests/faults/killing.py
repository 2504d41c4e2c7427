"""A run that kills itself at its n-th file operation; started by a fork server that has it all."""

import os
import signal
import sys

from zipsel.cli.commands import cli

_OPERATIONS = frozenset(
    {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.truncate"}
)


def run_until(arguments, n_operations, counted):
    """Run a command; die at the n-th operation below the current directory, or count them all."""
    n_seen = 0
    here = os.getcwd()

    def watch(event, details):
        nonlocal n_seen
        if event in _OPERATIONS and str(details[0]).startswith(here):
            n_seen += 1
            if n_seen == n_operations:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    cli.main(arguments, standalone_mode=False)
    counted.value = n_seen
