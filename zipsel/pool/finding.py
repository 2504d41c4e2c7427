"""Files, directories, globs and URLs → the shards that they name."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from zipsel.errors import ShardError
from zipsel.pool import hf_datasets
from zipsel.pool.formats import (
    FOREIGN_COMPRESSIONS,
    STDIN,
    known_suffixes,
    split_suffix,
    suffix_list,
)
from zipsel.pool.shards import Shard, open_shard
from zipsel.storage import remote

#: Files that tools, this one among them, write beside shards and that hold no records.
_NOT_SHARDS = frozenset(
    {"manifest.json", "report.json", "rejects.jsonl", "leaks.jsonl", "chosen.feather",
     *hf_datasets.SIDE_FILES}
)  # fmt: skip


def find_shards(
    patterns: Sequence[str], *, for_target: bool = False
) -> tuple[list[Shard], list[ShardError]]:
    """Find the files that patterns name, in the order given, directories sorted by path.

    A file named twice is read once. Every bad file is reported, not the first alone.

    Args:
        patterns: Files, directories, patterns and URLs.
        for_target: Whether formats are accepted that targets alone are made of.

    Returns:
        The shards, and an error for each name under which no readable file stands.
    """
    shards: list[Shard] = []
    errors: list[ShardError] = []
    seen: set[str] = set()
    for pattern in patterns:
        for path in _expand(pattern, for_target, errors):
            real = os.path.realpath(path)
            if real in seen:
                continue
            seen.add(real)
            try:
                shards.append(open_shard(path, len(shards), for_target=for_target))
            except ShardError as error:
                errors.append(error)
    return shards, errors


def _expand(pattern: str, for_target: bool, errors: list[ShardError]) -> list[str]:
    """The files behind one argument; what is wrong with it is appended to ``errors``."""
    if pattern == STDIN:
        problem = "standard input cannot be read here; save it to a file and name that"
        errors.append(ShardError(pattern, problem))
        return []
    if remote.is_remote(pattern):
        try:
            return remote.expand(pattern, lambda name: _is_shard_name(name, for_target))
        except ShardError as error:
            errors.append(error)
            return []
    if os.path.isdir(pattern):
        n_errors = len(errors)
        paths = sorted(_walk(pattern, for_target, errors))
        if not paths and len(errors) == n_errors:
            errors.append(
                ShardError(pattern, f"no file below it ends in {suffix_list(for_target)}")
            )
        return paths
    if os.path.lexists(pattern):
        return [pattern]
    found = glob.glob(pattern, recursive=True)
    paths = sorted(path for path in found if not os.path.isdir(path))
    if not paths:
        errors.append(ShardError(pattern, "no such file, and no file matches it as a pattern"))
    return paths


def _walk(directory: str, for_target: bool, errors: list[ShardError]) -> Iterator[str]:
    """Shards below a directory; hidden and underscored names and known by-products are not."""
    visited: set[str] = set()

    def note(error: OSError) -> None:
        errors.append(ShardError(str(error.filename), (error.strerror or str(error)).lower()))

    for parent, directories, names in os.walk(directory, onerror=note, followlinks=True):
        real = os.path.realpath(parent)
        if real in visited:  # a symbolic link back up
            directories.clear()
            continue
        visited.add(real)
        errors.extend(hf_datasets.missing_files(parent, names))
        directories[:] = sorted(name for name in directories if name[0] not in "._")
        for name in names:
            if _is_shard_name(name, for_target):
                yield os.path.join(parent, name)


def names_many(pattern: str) -> bool:
    """Whether a pattern may name files that do not exist yet: a directory, or with wildcards."""
    local = remote.local_path(pattern)
    if local is None:
        return _has_wildcards(pattern) or split_suffix(pattern)[0] is None
    return os.path.isdir(local) or (_has_wildcards(local) and not os.path.lexists(local))


def _has_wildcards(path: str) -> bool:
    return any(character in path for character in "*?[")


def would_find(pattern: str, path: str, *, for_target: bool = False) -> bool:
    """Whether ``find_shards`` would take a file of this path, once it is there, for a shard.

    Args:
        pattern: A directory, or a pattern with wildcards.
        path: Of a file that need not exist.
        for_target: As for ``find_shards``.
    """
    folder, place = remote.local_path(pattern), remote.local_path(path)
    if folder is None or place is None:
        if folder is not None or place is not None:
            return False
        folder, place = remote.canonical(pattern), remote.canonical(path)
    else:
        folder, place = os.path.abspath(folder), os.path.abspath(place)
    if _has_wildcards(folder) and not os.path.isdir(folder):
        return _matches(folder.split("/"), place.split("/"))
    if not remote.is_remote(folder):
        folder, place = os.path.realpath(folder), os.path.realpath(place)
    if not place.startswith(f"{folder.rstrip('/')}/"):
        return False
    *folders, name = place[len(folder) :].lstrip("/").split("/")
    hidden = not remote.is_remote(folder) and any(one[0] in "._" for one in folders)
    return not hidden and _is_shard_name(name, for_target)


def _matches(pattern: list[str], names: list[str]) -> bool:
    """Whether the parts of a path match those of a pattern, as ``glob`` sees it."""
    if not pattern or not names:
        return pattern == names or pattern == ["**"]
    if pattern[0] == "**":
        rest = not names[0].startswith(".") and _matches(pattern, names[1:])
        return rest or _matches(pattern[1:], names)
    hidden = names[0].startswith(".") and not pattern[0].startswith(".")
    return not hidden and fnmatchcase(names[0], pattern[0]) and _matches(pattern[1:], names[1:])


def _is_shard_name(name: str, for_target: bool) -> bool:
    return (
        name[:1] not in "._"
        and name not in _NOT_SHARDS
        and not hf_datasets.is_cache(name)
        and _looks_like_shard(name, for_target)
    )


def _looks_like_shard(name: str, for_target: bool) -> bool:
    """Whether a file in a directory is meant: also one in a compression that is not read.

    It is refused later, by name; passing it over would lose its rows in silence.
    """
    stem, suffix = os.path.splitext(name.lower())
    if suffix in FOREIGN_COMPRESSIONS:
        return os.path.splitext(stem)[1] in known_suffixes(True)
    kind, _ = split_suffix(name)
    return kind is not None and (for_target or not kind.is_target_only)
