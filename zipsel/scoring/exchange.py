"""Profiles and scores on an object store, for machines that share no disk.

Every run works in a directory of its own machine, under that directory's locks. Runs share whole
objects: profiles, and sidecar parts that were written without a threshold. The name of an object
is a hash of everything that decides its content, so several machines may write the same object,
and no lock is needed; object stores have none. Parts cut at a threshold are valid for one budget,
so they are never uploaded.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard
from zipsel.scoring import packs
from zipsel.scoring.sidecar import part_path, read_summary
from zipsel.scoring.small_shards import ScoredPart, SmallShardsTask, score_task
from zipsel.scoring.task import ScoreTask
from zipsel.storage.network import insist, open_system
from zipsel.storage.paths import check_writable, list_files, read_bytes, upload
from zipsel.storage.staging import write_atomically

#: Sidecar parts that one request downloads.
_BATCH_PARTS = 32


@dataclass(frozen=True)
class Store:
    """A work directory's copy behind a URL."""

    url: str
    root: str

    def url_of(self, path: str) -> str:
        """The URL of a file of the work directory."""
        relative = os.path.relpath(path, self.root)
        return f"{self.url.rstrip('/')}/{relative.replace(os.sep, '/')}"

    def check_writable(self) -> None:
        """As ``storage.paths.check_writable``, before the work."""
        check_writable(f"{self.url.rstrip('/')}/scores/probe")

    def fetch(self, path: str) -> None:
        """Download a file that the store has and the work directory lacks."""
        if not os.path.exists(path):
            with suppress(OSError):
                data = read_bytes(self.url_of(path))
                with write_atomically(path) as file:
                    file.write(data)

    def keep(self, path: str) -> None:
        """As ``storage.paths.upload``, to the file's own URL."""
        upload(path, self.url_of(path))

    def exchange(self, folder: str, shards: Sequence[Shard]) -> None:
        """Download the finished parts of some shards, and upload those that the store lacks.

        Packs are small and few, so all of them go.
        """
        fingerprints = {shard.fingerprint for shard in shards}
        stored, here = (
            {
                name
                for name in list_files(place, below=True)
                if _is_pack(name) or _fingerprint(name) in fingerprints
            }
            for place in (self.url_of(folder), folder)
        )
        finished = {name for name in here if _is_finished(os.path.join(folder, name))}
        self._download(folder, sorted(stored - finished))
        for name in sorted(finished - stored):
            self.keep(os.path.join(folder, name))

    def _download(self, folder: str, names: Sequence[str]) -> None:
        url = self.url_of(folder)
        system, prefix = open_system(url)
        for start in range(0, len(names), _BATCH_PARTS):
            wanted = {f"{prefix}/{name}": name for name in names[start : start + _BATCH_PARTS]}

            def fetch(wanted: dict[str, str] = wanted) -> dict[str, bytes]:
                found: dict[str, bytes] = system.cat(list(wanted))
                return found if isinstance(found, dict) else {next(iter(wanted)): found}

            for place, data in insist(url, fetch).items():
                with write_atomically(os.path.join(folder, wanted[place])) as file:
                    file.write(data)


def score_and_keep(
    store: Store, task: ScoreTask | SmallShardsTask
) -> list[ScoredPart | ShardError]:
    """As ``score_task``, and upload the task's finished parts before the task counts as done."""
    found = score_task(task)
    by_index = {shard.index: shard for shard in task.shards}
    finished: dict[str, None] = {}
    for part in found:
        if isinstance(part, ScoredPart) and part.summary.threshold is None:
            path = part_path(task.job.folder, by_index[part.shard], part.summary.index)
            finished[path if part.place is None else part.place.path] = None
    for path in finished:
        store.keep(path)
    return found


def _fingerprint(name: str) -> str:
    return os.path.basename(name).partition("-")[0]


def _is_pack(name: str) -> bool:
    return os.path.dirname(name) == packs.FOLDER


def _is_finished(path: str) -> bool:
    entries = packs.read_entries(path)
    summary = entries[0].summary if entries else read_summary(path)
    return summary is not None and summary.threshold is None
