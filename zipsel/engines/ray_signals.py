"""Signals during calls of Ray end a run as they do on any other engine."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from zipsel.errors import Interrupted


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise the exception of a signal handler that Ray's compiled code has turned into another.

    Compiled code may return a result although the handler has raised; Python then raises a
    ``SystemError`` whose cause is the handler's exception.
    """
    try:
        yield
    except SystemError as error:
        if isinstance(error.__cause__, Interrupted | KeyboardInterrupt):
            raise error.__cause__ from None
        raise


@contextmanager
def own_sigterm() -> Iterator[None]:
    """Keep this program's handler of SIGTERM, which ``ray.init`` replaces by ``sys.exit``."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        if callable(handler):
            handler(signal.SIGTERM, None)
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
