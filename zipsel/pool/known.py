"""Files that earlier runs read: the fingerprint of each, under its mark.

    WORK/known/NAME.msgpack    {mark and time of the last change of status: KnownFile}

A run takes all files of the folder together, and leaves one in place of those that it took. No lock
is needed: files appear whole, nobody changes one, and a run that misses an entry reads a shard once
more. A file whose times are younger than two seconds is not remembered, because it may change again
without the file system's clock moving on.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress

import msgspec

from zipsel.storage.staging import write_atomically

_SUFFIX = ".msgpack"

#: Age of a file at which a later change shows in its times, whatever the file system.
SETTLED_SECONDS = 2.0

_SECONDS_PER_DAY = 86_400


class KnownFile(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a file.

    Attributes:
        fingerprint: Of its content.
        format: Name in the format table, as its first bytes tell.
        day: Day on which a run last met it, counted from 1970.
    """

    fingerprint: str
    format: str
    day: int = 0


class KnownFiles:
    """The files that the runs of a work directory have read.

    Args:
        work_dir: The work directory.
    """

    def __init__(self, work_dir: str) -> None:
        self._folder = os.path.join(work_dir, "known")
        self._today = int(time.time() // _SECONDS_PER_DAY)
        self._files: dict[str, KnownFile] = {}
        self._taken: list[str] = []
        self._is_new = False
        for path in self._paths():
            with suppress(OSError, msgspec.MsgspecError):
                with open(path, "rb") as file:
                    self._files |= msgspec.msgpack.decode(file.read(), type=dict[str, KnownFile])
            self._taken.append(path)

    def _paths(self) -> list[str]:
        found = os.listdir(self._folder) if os.path.isdir(self._folder) else []
        return [os.path.join(self._folder, name) for name in found if name.endswith(_SUFFIX)]

    def find(self, mark: str, changed_ns: int = 0) -> KnownFile | None:
        """What is known of a file with a mark, whose status changed at a time."""
        key = f"{mark}{changed_ns:x}"
        found = self._files.get(key)
        if found is not None and found.day != self._today:
            self._set(key, found)
        return found

    def note(self, mark: str, file: KnownFile, changed_ns: int = 0) -> None:
        """Remember a file with a mark, whose status changed at a time, unless that was just now."""
        if changed_ns < (time.time() - SETTLED_SECONDS) * 1e9:
            self._set(f"{mark}{changed_ns:x}", file)

    def _set(self, key: str, file: KnownFile) -> None:
        self._files[key] = msgspec.structs.replace(file, day=self._today)
        self._is_new = True

    def fingerprints_since(self, n_days: int) -> set[str]:
        """Fingerprints of the files that a run met in the last days."""
        oldest = self._today - n_days
        return {file.fingerprint for file in self._files.values() if file.day >= oldest}

    def save(self, keep_days: int | None = None) -> None:
        """Keep what was found out.

        Args:
            keep_days: Days after which a file that no run has met is forgotten; None for never.

        Raises:
            OutputError: If the work directory cannot be written.
        """
        if keep_days is not None:
            oldest = self._today - keep_days
            kept = {key: file for key, file in self._files.items() if file.day >= oldest}
            self._is_new |= len(kept) < len(self._files)
            self._files = kept
        if not self._is_new and len(self._taken) < 2:
            return
        name = f"{self._today}-{secrets.token_hex(8)}{_SUFFIX}"
        path = os.path.join(self._folder, name)
        with write_atomically(path) as file:
            file.write(msgspec.msgpack.encode(self._files))
        for taken in self._taken:
            with suppress(FileNotFoundError):
                os.unlink(taken)
        self._taken, self._is_new = [path], False
