"""How a worker process is set up before its first task, and how it ends with its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait

from zipsel.engines.startup import leave_pandas_out


def is_worker_starting() -> bool:
    """Whether this is a worker that is still importing the script that started it."""
    return bool(getattr(multiprocessing.current_process(), "_inheriting", False))


def prepare_worker() -> None:
    """Ignore Ctrl-C, send descriptor 1 to standard error, and end when the parent ends."""
    leave_pandas_out()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
