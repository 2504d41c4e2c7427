"""Scores kept on an object store, for machines that share no disk.

Every run works in a directory of its own machine, with the locks that it gives; what it shares
are whole objects: profiles, and sidecar parts whose rows are all finished. Each is named by all
that decides what it says, so it does not matter who writes it, nor how often, and no lock is
needed, which object stores do not have. Parts in which a cascade passed rows over serve one budget
and stay where they were made.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from zipsel.pool.shards import Shard
from zipsel.scoring.sidecar import PartSummary, part_path, read_summary
from zipsel.scoring.task import ScoreTask, score_chunks
from zipsel.storage.network import insist, open_system
from zipsel.storage.paths import check_writable, read_bytes, upload
from zipsel.storage.staging import write_atomically

#: Parts asked for at once.
_BATCH_PARTS = 32


@dataclass(frozen=True)
class Store:
    """The counterpart of a work directory behind a URL.

    Attributes:
        url: Where it is.
        root: The work directory.
    """

    url: str
    root: str

    def url_of(self, path: str) -> str:
        """Where a file of the work directory is kept."""
        relative = os.path.relpath(path, self.root)
        return f"{self.url.rstrip('/')}/{relative.replace(os.sep, '/')}"

    def check_writable(self) -> None:
        """Find out before the work whether anything can be kept here.

        Raises:
            OutputError: If not.
            StorageError: If the provider cannot be reached.
        """
        check_writable(f"{self.url.rstrip('/')}/scores/probe")

    def fetch(self, path: str) -> None:
        """Bring a file here if it is kept and not here yet."""
        if not os.path.exists(path):
            with suppress(OSError):
                data = read_bytes(self.url_of(path))
                with write_atomically(path) as file:
                    file.write(data)

    def keep(self, path: str) -> None:
        """Send a file.

        Raises:
            OutputError: If it cannot be written.
            StorageError: If the provider cannot be reached.
        """
        upload(path, self.url_of(path))

    def exchange(self, folder: str, shards: Sequence[Shard]) -> None:
        """Bring the finished parts of some shards here, and send those that are here alone.

        Args:
            folder: Of the work directory, with the parts under one key.
            shards: Whose parts.

        Raises:
            OutputError: If a part cannot be written, here or there.
            StorageError: If the provider cannot be reached.
        """
        fingerprints = {shard.fingerprint for shard in shards}
        kept = {name for name in self._list(folder) if _fingerprint(name) in fingerprints}
        here = {name for name in _walk(folder) if _fingerprint(name) in fingerprints}
        finished = {name for name in here if _is_finished(os.path.join(folder, name))}
        self._bring(folder, sorted(kept - finished))
        for name in sorted(finished - kept):
            self.keep(os.path.join(folder, name))

    def _list(self, folder: str) -> list[str]:
        url = self.url_of(folder)
        system, prefix = open_system(url)

        def find() -> list[str]:
            system.invalidate_cache()
            try:
                return list(system.find(prefix))
            except FileNotFoundError:
                return []

        return [name.partition(prefix)[2].lstrip("/") for name in insist(url, find)]

    def _bring(self, folder: str, names: Sequence[str]) -> None:
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


def score_and_keep(store: Store, task: ScoreTask) -> list[PartSummary]:
    """As ``score_chunks``; the task's finished parts are kept before it counts as done."""
    summaries = score_chunks(task)
    for summary in summaries:
        if summary.threshold is None:
            store.keep(part_path(task.job.folder, task.shard, summary.index))
    return summaries


def _fingerprint(name: str) -> str:
    return os.path.basename(name).partition("-")[0]


def _walk(folder: str) -> list[str]:
    return [
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, names in os.walk(folder)
        for name in names
    ]


def _is_finished(path: str) -> bool:
    summary = read_summary(path)
    return summary is not None and summary.threshold is None
