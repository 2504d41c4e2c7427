"""File operations are counted, and at one of them the process dies.

An audit hook is told of each operation as it is about to happen, so that a point names the same one
each time. A module of its own, since workers import it.
"""

import os
import signal
import sys

from zipsel.engines import local

_OPERATIONS = frozenset(
    {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.truncate"}
)

#: Variables by which workers know where to count and when to die.
_COUNTER, _POINT = "TEST_COUNTER", "TEST_POINT"

_prepare_worker = local.prepare_worker


def die_at(point, counter, operations=_OPERATIONS):
    """Die at the n-th operation below the current directory; 0 to count them only.

    At a negative point every process dies that comes as far.
    Workers count together in one file: each operation appends a byte, and where that came to
    stand is its number. So there is no lock for a dead worker to hold, and no number comes twice.
    """
    here = os.getcwd()
    file = os.open(counter, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def watch(event, details):
        path = str(details[0]) if event in operations else ""
        # A worker reads the profile before its first task: how many do is left to chance.
        if path.startswith(here) and not path.endswith(".profile"):
            os.write(file, b".")
            number = os.lseek(file, 0, os.SEEK_CUR)
            if number == point or 0 < -point <= number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def let_workers_die_at(point, counter):
    """Have one of the workers that this process will start die at their n-th operation."""
    os.environ.update({_COUNTER: str(counter), _POINT: str(point)})
    local.prepare_worker = prepare_counting_worker


def prepare_counting_worker():
    """What a worker does first, and then count; which of them makes a folder is left to chance."""
    _prepare_worker()
    die_at(int(os.environ[_POINT]), os.environ[_COUNTER], _OPERATIONS - {"os.mkdir"})
