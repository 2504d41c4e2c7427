"""Whether a script may start worker processes where it calls ``zipsel.select``.

A worker imports the script that started it. A call that stands at its top level would start
workers again there, so Python wants it below ``if __name__ == '__main__':``.
"""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from types import FrameType

from zipsel.engines.worker import is_worker_starting
from zipsel.errors import UsageError

_REMEDY = (
    "zipsel.select starts workers, which import your script: put the call under "
    "if __name__ == '__main__': or pass workers=1"
)


def refuse_unguarded() -> None:
    """Raise where a worker that imports the running script would call ``zipsel.select`` again.

    Raises:
        UsageError: Naming the script and the line.
    """
    if is_worker_starting():
        raise UsageError(_REMEDY)
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    if path is not None and not os.path.exists(path):  # Python calls standard input a file
        raise UsageError(
            f"workers import the running program, and {path} is no file: save it, or pass workers=1"
        )
    frame: FrameType | None = sys._getframe()
    while frame is not None and not (
        frame.f_code.co_name == "<module>" and frame.f_globals is vars(main)
    ):
        frame = frame.f_back
    if frame is None or path is None:
        return
    try:
        statements = ast.parse(Path(path).read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return
    for one in statements:
        is_guard = isinstance(one, ast.If) and "__name__" in ast.unparse(one.test)
        if one.lineno <= frame.f_lineno <= (one.end_lineno or one.lineno) and not is_guard:
            raise UsageError(f"{path}, line {frame.f_lineno}: {_REMEDY}")
