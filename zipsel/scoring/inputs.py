"""Every file that a run reads, found once, with its role and its fingerprint.

The check that nothing is written over an input, the digest of "up to date", the engine's check of
paths and the report's provenance all ask this one list, so a file cannot be known to one of them
and forgotten by another.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import IO

from zipsel.engines import Engine
from zipsel.errors import BadShards, ProfileError, ShardError, UsageError
from zipsel.pool.finding import find_shards, names_many, would_find
from zipsel.pool.formats import STDIN
from zipsel.pool.shards import Shard, read_content
from zipsel.readers import refuse_without_effect
from zipsel.scoring.identify import identify
from zipsel.scoring.run import Run
from zipsel.scoring.targets import target_patterns
from zipsel.storage import paths

#: Role of an input → the option that names it.
_OPTIONS = {
    "pool": "POOL",
    "target": "--target",
    "profile": "--profile",
    "exclude": "--exclude-overlap",
    "held-out": "--eval-target",
    "tokenizer": "--tokenizer",
    "config": "--config",
}


@dataclass(frozen=True)
class InputFile:
    """One file that a run reads.

    Attributes:
        role: ``pool``, ``target``, ``profile``, ``exclude``, ``held-out``, ``tokenizer``,
            ``config``.
        path: As the user named it, or below the directory that the user named.
        fingerprint: Of its content; hex.
    """

    role: str
    path: str
    fingerprint: str


@dataclass(frozen=True)
class Inputs:
    """Every file that a run reads.

    Attributes:
        shards: The pool, without files that are skipped.
        skipped: Pool files that cannot be read and are left out, with their problems.
        files: All files, also the skipped ones.
        patterns: ``(role, pattern)``: the names by which the files were found.
    """

    shards: list[Shard]
    skipped: list[ShardError]
    files: tuple[InputFile, ...]
    patterns: tuple[tuple[str, str], ...]

    @classmethod
    def find(
        cls,
        run: Run,
        *,
        exclude: Sequence[str] = (),
        held_out: Sequence[str] = (),
        tokenizer: str | None = None,
    ) -> Inputs:
        """Find every file of a run.

        Args:
            run: Names pool, target, profile and configuration.
            exclude: Benchmarks that must not leak into the subset.
            held_out: Examples that the subset is measured on.
            tokenizer: A tokenizers JSON file.

        Raises:
            BadShards: If pool files cannot be read and are not to be skipped, or if a file of
                ``exclude`` or ``held_out`` is missing.
            UsageError: If a name of the latter is standard input, or tokenizer or configuration
                cannot be read.
        """
        settings = run.settings
        is_stdin = settings.pool == (STDIN,)
        shards, skipped = ([], []) if is_stdin else run.find_pool()
        files = [InputFile("pool", "/dev/fd/0", "")] if is_stdin else []
        files += [InputFile("pool", shard.path, shard.fingerprint) for shard in shards]
        files += [InputFile("pool", error.shard, "") for error in skipped]
        patterns = [("pool", pattern) for pattern in settings.pool]
        for role, names in (
            ("target", [path for of in target_patterns(settings.target).values() for path in of]),
            ("exclude", exclude),
            ("held-out", held_out),
        ):
            patterns += [(role, pattern) for pattern in names]
            files += _find_examples(role, names)
        refuse_without_effect(settings.reading, [file.path for file in files])
        for role, path in (
            ("profile", settings.profile),
            ("tokenizer", tokenizer),
            ("config", settings.config),
        ):
            if path is not None:
                files.append(InputFile(role, path, _digest_file(role, path)))
        return cls(shards, skipped, tuple(files), tuple(patterns))

    @cached_property
    def _identities(self) -> list[tuple[str, frozenset[str]]]:
        """Each input as messages name it, and the names that equal paths share."""
        return [
            (f"{file.path} ({_OPTIONS[file.role]})", paths.identities_of(file.path))
            for file in self.files
        ]

    def paths(self, *roles: str) -> list[str]:
        """Paths of the files in some roles, or of all."""
        return [file.path for file in self.files if not roles or file.role in roles]

    def identify(self, run: Run, engine: Engine) -> Inputs:
        """The inputs with the fingerprint of each shard's content.

        Raises:
            BadShards: If shards cannot be read and are not to be skipped, or no others are left.
            OutputError: If the work directory cannot be written.
        """
        shards, errors = identify(run, engine, self.shards)
        by_path = {shard.path: shard.fingerprint for shard in shards}
        files = tuple(
            replace(one, fingerprint=by_path[one.path])
            if one.role == "pool" and one.path in by_path
            else one
            for one in self.files
        )
        return replace(self, shards=shards, files=files).leave_out(errors, run)

    def leave_out(self, errors: Sequence[ShardError], run: Run) -> Inputs:
        """The inputs without some files of the pool that turned out to be bad.

        Raises:
            BadShards: If bad files are not to be skipped, or no others are left.
        """
        shards = run.leave_out(errors, self.shards)
        return replace(self, shards=shards, skipped=[*self.skipped, *errors])

    def refuse_overwriting(self, option: str, output: str, *, below: bool = False) -> None:
        """Raise if an output is an input, or (``below``) a directory that an input is in.

        Symbolic links, hard links and other spellings of a path or URL are the same file.

        Raises:
            UsageError: Naming the input and the option that it comes from.
        """
        _refuse_overwriting(option, output, self._identities, below=below)

    def refuse_found_later(self, option: str, output: str, files: Iterable[str]) -> None:
        """Raise ``UsageError`` if the next run would read files of this run's output as inputs."""
        patterns = [pair for pair in self.patterns if names_many(pair[1])]
        for path in files:
            for role, pattern in patterns:
                if would_find(pattern, path, for_target=role != "pool"):
                    raise UsageError(
                        f"{option} {output}: the next run would read {path} as an input, because "
                        f"{_OPTIONS[role]} {pattern} takes it in; name a place outside"
                    )

    def refuse_stdout(self, stdout: IO[bytes]) -> None:
        """Raise ``UsageError`` if standard output is redirected to an input, naming the input."""
        try:
            place = f"/dev/fd/{stdout.fileno()}"
        except (OSError, ValueError):  # a buffer, not a file of the operating system
            return
        if os.path.isfile(place):
            self.refuse_overwriting("standard output", place)

    def refuse_work_dir(self, work_dir: str) -> None:
        """Raise ``UsageError`` if the work directory would clear inputs away, or be read as one."""
        option = "--work-dir"
        self.refuse_overwriting(option, os.path.join(work_dir, "spool"), below=True)
        self.refuse_found_later(option, work_dir, [os.path.join(work_dir, "scores", "a.parquet")])


