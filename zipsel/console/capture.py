"""What others write to standard error while messages are for machines, line by line.

Warnings of Python and of libraries, in this process and in its workers, reach descriptor 2, which
workers inherit. Here it becomes the end of a pipe, so that each line can be told as a message.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
from collections.abc import Callable
from contextlib import suppress


class StderrCapture:
    """Takes descriptor 2 and hands over the lines that are written to it.

    Args:
        tell: Called with each line that is not empty, in a thread of its own.

    Attributes:
        stream: Standard error as it was.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.stream = open(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
        self._tell = tell
        self._end = secrets.token_hex(16)
        reader, writer = os.pipe()
        os.dup2(writer, 2)
        os.close(writer)
        self._thread = threading.Thread(target=self._read, args=(reader,), daemon=True)
        self._thread.start()

    def _read(self, reader: int) -> None:
        with open(reader, encoding="utf-8", errors="backslashreplace", newline="\n") as lines:
            for line in lines:
                text = line.rstrip()
                if text == self._end:
                    return
                if text:
                    with suppress(OSError):  # standard error has no reader
                        self._tell(text)

    def close(self) -> None:
        """Hand over what was written so far, and give the descriptor back.

        Helper processes may hold the pipe for longer, so a line marks the end of it.
        """
        sys.stderr.flush()
        os.write(2, f"\n{self._end}\n".encode())
        self._thread.join()
        os.dup2(self.stream.fileno(), 2)
        with suppress(OSError):  # standard error has no reader
            self.stream.close()
