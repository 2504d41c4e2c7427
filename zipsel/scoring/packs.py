"""Packs: one file for the sidecar parts of many small shards.

A part of one row costs a Parquet file of 4 kB and some 2 ms of CPU time to write, and again to
read. Small shards are therefore scored together, and their parts are stretches of one table. An
entry of the file's footer names each by the fingerprint of its shard, so that they are found again
whatever other shards the pool has then. A pack appears whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from zipsel.scoring.sidecar import PACK_KEY, PartSummary, Place
from zipsel.storage.workdir import digest_of

#: Folder of the packs among the parts of one key.
FOLDER = "packs"


class PackEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One part of a pack.

    Attributes:
        fingerprint: Of its shard.
        start: Row of the pack that it begins with.
        summary: What it holds; without histogram and lengths, which the pack's rows tell.
    """

    fingerprint: str
    start: int
    summary: PartSummary


def pack_path(folder: str, fingerprints: Sequence[str]) -> str:
    """Path of the pack of some shards: scored again, they take the place of what is there."""
    return os.path.join(folder, FOLDER, f"{digest_of(list(fingerprints))}.parquet")


def read_entries(path: str) -> list[PackEntry]:
    """The entries of a pack; none if there is no pack, or it cannot be read."""
    with suppress(OSError, pa.ArrowException, KeyError, TypeError, msgspec.MsgspecError):
        metadata = pq.read_metadata(path).metadata
        return msgspec.json.decode(metadata[PACK_KEY], type=list[PackEntry])
    return []


def iter_packed(folder: str) -> Iterator[tuple[Place, PackEntry]]:
    """Yield the entries of all packs under one key, by the names of the packs."""
    packs = os.path.join(folder, FOLDER)
    for name in sorted(os.listdir(packs)) if os.path.isdir(packs) else ():
        path = os.path.join(packs, name)
        for entry in read_entries(path):
            yield Place(path, entry.start, entry.summary.n_rows), entry