def refuse_overwriting(option: str, output: str, inputs: Iterable[str]) -> None:
    """Raise ``UsageError`` if an output is an input, whatever the spelling of its path."""
    found = ((path, paths.identities_of(path)) for path in inputs)
    _refuse_overwriting(option, output, found, below=False)


def _refuse_overwriting(
    option: str, output: str, inputs: Iterable[tuple[str, frozenset[str]]], *, below: bool
) -> None:
    place = paths.identities_of(output)
    directories = tuple(f"{one}/" for one in place)
    for name, identities in inputs:
        inside = below and any(one.startswith(directories) for one in identities)
        if inside or identities & place:
            raise UsageError(
                f"{option} {output} would write over the input {name}; name another place"
            )


def _find_examples(role: str, names: Sequence[str]) -> list[InputFile]:
    if role != "target" and STDIN in names:
        raise UsageError(
            f"{_OPTIONS[role]} - : standard input can be the pool or the target only; name a file"
        )
    shards, errors = find_shards([name for name in names if name != STDIN], for_target=True)
    if errors and role != "target":  # reading the target reports all its errors at once
        raise BadShards(errors, f"Repair them, or leave them out of {_OPTIONS[role]}")
    return [InputFile(role, shard.path, read_content(shard).fingerprint) for shard in shards]


def _digest_file(role: str, path: str) -> str:
    try:
        return blake2b(paths.read_bytes(path), digest_size=16).hexdigest()
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
        if role == "profile":
            raise ProfileError(f"{path}: {problem}") from None
        raise UsageError(f"{_OPTIONS[role]} {path}: {problem}") from None
