"""Score sidecars: one Parquet file per chunk, with a score for every row.

A sidecar part holds the rows of one chunk of one shard, in input order. The name of its folder is a
hash of everything that changes a score (profile, reading); its own name is the chunk and the
shard's fingerprint, which is of its content. So old scores are never taken for new ones, and a
shard that was moved is not scored again. A part appears whole or not at all and carries a summary:
its presence is the completion marker.

Row numbers are not stored: row = rows of the shard's earlier parts + position in this part. If few
rows of a compressed shard are contenders, the part keeps their lines, so that pass two need not
decompress the shard again; of JSONL behind a URL, compressed or not, it keeps those of the best
rows, so that pass two need not download the shard again or ask for each line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zipsel.pool.shards import Shard
from zipsel.scorers import ScoreColumns

#: Part of every score key; raise it when readers, scores or the format of a part change.
SIDECAR_VERSION = 11

#: Folder of the parts that are named by marks, for want of fingerprints.
_MARKS = "marks"

#: Keys of what the footers of parts and of packs (``scoring.packs``) say of their rows.
SUMMARY_KEY, PACK_KEY = b"zipsel", b"zipsel-pack"


class PartSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counts of a part's rows, which the footer of its file holds.

    Attributes:
        index: Chunk of the shard.
        n_rows: Rows, accepted and refused.
        n_bytes: Bytes of accepted text.
        rejects: Reason → number of rows.
        groups: Group → ``[n_records, n_bytes]`` of accepted rows; null's name is "".
        threshold: The cascade's threshold; None where every accepted row has an alignment.
        final: Whether this is the shard's last part.
        damage: What ended the shard early, under ``--on-bad-file salvage``.
        has_lines: Whether the part holds lines: of all contenders, or of those that are best.
        found: Fields of the first row that is refused for lack of the text's.
        fields: Field → texts, where several were named.
        left_out: Kind of a chat's part → how many are in no text.
        histogram: Of the alignments of finished rows, as ``histogram.pack`` makes it; empty
            once it is added to the pool's.
        lengths: Bin of ``histogram.length_bins`` → accepted texts; empty likewise.
    """

    index: int
    n_rows: int
    n_bytes: int
    rejects: dict[str, int]
    groups: dict[str, tuple[int, int]]
    threshold: float | None
    final: bool
    damage: str | None = None
    has_lines: bool = False
    found: str = ""
    fields: dict[str, int] = {}
    left_out: dict[str, int] = {}
    histogram: bytes = b""
    lengths: dict[int, int] = {}

    @property
    def n_rejected(self) -> int:
        """Refused rows."""
        return sum(self.rejects.values())

    def serves(self, threshold: float | None) -> bool:
        """Whether a run under a threshold finds in the part what it needs."""
        return self.threshold is None or (threshold is not None and self.threshold <= threshold)


class Place(NamedTuple):
    """Rows of a file of parts: of a pack, which holds those of many shards.

    Attributes:
        path: The file.
        start: The first of the rows.
        n_rows: How many they are.
    """

    path: str
    start: int
    n_rows: int


@dataclass(frozen=True)
class Part:
    """A part, and where its rows are in the shard.

    Attributes:
        shard: Whose rows it holds.
        path: The file.
        first_row: Row of the shard that it begins with.
        summary: What it holds.
        start: Row of a pack that it begins with; None where the file is its own.
    """

    shard: Shard
    path: str
    first_row: int
    summary: PartSummary
    start: int | None = None


def part_path(folder: str, shard: Shard, index: int) -> str:
    """Path of a part; of a shard that is not identified, it stands among others of its kind."""
    if not shard.is_identified:
        folder = os.path.join(folder, _MARKS)
    return os.path.join(folder, shard.fingerprint[:2], f"{shard.fingerprint}-{index:06d}.parquet")


def adopt_parts(folder: str, shard: Shard) -> None:
    """Rename the parts that ranks left under a shard's mark to its fingerprint."""
    if not shard.is_identified or not os.path.isdir(os.path.join(folder, _MARKS)):
        return
    place = os.path.dirname(part_path(folder, replace(shard, fingerprint=shard.mark), 0))
    for name in os.listdir(place) if os.path.isdir(place) else ():
        if not name.startswith(f"{shard.mark}-"):
            continue
        index = int(name.rpartition("-")[2].partition(".")[0])
        path = part_path(folder, shard, index)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.replace(os.path.join(place, name), path)


def read_summary(path: str) -> PartSummary | None:
    """The summary of a part; None if there is no part, or it cannot be read."""
    if not os.path.exists(path):  # without the cost of an error of Arrow
        return None
    try:
        metadata = pq.read_metadata(path).metadata
        return msgspec.json.decode(metadata[SUMMARY_KEY], type=PartSummary)
    except (OSError, pa.ArrowException, KeyError, TypeError, msgspec.MsgspecError):
        return None


