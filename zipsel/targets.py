"""Target files → examples by name."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from zipsel.errors import BadShards, ShardError, UsageError
from zipsel.finding import find_shards
from zipsel.readers import ReadOptions
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import cut_lines
from zipsel.readers.streams import iter_pieces
from zipsel.readers.whole import iter_shard
from zipsel.records import TextBatch
from zipsel.row_parser import RowParser
from zipsel.rows import TextSpec
from zipsel.settings import ScoreSettings
from zipsel.shards import POOL_FORMATS, STDIN, Shard, open_raw

_TARGET_FORMATS = (*POOL_FORMATS, "txt")

#: ``--target NAME=PATH``.
_NAMED = re.compile(r"([A-Za-z][\w.-]*)=(.+)")


def read_target(patterns: Sequence[str], spec: TextSpec, options: ReadOptions) -> TextBatch:
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
        data = sys.stdin.buffer.read()
        _take_lines(STDIN, iter([data]), spec, options, texts, errors)
    else:
        shards, errors = find_shards(patterns, _TARGET_FORMATS)
    for shard in shards:
        try:
            _take_shard(shard, spec, options, texts, errors)
        except ShardError as error:
            errors.append(error)
    if errors:
        raise BadShards(errors, "Repair or remove them: every example of a target counts")
    if not texts:
        raise UsageError(f"the target {' '.join(patterns)} has no example")
    return TextBatch.from_encoded(texts)


def _take_shard(
    shard: Shard,
    spec: TextSpec,
    options: ReadOptions,
    texts: list[bytes],
    errors: list[ShardError],
) -> None:
    if shard.format != "txt":
        row = 0
        for rows in iter_shard(shard, spec, options):
            _take_rows(shard.path, rows, row, texts, errors)
            row += rows.n_rows
        return
    with open_raw(shard) as file:
        pieces = iter_pieces(file, shard.path, shard.compression, long_windows=options.long_windows)
        try:
            text = b"".join(pieces).decode()
        except UnicodeDecodeError:
            raise ShardError(shard.path, "is no UTF-8 text") from None
        if not text.strip():
            raise ShardError(shard.path, "is an empty example")
        texts.append(text.encode())


def _take_lines(
    path: str,
    pieces: Any,
    spec: TextSpec,
    options: ReadOptions,
    texts: list[bytes],
    errors: list[ShardError],
) -> None:
    parser, row = RowParser(spec), 0
    for chunk in cut_lines(pieces, options.max_row_bytes):
        for rows in iter_rows(chunk, parser, options):
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


def read_targets(settings: ScoreSettings) -> dict[str, TextBatch]:
    """The targets by name: one without a name, or several of ``--target NAME=PATH``.

    Raises:
        BadShards: As ``read_target``.
        UsageError: If only some are named, or a name has no examples.
    """
    patterns = _target_patterns(settings.target)
    if "" in patterns and len(patterns) > 1:
        raise UsageError("name all targets (--target NAME=PATH) or none of them")
    return {
        name: read_target(paths, settings.target_text, settings.read)
        for name, paths in patterns.items()
    }


def _target_patterns(arguments: Sequence[str]) -> dict[str, list[str]]:
    """Files, directories and patterns by the target that they are examples of."""
    patterns: dict[str, list[str]] = {}
    for argument in arguments:
        match = _NAMED.fullmatch(argument)
        named = match is not None and not os.path.exists(argument)
        name, path = (match[1], match[2]) if match is not None and named else ("", argument)
        patterns.setdefault(name, []).append(path)
    return patterns


def input_paths(settings: ScoreSettings, shards: Sequence[Shard]) -> list[str]:
    """Every file that a run reads: pool, targets, profile."""
    patterns = [path for paths in _target_patterns(settings.target).values() for path in paths]
    targets, _ = find_shards(patterns, _TARGET_FORMATS)
    profile = [settings.profile] if settings.profile is not None else []
    return [shard.path for shard in (*shards, *targets)] + profile


def save_excluded(path: str, patterns: Sequence[str], settings: ScoreSettings) -> None:
    """Keep the texts of files that must not leak where workers find them.

    Raises:
        BadShards: If a file cannot be read.
    """
    texts = [
        (pattern, list(read_target([pattern], settings.target_text, settings.read).iter_texts()))
        for pattern in patterns
    ]
    with open(path, "wb") as file:
        file.write(msgspec.msgpack.encode(texts))
