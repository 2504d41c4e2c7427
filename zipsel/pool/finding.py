"""Files, directories, globs and URLs → the shards that they name."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from fnmatch import fnmatchcase

from zipsel.errors import ShardError
from zipsel.pool import hf_datasets
from zipsel.pool.formats import STDIN, is_meant, split_suffix, suffix_list
from zipsel.pool.known import KnownFiles
from zipsel.pool.shards import Shard, look_ahead, open_shard
from zipsel.storage import remote

#: Files that tools, this one among them, write beside shards and that hold no records.
_NOT_SHARDS = frozenset(
    {"manifest.json", "report.json", "rejects.jsonl", "leaks.jsonl", "chosen.feather",
     *hf_datasets.SIDE_FILES}
)  # fmt: skip


def find_shards(
    patterns: Sequence[str],
    *,
    for_target: bool = False,
    passed_over: list[str] | None = None,
    known: KnownFiles | None = None,
) -> tuple[list[Shard], list[ShardError]]:
    """Find the files that patterns name, in the order given, directories sorted by path.

    A file named twice is read once. Every bad file is reported, not the first alone.

    Args:
        patterns: Files, directories, patterns and URLs.
        for_target: Whether formats are accepted that targets alone are made of.
        passed_over: Takes the files in directories that are of no known format.
        known: Files that earlier runs read.

    Returns:
        The shards, and an error for each name under which no readable file stands.
    """
    shards: list[Shard] = []
    seen: set[str] = set()
    finder = _Finder(for_target)
    for pattern in patterns:
        for path, listed in look_ahead(finder.expand(pattern), known):
            real = os.path.realpath(path)
            if real in seen:
                continue
            seen.add(real)
            try:
                shard = open_shard(
                    path, len(shards), for_target=for_target, known=known, listed=listed
                )
                shards.append(shard)
            except ShardError as error:
                finder.errors.append(error)
    if passed_over is not None:
        passed_over.extend(finder.passed_over)
    return shards, finder.errors


class _Finder:
    """Finds the files behind names."""

    def __init__(self, for_target: bool) -> None:
        self.errors: list[ShardError] = []
        self.passed_over: list[str] = []
        self._for_target = for_target

    def expand(self, pattern: str) -> dict[str, remote.Description | None]:
        """The files behind one argument, and what a store's listing says of each.

        What is wrong with it becomes an error.
        """
        if pattern == STDIN:
            problem = "standard input cannot be read here; save it to a file and name that"
            self.errors.append(ShardError(pattern, problem))
            return {}
        if remote.is_remote(pattern):
            try:
                return remote.find(pattern, self._is_wanted)
            except ShardError as error:
                self.errors.append(error)
                return {}
        n_errors = len(self.errors)
        if os.path.isdir(pattern):
            paths = self._files_below(pattern)
            problem = f"no file below it ends in {suffix_list(self._for_target)}"
        elif os.path.lexists(pattern):
            return {pattern: None}
        else:
            paths = []
            for path in sorted(glob.glob(pattern, recursive=True)):
                paths += self._files_below(path) if os.path.isdir(path) else [path]
            problem = "no such file, and no file matches it as a pattern"
        if not paths and len(self.errors) == n_errors:
            self.errors.append(ShardError(pattern, problem))
        return dict.fromkeys(paths)

    def _is_wanted(self, path: str) -> bool:
        name = os.path.basename(path)
        if _is_by_product(name):
            return False
        if not is_meant(name, self._for_target):
            self.passed_over.append(path)
            return False
        return True

    def _files_below(self, directory: str) -> list[str]:
        """Shards below a directory; hidden and underscored folders are not looked into."""
        visited: set[str] = set()
        paths: list[str] = []

        def note(error: OSError) -> None:
            problem = (error.strerror or str(error)).lower()
            self.errors.append(ShardError(str(error.filename), problem))

        for parent, directories, names in os.walk(directory, onerror=note, followlinks=True):
            real = os.path.realpath(parent)
            if real in visited:  # a symbolic link back up
                directories.clear()
                continue
            visited.add(real)
            self.errors.extend(hf_datasets.missing_files(parent, names))
            directories[:] = sorted(name for name in directories if name[0] not in "._")
            paths += [os.path.join(parent, name) for name in names]
        return sorted(filter(self._is_wanted, paths))


def names_many(pattern: str) -> bool:
    """Whether a pattern may name files that do not exist yet: a directory, or with wildcards."""
    local = remote.local_path(pattern)
    if local is None:
        return _has_wildcards(pattern) or split_suffix(pattern)[0] is None
    return os.path.isdir(local) or (_has_wildcards(local) and not os.path.lexists(local))


def _has_wildcards(path: str) -> bool:
    return any(character in path for character in "*?[")


def would_find(pattern: str, path: str, *, for_target: bool = False) -> bool:
    """Whether ``find_shards`` would take a file of this path, once it is there, for a shard."""
    folder, place = remote.local_path(pattern), remote.local_path(path)
    if folder is None or place is None:
        if folder is not None or place is not None:
            return False
        folder, place = remote.canonical(pattern), remote.canonical(path)
    else:
        folder, place = os.path.abspath(folder), os.path.abspath(place)
    is_far = remote.is_remote(folder)
    if _has_wildcards(folder) and not os.path.isdir(folder):
        pattern_names, names = folder.split("/"), place.split("/")
        return _matches(pattern_names, names) or any(
            _matches(pattern_names, names[:i]) and _is_found_below(names[i:], is_far, for_target)
            for i in range(1, len(names))
        )
    if not is_far:
        folder, place = os.path.realpath(folder), os.path.realpath(place)
    if not place.startswith(f"{folder.rstrip('/')}/"):
        return False
    return _is_found_below(place[len(folder) :].lstrip("/").split("/"), is_far, for_target)


def _is_found_below(names: Sequence[str], is_far: bool, for_target: bool) -> bool:
    """Whether a directory's file is a shard, by the parts of its path from there."""
    *folders, name = names
    hidden = not is_far and any(one[0] in "._" for one in folders)
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
    return is_meant(name, for_target) and not _is_by_product(name)


def _is_by_product(name: str) -> bool:
    """Whether a file name is hidden, or that of a file beside data that holds no records."""
    return name[:1] in "._" or name in _NOT_SHARDS or hf_datasets.is_cache(name)
