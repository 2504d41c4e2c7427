"""Pass two: fetch candidates from their shards into a spool, looking at each on the way.

A task fetches candidates of one shard, of a stretch of it, or of many small ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zipsel.console.progress import Advance, tell_nobody
from zipsel.engines import Engine
from zipsel.errors import BadShards, ShardError
from zipsel.pool.shards import Shard
from zipsel.readers.reading import Reading
from zipsel.scoring.sidecar import Part
from zipsel.selection.candidates import SHARD_SHIFT, Candidates
from zipsel.selection.fetching import GatherTask, Piece, fetch_rows
from zipsel.selection.inspection import Features, Inspection
from zipsel.selection.leaks import Leak
from zipsel.selection.spool import ROW, SpooledRows
from zipsel.storage.columns import IN_MEMORY, Columns

#: Stretch of a plain file that one task fetches from.
_TASK_BYTES = 64 << 20

#: Shards of lines that may hold less text than this share tasks, so many bytes to a task.
_SMALL_BYTES, _SHARED_BYTES = 1 << 20, 16 << 20

#: Shards that share a task, at most: enough to amortize it, few enough for workers to take turns.
_SHARED_SHARDS = 64


class Source(NamedTuple):
    """What candidates are fetched from, and how."""

    shards: Sequence[Shard]
    parts: Sequence[Part]
    reading: Reading
    inspection: Inspection


class Fetched(NamedTuple):
    """A block of candidates in the spool.

    Attributes:
        first: Rank of the first of them.
        spooled: What is known of each.
        leaks: Rank → leak, where leaks were looked for.
    """

    first: int
    spooled: SpooledRows
    leaks: dict[int, Leak]

    def look(self, places: NDArray[np.int64]) -> list[Features]:
        """What was found out about the candidates at some places of the block."""
        rows = self.spooled.rows[places]
        digests = rows["digest"].tobytes()
        columns = (rows["n_tokens"].tolist(), (places + self.first).tolist())
        sketches = self.spooled.read_sketches(rows)
        return [
            Features(digests[16 * i : 16 * i + 16], n_tokens, self.leaks.get(rank), minhash)
            for i, (n_tokens, rank, minhash) in enumerate(zip(*columns, sketches, strict=True))
        ]


def gather(
    engine: Engine,
    source: Source,
    block: Candidates,
    first_rank: int,
    spool_prefix: str,
    columns: Columns = IN_MEMORY,
    advance: Advance = tell_nobody,
) -> Fetched:
    """Fetch a block of candidates.

    Raises:
        BadShards: If shards cannot be read or have changed since they were scored.
    """
    files: dict[int, tuple[str, bool]] = {}
    rows, leaks = columns.zeros(len(block), ROW), {}
    errors: list[ShardError] = []
    tasks = _iter_tasks(source, block, first_rank, spool_prefix, columns)
    for task, result in engine.run(fetch_rows, tasks):
        if isinstance(result, list):
            errors += result
        elif isinstance(result, BaseException):
            raise result
        else:
            files[task.number] = (result.path, result.is_table)
            placed = result.ranks - first_rank
            rows[placed] = result.rows  # which some engines hand over read-only
            rows["file"][placed] = task.number
            leaks.update(result.leaks)
            n_bytes = int(block.n_bytes[placed].sum())
            advance(len(placed), n_bytes, n_bytes)
    if errors:
        raise BadShards(errors)
    in_order = [files[number] for number in range(len(files))]
    return Fetched(first_rank, SpooledRows(in_order, first_rank, rows), leaks)


def _iter_tasks(
    source: Source, block: Candidates, first_rank: int, spool_prefix: str, columns: Columns
) -> Iterator[GatherTask]:
    pieces = _share(_iter_pieces(source, block, first_rank, columns))
    for number, of_task in enumerate(pieces):
        path = f"{spool_prefix}-{number:06d}"
        yield GatherTask(of_task, source.reading, source.inspection, number, path)


def _share(pieces: Iterator[Piece]) -> Iterator[list[Piece]]:
    """Yield the pieces of each task."""
    shared: list[Piece] = []
    n_bytes = 0
    for piece in pieces:
        shard = piece.shard
        if shard.is_table or shard.guessed_bytes >= _SMALL_BYTES:
            yield [piece]
            continue
        shared.append(piece)
        n_bytes += shard.guessed_bytes
        if n_bytes >= _SHARED_BYTES or len(shared) == _SHARED_SHARDS:
            yield shared
            shared, n_bytes = [], 0
    if shared:
        yield shared


def _iter_pieces(
    source: Source, block: Candidates, first_rank: int, columns: Columns
) -> Iterator[Piece]:
    """Yield the candidates by shard and row: of one shard, or of a stretch of it."""
    parts_of = {
        index: list(parts) for index, parts in groupby(source.parts, lambda part: part.shard.index)
    }
    for ranks in _iter_ranks(source.shards, block, columns):
        index = int(block.shard[ranks[0]])
        rows = block.row[ranks]
        parts = _parts_with_lines(parts_of.get(index, []), rows)
        yield Piece(source.shards[index], ranks + first_rank, rows, block.offset[ranks], parts)


def _iter_ranks(
    shards: Sequence[Shard], block: Candidates, columns: Columns
) -> Iterator[NDArray[np.int64]]:
    """Yield the places in the block of each piece's candidates."""
    places = block.places(columns)
    by_place = columns.argsort(places)
    borders = np.searchsorted(places, np.arange(len(shards)) << SHARD_SHIFT, sorter=by_place)
    for shard, start, end in zip(shards, borders, np.append(borders[1:], len(block)), strict=True):
        ranks = by_place[start:end]
        if len(ranks) == 0:
            continue
        if shard.seekable and not shard.is_table:
            stretch = block.offset[ranks] // _TASK_BYTES
            yield from np.split(ranks, np.flatnonzero(np.diff(stretch)) + 1)
        else:
            yield ranks


def _parts_with_lines(
    parts: Sequence[Part], rows: NDArray[np.int64]
) -> tuple[tuple[str, int, int], ...]:
    """A shard's parts that hold rows, as ``Piece.parts``; none if one lacks their lines."""
    first_rows = [part.first_row for part in parts]
    places = np.unique(np.searchsorted(first_rows, rows, side="right") - 1)
    wanted = [parts[i] for i in places.tolist()] if parts else []
    if not all(part.summary.has_lines for part in wanted):
        return ()
    return tuple((part.path, part.first_row, part.start or 0) for part in wanted)
