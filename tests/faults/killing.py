"""Runs that die at a file operation, or whose worker does.

They are forks of a server that has imported everything once: a run costs a third of a process that
begins from nothing. Not of multiprocessing's, of which a process has one, for workers.
"""

import contextlib
import json
import os
import subprocess
import sys
import traceback
from importlib import import_module
from pathlib import Path

from faults.counting import die_at, let_workers_die_at
from zipsel.cli.group import cli


def python_path():
    """Where processes find these modules."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.pathsep.join(filter(None, paths))


def start_server():
    """Start the server; it imports while the caller goes on."""
    return subprocess.Popen(
        [sys.executable, "-c", "from faults.killing import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": python_path()},
    )


def run_until(server, arguments, victim, point, counter):
    """Run a command whose ``victim`` (``parent`` or ``worker``) dies at an operation of theirs.

    Args:
        server: As ``start_server`` gave it.
        arguments: The command line.
        victim: Whose operations are counted: those below the current directory.
        point: Number of the operation, from 1; 0 for none.
        counter: File that gets a byte for each.

    Returns:
        The exit code, negative for a signal.
    """
    request = [os.getcwd(), arguments, victim, point, str(counter)]
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    return int(server.stdout.readline())


def serve():
    """Answer requests until there are no more."""
    for name in (
        "cli.select",
        "commands.select",
        "selection.fetching",
        "scoring.task",
        "report.html",
    ):
        import_module(f"zipsel.{name}")
    for request in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(*json.loads(request))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()


def _run(folder, arguments, victim, point, counter):
    """Be the run; never returns."""
    code = 1
    try:
        os.chdir(folder)
        (die_at if victim == "parent" else let_workers_die_at)(point, counter)
        code = cli.main(arguments, standalone_mode=False) or 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def children_of(pid):
    """All descendants that run now."""
    found = []
    with contextlib.suppress(OSError):
        for name in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += [int(name), *children_of(int(name))]
    return found
