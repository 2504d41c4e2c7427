"""``manifest.json``: which files of an output directory zipsel wrote.

A file that no manifest of the directory lists is somebody else's, and is never written over. While
the files of a run get their names, the manifest is away and ``.zipsel-unfinished.json`` lists the
files of both runs, so that a run that was killed there can be repeated.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

import msgspec

from zipsel.errors import UsageError
from zipsel.output.subset_file import OutputFile
from zipsel.storage import paths

MANIFEST = "manifest.json"
UNFINISHED = ".zipsel-unfinished.json"
Command = Literal["select", "score", "demo"]


class SideFile(msgspec.Struct, frozen=True):
    """A file beside the subset.

    Attributes:
        name: Relative to the directory of the manifest.
        sha256: Of its bytes, hex; None where they hold times and differ from run to run.
        made: Digest of what decides the bytes, where the next run may find them up to date.
    """

    name: str
    sha256: str | None = None
    made: str = ""


class FittedProfile(msgspec.Struct, frozen=True):
    """The profile in the work directory that an output was made with.

    Attributes:
        key: Its name there.
        basis: Digest of the target, options and versions that it was fitted by.
    """

    key: str
    basis: str


class Manifest(msgspec.Struct, frozen=True):
    """What a command wrote into a directory.

    Attributes:
        command: Which command.
        run: Digest of everything that decides the bytes written; empty where none is taken.
        files: The subset's files.
        side_files: All others.
        made_from: Each option, version and set of input files → its value or digest.
        profile: What the next run may keep; None where a profile was given, or not kept.
        scores: Name of the folder in the work directory that has the scores of the choice.
        version: Of this structure.
    """

    command: Command
    run: str = ""
    files: list[OutputFile] = []
    side_files: list[SideFile] = []
    made_from: dict[str, str] = {}
    profile: FittedProfile | None = None
    scores: str = ""
    version: Literal[2] = 2

    @property
    def all_files(self) -> list[OutputFile | SideFile]:
        """The subset's files and all others."""
        return [*self.files, *self.side_files]

    @property
    def names(self) -> set[str]:
        """Names of all files."""
        return {file.name for file in self.all_files}

    def encode(self) -> bytes:
        """Indented JSON with a final newline."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def read_manifest(path: str) -> Manifest | None:
    """The manifest in a file; None if there is none that this version of zipsel wrote."""
    try:
        return msgspec.json.decode(paths.read_bytes(path), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        return None


def names_written(directory: str, found: list[str]) -> set[str]:
    """Names of the files that zipsel wrote into a directory, its manifests among them."""
    written: set[str] = set()
    for name in found:
        if name == UNFINISHED or (name.startswith("manifest") and name.endswith(".json")):
            manifest = read_manifest(os.path.join(directory, name))
            if manifest is not None:
                written |= {name, *manifest.names}
    return written


def refuse_foreign(
    option: str, directory: str, command: Command, is_written: Callable[[str], bool]
) -> None:
    """Raise ``UsageError`` if the run would write over a file that zipsel did not write."""
    found = paths.list_files(directory, below=command != "select")
    if not any(map(is_written, found)):
        return
    written = names_written(directory, found)
    foreign = sorted(name for name in found if is_written(name) and name not in written)
    if foreign:
        raise UsageError(
            f"{option}: {os.path.join(directory, foreign[0])} is not a file that zipsel wrote "
            f"(no {MANIFEST} there lists it), and this run would write over it; move it, or name "
            "another directory"
        )
    manifest = read_manifest(os.path.join(directory, MANIFEST)) if is_written(MANIFEST) else None
    if manifest is not None and manifest.command != command:
        raise UsageError(
            f"{option}: {directory} holds the output of zipsel {manifest.command}; "
            "name another directory"
        )
