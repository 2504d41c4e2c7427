"""Packs most of whose shards are gone are written again with the rows of the others.

Each night's new small shards make a pack, and its shards may go one by one: a pack that stayed for
the last of them would take many times the place of what is in use, and each run would read it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence, Set

import pyarrow as pa
from msgspec.structs import replace

from zipsel.scoring.packs import PackEntry, pack_path, read_entries
from zipsel.scoring.sidecar import read_rows
from zipsel.scoring.sidecar_writer import write_pack
from zipsel.scoring.small_shards import MOST_SHARDS


def repack(folder: str, paths: Sequence[str], in_use: Set[str]) -> None:
    """Write the parts of shards that are in use into new packs, then remove the old ones.

    A run that is killed in between leaves both, and either serves.

    Args:
        folder: Of the parts under one key.
        paths: Packs of the folder.
        in_use: Fingerprints of shards.

    Raises:
        OutputError: If a new pack cannot be written.
    """
    kinds: dict[str, list[tuple[PackEntry, pa.Table]]] = {}  # some packs hold lines, others none
    for path in paths:
        table = read_rows(path, None).replace_schema_metadata(None)
        kept = kinds.setdefault(str(table.schema), [])
        for entry in read_entries(path):
            if entry.fingerprint in in_use:
                kept.append((entry, table.slice(entry.start, entry.summary.n_rows)))
    for kept in kinds.values():
        for first in range(0, len(kept), MOST_SHARDS):
            _write(folder, kept[first : first + MOST_SHARDS])
    for path in paths:
        os.unlink(path)


def _write(folder: str, parts: Sequence[tuple[PackEntry, pa.Table]]) -> None:
    entries: list[PackEntry] = []
    n_rows = 0
    for entry, rows in parts:
        entries.append(replace(entry, start=n_rows))
        n_rows += len(rows)
    path = pack_path(folder, [entry.fingerprint for entry in entries])
    write_pack(path, pa.concat_tables([rows for _, rows in parts]), entries)
