"""Where a run's files stand, and whether they are up to date.

A directory holds the subset's shards and, beside them, ``manifest.json``, ``report.json`` and
``rejects.jsonl``. A single output file has the same in ``FILE.zipsel/``. The manifest comes last
and names the run that made the rest, so an unfinished output is never taken for a whole one.

All of it may stand behind a URL. The old manifest is removed first, then the files are uploaded in
order, the new manifest last. During the uploads, and after a run that was killed during them, a
reader sees whole objects of both runs and no manifest, until the run is repeated.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

import msgspec

from zipsel.engines import Engine
from zipsel.errors import OutputError, UsageError
from zipsel.output.manifest import (
    MANIFEST,
    UNFINISHED,
    FittedProfile,
    Manifest,
    SideFile,
    names_written,
    read_manifest,
    refuse_foreign,
)
from zipsel.output.subset import SubsetWriter
from zipsel.output.subset_file import OutputFile, sha256_of
from zipsel.pool.formats import format_of_suffix, is_data_file
from zipsel.scoring.inputs import Inputs
from zipsel.storage import paths
from zipsel.storage.remote import is_remote
from zipsel.storage.staging import Staging, staged_files, sweep_temporaries
from zipsel.storage.workdir import digest_of

#: Files beside the subset that differ from run to run, because they hold times.
_TIMED = frozenset({"report.json", "report.html", "README.md"})

#: Files beside the subset that zipsel always writes; README.md is left to a user
#: who has one.
_SIDE_FILES = frozenset(
    {MANIFEST, "report.json", "report.html", "rejects.jsonl", "leaks.jsonl", "chosen.feather"}
)


def _is_subset_name(name: str) -> bool:
    return re.fullmatch(r"subset-\d{5,}\.(jsonl(\.gz|\.zst)?|parquet)", name) is not None


@dataclass(frozen=True)
class Output:
    """The place that ``--output`` names."""

    path: str

    @property
    def is_stdout(self) -> bool:
        """Whether it is standard output."""
        return self.path == "-"

    @property
    def is_file(self) -> bool:
        """Whether it is one file: its suffix says so and it is no existing directory."""
        return (
            not self.is_stdout
            and bool(format_of_suffix(self.path))
            and not os.path.isdir(self.path)
        )

    @property
    def side_directory(self) -> str:
        """Where manifest, report and rejects stand."""
        return f"{self.path}.zipsel" if self.is_file else self.path

    @property
    def subset_directory(self) -> str:
        """Where the subset's files stand."""
        return paths.directory_of(self.path) if self.is_file else self.path

    def side_file(self, name: str) -> str:
        """Path of a file beside the subset."""
        return os.path.join(self.side_directory, name)

    def refuse(self, inputs: Inputs, stdout: IO[bytes]) -> None:
        """Raise if the run would write over an input, or into what the next run reads.

        Raises:
            UsageError: Naming the input.
        """
        if self.is_stdout:
            inputs.refuse_stdout(stdout)
            return
        known = (
            "name a .jsonl, .jsonl.gz, .jsonl.zst or .parquet file, a directory, or - for "
            "standard output"
        )
        if os.path.lexists(self.path) and not os.path.isdir(self.path) and not self.is_file:
            raise UsageError(
                f"--output {self.path} is a file whose suffix names no format; {known}"
            )
        if not self.is_file and not os.path.isdir(self.path) and is_data_file(self.path):
            raise UsageError(f"--output {self.path}: that format is read, not written; {known}")
        if self.is_file:
            paths.refuse_no_file("--output", self.path)
        inputs.refuse_overwriting("--output", self.path, below=not self.is_file)
        inputs.refuse_overwriting("--output", self.side_directory, below=True)
        if self.is_file:
            self._refuse_foreign_file()
        refuse_foreign(
            f"--output {self.path}",
            self.side_directory,
            "select",
            lambda name: name in _SIDE_FILES or (not self.is_file and _is_subset_name(name)),
        )
        first = self.path if self.is_file else self.side_file("subset-00000.jsonl")
        inputs.refuse_found_later("--output", self.path, [first, self.side_file(MANIFEST)])

    def _refuse_foreign_file(self) -> None:
        """Raise ``UsageError`` if the file holds anything that zipsel did not write."""
        try:
            is_empty = paths.size_of(self.path) == 0
        except OSError:  # there is none
            return
        written = names_written(self.side_directory, paths.list_files(self.side_directory))
        if not is_empty and os.path.basename(self.path) not in written:
            raise UsageError(
                f"--output {self.path} is not a file that zipsel wrote (no "
                f"{self.side_file(MANIFEST)} lists it), and this run would write over it; move "
                "it, or name another file"
            )

    def refuse_report(self, path: str) -> None:
        """Raise if another copy of the report would take the place of a file of the output.

        Raises:
            UsageError: Naming the file.
        """
        directory, name = os.path.split(path)
        beside = paths.identities_of(directory or ".") & paths.identities_of(self.side_directory)
        is_taken = name in (_SIDE_FILES | _TIMED) - {"report.json"} or _is_subset_name(name)
        is_output = self.is_file and paths.identities_of(path) & paths.identities_of(self.path)
        if is_output or (beside and is_taken):
            raise UsageError(
                f"--report {path} is a file that --output {self.path} writes; name another file"
            )

    def read_manifest(self) -> Manifest | None:
        """The manifest of a finished run, if one is here."""
        return read_manifest(self.side_file(MANIFEST))

    def is_up_to_date(self, made_from: Mapping[str, str]) -> bool:
        """Whether the run's output is here, whole and as it was written."""
        manifest = None if self.is_stdout else self.read_manifest()
        if manifest is None or manifest.run != digest_of(made_from):
            return False
        here = set(paths.list_files(self.side_directory))
        if UNFINISHED in here or not here.issuperset(one.name for one in manifest.side_files):
            return False
        try:
            msgspec.json.decode(paths.read_bytes(self.side_file("report.json")))
            return all(self._is_whole(file) for file in manifest.all_files)
        except (OSError, msgspec.MsgspecError):
            return False

    def _is_whole(self, file: OutputFile | SideFile) -> bool:
        """Whether a file has the size, and if it was changed later, the bytes that were written.

        A file older than the manifest was not changed since, so its bytes are not read. Its status
        has to be older too, since ``cp -p`` and rsync set the time of modification. Of an object
        behind a URL only the size is compared.
        """
        directory = self.side_directory
        if isinstance(file, OutputFile):
            directory = self.subset_directory
            if paths.size_of(os.path.join(directory, file.name)) != file.n_bytes:
                return False
        path = os.path.join(directory, file.name)
        if file.sha256 is None or is_remote(path):
            return True
        found, written = os.stat(path), os.stat(self.side_file(MANIFEST))
        is_older = found.st_mtime_ns < written.st_mtime_ns
        is_older &= found.st_ctime_ns < written.st_ctime_ns
        return is_older or sha256_of(path) == file.sha256

    def write_subset(
        self, writer: SubsetWriter, shard_bytes: int, staging: Staging, engine: Engine
    ) -> list[OutputFile]:
        """Write the subset's files, not yet under their names."""

        def path_of(i: int) -> str:
            return os.path.join(self.path, f"subset-{i:05d}.{writer.format}")

        if self.is_file:
            return writer.write_files(lambda _: self.path, None, staging, engine)
        return writer.write_files(path_of, shard_bytes, staging, engine)

    def finish(
        self,
        made_from: Mapping[str, str],
        files: list[OutputFile],
        profile: FittedProfile | None,
        staging: Staging,
        scores: str = "",
    ) -> None:
        """Let everything staged appear, the manifest last.

        The manifest of an earlier run goes first; then its files that are not written over.
        """
        staged = staging.names_in(self.side_directory)
        side_files = [
            SideFile(name, None if name in _TIMED else sha256_of(temporary))
            for name, temporary in sorted(staged.items())
            if name in _SIDE_FILES | _TIMED
        ]
        run = digest_of(made_from)
        manifest = Manifest("select", run, files, side_files, dict(made_from), profile, scores)
        with staging.open(self.side_file(MANIFEST)) as file:
            file.write(manifest.encode())
        staging.check()
        before = names_written(self.side_directory, paths.list_files(self.side_directory))
        both = [SideFile(name) for name in sorted(before | manifest.names)]
        with staged_files(staging.around) as ahead:
            with ahead.open(self.side_file(UNFINISHED)) as file:
                file.write(Manifest("select", side_files=both).encode())
            ahead.commit()
        paths.remove(self.side_file(MANIFEST))
        staging.commit()
        for name in before - manifest.names - {MANIFEST}:
            if _is_subset_name(name) or name == UNFINISHED:
                paths.remove(os.path.join(self.subset_directory, name))
        paths.remove(self.side_file(UNFINISHED))

    def check_writable(self) -> None:
        """Find out before the work whether the output can be written; an ``OutputError`` if not."""
        if self.is_stdout:
            return
        if is_remote(self.path):
            paths.check_writable(self.side_file(MANIFEST))
            return
        try:
            os.makedirs(self.side_directory, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror}") from None
        for directory in {self.side_directory, self.subset_directory}:
            if not os.access(directory, os.W_OK | os.X_OK):
                raise OutputError(f"cannot write {self.path}: {directory} is not writable")
        sweep_temporaries(self.side_directory)
        if self.is_file:
            sweep_temporaries(self.subset_directory, f".{os.path.basename(self.path)}")
