"""The targets of a run: which files are examples of which target, and their texts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from glob import glob

from zipsel.errors import UsageError
from zipsel.readers.target import read_target
from zipsel.scoring.settings import RunSettings
from zipsel.texts import TextBatch

#: ``--target NAME=PATH``.
_NAMED = re.compile(r"([A-Za-z][\w.-]*)=(.+)")


def read_targets(settings: RunSettings) -> dict[str, TextBatch]:
    """The targets by name: one without a name, or several of ``--target NAME=PATH``.

    Raises:
        BadShards: As ``read_target``.
        UsageError: If only some are named, or a name has no examples.
    """
    patterns = target_patterns(settings.target)
    if "" in patterns and len(patterns) > 1:
        raise UsageError("name all targets (--target NAME=PATH) or none of them")
    return {name: read_target(paths, settings.target_reading) for name, paths in patterns.items()}


def target_patterns(arguments: Sequence[str]) -> Mapping[str, list[str]]:
    """Files, directories and patterns by the target that they are examples of."""
    patterns: dict[str, list[str]] = {}
    for argument in arguments:
        match = _NAMED.fullmatch(argument)
        if match is None or _is_path(argument):
            patterns.setdefault("", []).append(argument)
        else:
            patterns.setdefault(match[1], []).append(match[2])
    return patterns


def _is_path(argument: str) -> bool:
    """Whether ``a=b`` is the name of a file or a folder, such as Hive's ``lang=en/``."""
    return os.path.exists(argument) or bool(glob(argument.split("/")[0]))
