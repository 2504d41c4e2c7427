"""Texts of single records, read again from their shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from zipsel.errors import ShardError, UsageError
from zipsel.readers import ReadOptions, fetch, tables
from zipsel.readers.whole import iter_shard
from zipsel.row_parser import RowParser
from zipsel.rows import RowError, TextSpec
from zipsel.shards import Shard, open_shard
from zipsel.spool import text_of_row


def parse_record(name: str) -> tuple[str, int]:
    """Cut ``SHARD:ROW`` in two.

    Raises:
        UsageError: If it is not that.
    """
    shard, _, row = name.rpartition(":")
    if not shard or not row.isascii() or not row.isdigit():
        raise UsageError(f"--record {name!r}: write SHARD:ROW, such as pool/part-0.jsonl:17")
    return shard, int(row)


def read_record(path: str, row: int, spec: TextSpec, options: ReadOptions) -> str:
    """The text of one row.

    Raises:
        ShardError: If the shard cannot be read, ends before the row, or refuses it.
    """
    shard = open_shard(path, 0)
    if shard.is_table:
        n_rows = tables.count_rows(shard)
        found = fetch.iter_tables(shard, np.array([row])) if row < n_rows else iter(())
        for table in found:
            try:
                return text_of_row(table, 0, spec)
            except RowError as error:
                raise ShardError(path, f"row {row} is refused: {error.reason}") from None
        raise _past_end(path, row, n_rows)
    n_rows = 0
    for rows in iter_shard(shard, spec, options):
        at = row - n_rows
        if at < rows.n_rows:
            if at in rows.rejects:
                raise ShardError(path, f"row {row} is refused: {rows.rejects[at][0]}")
            text = rows.texts.take(np.flatnonzero(rows.accepted == at))
            return next(text.iter_texts())
        n_rows += rows.n_rows
    raise _past_end(path, row, n_rows)


def _past_end(path: str, row: int, n_rows: int) -> ShardError:
    return ShardError(path, f"has no row {row}: it has {n_rows:,}, counted from 0")


def iter_found(
    path: str, rows: Sequence[int], offsets: Sequence[int | None], spec: TextSpec, long: bool
) -> Iterator[tuple[int, str]]:
    """Yield ``(position, text)`` of rows of one shard that are known to have a text.

    Args:
        path: The shard.
        rows: Their rows.
        offsets: Byte offsets of the lines; None for tables.
        spec: Where the text is.
        long: Accept large zstd windows.

    Raises:
        ShardError: If the shard cannot be read, or has changed so that a row has no text.
    """
    shard: Shard = open_shard(path, 0)
    try:
        if shard.is_table:
            by_row = np.argsort(np.array(rows, np.int64), kind="stable")
            position = 0
            for table in fetch.iter_tables(shard, np.array(rows, np.int64)[by_row]):
                for i in range(len(table)):
                    yield int(by_row[position]), text_of_row(table, i, spec)
                    position += 1
            return
        places = np.array([offset or 0 for offset in offsets], np.int64)
        by_place = np.argsort(places, kind="stable")
        parser = RowParser(spec)
        lines = fetch.iter_lines(shard, places[by_place], long_windows=long)
        for at, line in zip(by_place.tolist(), lines, strict=False):
            yield at, parser.parse(line)[0]
    except RowError as error:
        raise ShardError(path, f"has changed since the run: a row is {error.reason} now") from None
