"""Target files → examples by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zipsel.errors import BadShards, ShardError, UsageError
from zipsel.pool.finding import find_shards
from zipsel.pool.formats import STDIN
from zipsel.pool.shards import Shard
from zipsel.readers import iter_shard
from zipsel.readers.json_rows import RowParser
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import cut_lines
from zipsel.readers.rows import Reading
from zipsel.readers.stdin import STDIN_NAME, read_stdin
from zipsel.texts import TextBatch


def read_target(patterns: Sequence[str], reading: Reading) -> TextBatch:
    """Read all target examples.

    A target is small and every example counts, so a row without usable text is an error here.

    Raises:
        BadShards: If a file cannot be read, or a row has no usable text.
        UsageError: If there is no example at all.
    """
    texts: list[bytes] = []
    shards: list[Shard] = []
    errors: list[ShardError] = []
    if list(patterns) == [STDIN]:
        _take_lines(STDIN_NAME, iter([read_stdin()]), reading, texts, errors)
    else:
        shards, errors = find_shards(patterns, for_target=True)
    for shard in shards:
        try:
            _take_shard(shard, reading, texts, errors)
        except ShardError as error:
            errors.append(error)
    if errors:
        raise BadShards(errors, "Repair or remove them: every example of a target counts")
    if not texts and list(patterns) == [STDIN]:
        raise UsageError("standard input, which is to be the target, is empty")
    if not texts:
        raise UsageError(f"the target {' '.join(patterns)} has no example")
    return TextBatch.from_encoded(texts)


def _take_shard(
    shard: Shard,
    reading: Reading,
    texts: list[bytes],
    errors: list[ShardError],
) -> None:
    row = 0
    for rows in iter_shard(shard, reading):
        _take_rows(shard.path, rows, row, texts, errors)
        row += rows.n_rows


def _take_lines(
    path: str,
    pieces: Any,
    reading: Reading,
    texts: list[bytes],
    errors: list[ShardError],
) -> None:
    parser, row = RowParser(reading.text), 0
    for chunk in cut_lines(pieces, reading.max_row_bytes):
        for rows in iter_rows(chunk, parser, reading):
            _take_rows(path, rows, row, texts, errors)
            row += rows.n_rows


def _take_rows(
    path: str, rows: Any, first_row: int, texts: list[bytes], errors: list[ShardError]
) -> None:
    for i, (reason, snippet) in rows.rejects.items():
        shown = snippet.decode(errors="replace")[:60]
        errors.append(
            ShardError(path, f"row {first_row + i}: {reason} in a target example: {shown}")
        )
    texts.extend(rows.texts.iter_encoded())
