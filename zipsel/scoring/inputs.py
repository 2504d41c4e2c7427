"""The files that a run reads."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from zipsel.errors import UsageError
from zipsel.pool.finding import find_shards
from zipsel.pool.shards import Shard
from zipsel.readers.target import TARGET_FORMATS, read_target
from zipsel.scoring.settings import ScoreSettings
from zipsel.texts import TextBatch

#: ``--target NAME=PATH``.
_NAMED = re.compile(r"([A-Za-z][\w.-]*)=(.+)")


def read_targets(settings: ScoreSettings) -> dict[str, TextBatch]:
    """The targets by name: one without a name, or several of ``--target NAME=PATH``.

    Raises:
        BadShards: As ``read_target``.
        UsageError: If only some are named, or a name has no examples.
    """
    patterns = _target_patterns(settings.target)
    if "" in patterns and len(patterns) > 1:
        raise UsageError("name all targets (--target NAME=PATH) or none of them")
    return {name: read_target(paths, settings.target_reading) for name, paths in patterns.items()}


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
    targets, _ = find_shards(patterns, TARGET_FORMATS)
    profile = [settings.profile] if settings.profile is not None else []
    return [shard.path for shard in (*shards, *targets)] + profile
