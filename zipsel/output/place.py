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
from dataclasses import dataclass
from typing import IO

import msgspec

from zipsel.engines import Engine
from zipsel.errors import OutputError, UsageError
from zipsel.output.subset import OutputFile, SubsetWriter
from zipsel.pool.formats import format_of_suffix
from zipsel.scoring.inputs import Inputs
from zipsel.storage import paths
from zipsel.storage.remote import is_remote
from zipsel.storage.staging import Staging, sweep_temporaries

_MANIFEST = "manifest.json"


class Manifest(msgspec.Struct, frozen=True):
    """What an output is.

    Attributes:
        run: Digest of everything that decides the bytes written.
        files: The subset's files.
        version: Of this structure.
    """

    run: str
    files: list[OutputFile]
    version: int = 1


@dataclass(frozen=True)
class Output:
    """The place that ``--output`` names.

    Attributes:
        path: As given.
    """

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
        if os.path.isfile(self.path) and not self.is_file:
            raise UsageError(
                f"--output {self.path} is a file whose suffix names no format; "
                "use .jsonl, .jsonl.gz, .jsonl.zst or .parquet, or a directory"
            )
        inputs.refuse_overwriting("--output", self.path, below=not self.is_file)
        inputs.refuse_overwriting("--output", self.side_directory, below=True)
        first = self.path if self.is_file else self.side_file("subset-00000.jsonl")
        inputs.refuse_found_later("--output", self.path, [first, self.side_file(_MANIFEST)])

    def read_manifest(self) -> Manifest | None:
        """The manifest of a finished run, if one stands here."""
        try:
            return msgspec.json.decode(paths.read_bytes(self.side_file(_MANIFEST)), type=Manifest)
        except (OSError, msgspec.MsgspecError):
            return None

    def is_up_to_date(self, run: str) -> bool:
        """Whether the run's output stands here, whole."""
        manifest = None if self.is_stdout else self.read_manifest()
        if manifest is None or manifest.run != run:
            return False
        try:
            return all(
                paths.size_of(os.path.join(self.subset_directory, file.name)) == file.n_bytes
                for file in manifest.files
            )
        except OSError:
            return False

    def write_subset(
        self, writer: SubsetWriter, shard_bytes: int, staging: Staging, engine: Engine
    ) -> list[OutputFile]:
        """Write the subset's files, not yet under their names.

        Several files are written at once, by the engine.

        Raises:
            OutputError: If the rows have no common schema.
        """
        if self.is_file:
            return [writer.write_file(self.path, staging)]
        return writer.write_directory(self.path, shard_bytes, staging, engine)

    def finish(self, run: str, files: list[OutputFile], staging: Staging) -> None:
        """Let everything staged appear, the manifest last.

        The manifest of an earlier run goes first; then its files that are not written over.
        """
        before = self.read_manifest()
        encoded = msgspec.json.encode(Manifest(run, files))
        with staging.open(self.side_file(_MANIFEST)) as file:
            file.write(msgspec.json.format(encoded, indent=1) + b"\n")
        paths.remove(self.side_file(_MANIFEST))
        staging.commit()
        written = {file.name for file in files}
        for old in before.files if before else ():
            if old.name not in written:
                paths.remove(os.path.join(self.subset_directory, os.path.basename(old.name)))

    def check_writable(self) -> None:
        """Find out before the work whether the output can be written.

        Raises:
            OutputError: If not.
            StorageError: If its provider cannot be reached.
        """
        if self.is_stdout:
            return
        if is_remote(self.path):
            paths.check_writable(self.side_file(_MANIFEST))
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
