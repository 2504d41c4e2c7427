"""What workers do in the engine tests; a module of its own, since workers import it."""

import os
import signal
import struct
import sys

from zipsel.engines import local

_prepare_worker = local.prepare_worker


def prepare_noisy_worker():
    """What a worker does first, and then write to standard output in three ways."""
    _prepare_worker()
    sys.stdout.write("noise\n")
    sys.stdout.flush()
    os.write(1, b"noise\n")
    os.system("echo noise")


class Mishap:
    """A task that does something to its worker, once or every time.

    Args:
        number: Its result.
        what: ``nothing``, ``kill``, ``memory`` or ``half`` (die amid the result).
        marker: File that says it happened before; None to do it every time.
    """

    def __init__(self, number, what="nothing", marker=None):
        self.number, self.what, self.marker = number, what, marker

    def __str__(self):
        return f"pool.jsonl, rows of chunk {self.number}"


def meet(task):
    """Of two tasks at once one runs out of memory while the other is under way; later both end.

    Args:
        task: Number, 0 or 1, and a directory with a pipe at which they meet.
    """
    number, folder = task
    if os.path.exists(f"{folder}/{number}"):
        return number
    with open(f"{folder}/{number}", "x"), open(f"{folder}/pipe", ("wb", "rb")[number]):
        pass
    if number == 1:
        raise MemoryError
    signal.pause()
    return None


def work(task):
    if task.what == "nothing" or (task.marker and os.path.exists(task.marker)):
        return task.number
    if task.marker:
        with open(task.marker, "x"):
            pass
    if task.what == "memory":
        raise MemoryError
    if task.what == "half":
        frame = sys._getframe()
        while "result_queue" not in frame.f_locals:
            frame = frame.f_back
        results = frame.f_locals["result_queue"]
        results._wlock.acquire()
        os.write(results._writer.fileno(), struct.pack("!i", 1000) + b"half")
    os.kill(os.getpid(), signal.SIGKILL)
    return None
