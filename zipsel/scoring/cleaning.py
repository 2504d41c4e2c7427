"""What of a work directory no run has met for some days, and so no later run is likely to meet.

Runs leave traces of use: the times of profiles and of the folders of scores under one key, the time
of access of rows that Python gave, and the day on which a shard was last met (``pool.known``). A
sidecar part is in use as long as its shard is, or as it is young itself. A pack is written again
with the parts that are in use, once they are fewer than the others.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from zipsel.pool.known import KnownFiles
from zipsel.scoring import packs
from zipsel.scoring.repacking import repack
from zipsel.storage.workdir import WorkDir

_SECONDS_PER_DAY = 86_400

#: Folders that runs leave for later ones; all others go with their run.
_KEPT = ("scores", "profiles", "known", "rows")


class Leftover(NamedTuple):
    """Something that can go.

    Attributes:
        kind: ``scores``, ``profiles``, ``rows``.
        path: A file, or a folder with all that is in it.
        n_bytes: Its size, or the size of what can go.
        is_part: Whether some parts of a pack stay.
    """

    kind: str
    path: str
    n_bytes: int
    is_part: bool = False


def find_leftovers(work_dir: WorkDir, keep_days: int) -> list[Leftover]:
    """What no run has met for so many days; the lock is held by the caller."""
    oldest = time.time() - keep_days * _SECONDS_PER_DAY
    met = KnownFiles(work_dir.path).fingerprints_since(keep_days)
    found: list[Leftover] = []
    for kind in ("profiles", "rows"):
        for entry in _entries(os.path.join(work_dir.path, kind)):
            status = entry.stat()
            used = max(status.st_mtime, status.st_atime) if kind == "rows" else status.st_mtime
            if used < oldest:
                found.append(Leftover(kind, entry.path, status.st_size))
    for folder in _entries(os.path.join(work_dir.path, "scores")):
        if folder.stat().st_mtime < oldest:
            found.append(Leftover("scores", folder.path, size_below(folder.path)))
        else:
            found.extend(_iter_old_parts(folder.path, oldest, met))
    return found


def _iter_old_parts(folder: str, oldest: float, met: set[str]) -> Iterator[Leftover]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            status = os.stat(path)
            if status.st_mtime >= oldest:
                continue
            of_parts = _fingerprints_of(path)
            n_gone = sum(fingerprint not in met for fingerprint in of_parts)
            if 2 * n_gone > len(of_parts):
                n_bytes = status.st_size * n_gone // len(of_parts)
                yield Leftover("scores", path, n_bytes, is_part=n_gone < len(of_parts))


def _fingerprints_of(path: str) -> list[str]:
    """Fingerprint of the shard of each part that a file holds; of a broken pack, none is met."""
    if os.path.basename(os.path.dirname(path)) == packs.FOLDER:
        return [entry.fingerprint for entry in packs.read_entries(path)] or [""]
    return [os.path.basename(path).partition("-")[0]]


def remove(work_dir: WorkDir, leftovers: list[Leftover], keep_days: int) -> None:
    """Remove leftovers, and forget the files that no run has met; the lock is held by the caller.

    Raises:
        OutputError: If a pack cannot be written.
    """
    in_part: dict[str, list[str]] = {}
    for leftover in leftovers:
        if leftover.is_part:
            folder = os.path.dirname(os.path.dirname(leftover.path))
            in_part.setdefault(folder, []).append(leftover.path)
        elif os.path.isdir(leftover.path):
            shutil.rmtree(leftover.path)
        else:
            os.unlink(leftover.path)
            with suppress(OSError):  # others are in it
                os.rmdir(os.path.dirname(leftover.path))
    known = KnownFiles(work_dir.path)
    met = known.fingerprints_since(keep_days)
    for folder, paths in in_part.items():
        repack(folder, paths, met)
    known.save(keep_days)


def kept_bytes(work_dir: WorkDir) -> int:
    """Bytes that stay when a run is over."""
    return sum(size_below(os.path.join(work_dir.path, name)) for name in _KEPT)


def size_below(folder: str) -> int:
    """Bytes of all files in a folder and below."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # another run has just renamed or removed it
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def _entries(folder: str) -> list[os.DirEntry[str]]:
    return sorted(os.scandir(folder), key=lambda one: one.name) if os.path.isdir(folder) else []