def read_rows(path: str, columns: Sequence[str] | None) -> pa.Table:
    """Some columns of a file of parts, or all.

    Read without ``pq.read_table``, which imports all of pyarrow.dataset for one local file.
    """
    with pq.ParquetFile(path, memory_map=True) as file:
        return file.read(None if columns is None else list(columns), use_threads=False)


def read_columns(part: Part, columns: Sequence[str] | None) -> pa.Table:
    """Some columns of a part, or all, in row order."""
    table = read_rows(part.path, columns)
    return table if part.start is None else table.slice(part.start, part.summary.n_rows)


def iter_stretches(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Yield parts whose rows follow one another in a file, which is then read once for all."""
    stretch: list[Part] = []
    for part in parts:
        if stretch and not _follows(stretch[-1], part):
            yield stretch
            stretch = []
        stretch.append(part)
    if stretch:
        yield stretch


def _follows(before: Part, part: Part) -> bool:
    return (
        part.start is not None
        and before.start is not None
        and part.path == before.path
        and part.start == before.start + before.summary.n_rows
    )


def read_stretch(stretch: Sequence[Part], columns: Sequence[str] | None) -> pa.Table:
    """Some columns of the parts of a stretch, or all, one part after the other."""
    table = read_rows(stretch[0].path, columns)
    first, last = stretch[0].start, stretch[-1]
    if first is None or last.start is None:
        return table
    return table.slice(first, last.start + last.summary.n_rows - first)


def iter_tables(
    parts: Iterable[Part], columns: Sequence[str] | None
) -> Iterator[tuple[Part, pa.Table]]:
    """Yield each part with some of its columns, or all."""
    for stretch in iter_stretches(parts):
        table, first = read_stretch(stretch, columns), 0
        for part in stretch:
            yield part, table.slice(first, part.summary.n_rows)
            first += part.summary.n_rows


def place_parts(
    shard: Shard,
    folder: str,
    summaries: Sequence[PartSummary],
    places: Mapping[int, Place] | None = None,
) -> list[Part]:
    """Give each summary of a shard its file and first row.

    Args:
        shard: The shard.
        folder: Of the parts that have files of their own.
        summaries: Of its parts.
        places: Chunk → where its part is, of the parts that are in packs.
    """
    parts, first_row = [], 0
    for summary in sorted(summaries, key=lambda summary: summary.index):
        place = (places or {}).get(summary.index)
        path = part_path(folder, shard, summary.index) if place is None else place.path
        start = None if place is None else place.start
        parts.append(Part(shard, path, first_row, summary, start))
        first_row += summary.n_rows
    return parts


def read_scores(path: str, columns: Mapping[str, str]) -> ScoreColumns | None:
    """A part's score columns as a scorer returns them; None if there is no part."""
    if read_summary(path) is None:
        return None
    return _score_columns(read_rows(path, list(columns)), columns)


def read_placed(places: Iterable[Place], columns: Mapping[str, str]) -> ScoreColumns:
    """Score columns of some stretches of packs, one after the other."""
    tables: dict[str, pa.Table] = {}
    found = []
    for path, start, n_rows in places:
        if path not in tables:
            tables[path] = read_rows(path, list(columns))
        found.append(tables[path].slice(start, n_rows))
    return _score_columns(pa.concat_tables(found), columns)


def _score_columns(table: pa.Table, columns: Mapping[str, str]) -> ScoreColumns:
    return {
        name: column_values(table, name, np.nan if dtype == "float64" else 0)
        for name, dtype in columns.items()
    }


def read_lines(path: str, positions: np.ndarray) -> list[bytes | None]:
    """Lines that a file of parts holds, by their positions in it; None where it lacks one."""
    lines = read_rows(path, ["line"])["line"].combine_chunks()
    return [lines[position].as_py() for position in positions.tolist()]


def score_table(part: Part, table: pa.Table) -> pa.Table:
    """A part with all its columns as users see it: absolute row numbers first."""
    table = table.replace_schema_metadata(None)
    if part.summary.has_lines:
        table = table.drop_columns(["line"])
    rows = np.arange(part.first_row, part.first_row + table.num_rows)
    return table.add_column(0, "row", pa.array(rows))


def column_values(table: pa.Table, name: str, missing: Any) -> np.ndarray:
    """A column as numpy, ``missing`` where it is null."""
    column = table[name]
    if column.null_count:  # rare, and pyarrow.compute takes long to load
        column = column.fill_null(missing)
    values: np.ndarray = column.to_numpy()
    return values
