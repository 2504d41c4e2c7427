"""A finished run, opened again from the directory that it left."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import msgspec
import pyarrow as pa

from zipsel.errors import ShardError, UsageError
from zipsel.output.chosen import FILE_NAME, read_chosen
from zipsel.output.place import Output
from zipsel.pool.shards import Shard, open_shard, read_content
from zipsel.readers.fetch import iter_found
from zipsel.report.model import SCHEMA_VERSION, Provenance, Report
from zipsel.scoring.inputs import Inputs
from zipsel.scoring.settings import RunSettings
from zipsel.storage.paths import read_bytes
from zipsel.storage.remote import is_remote


@dataclass(frozen=True)
class FinishedRun:
    """What ``select`` left: the report, and the directory where report and manifest stand."""

    directory: str
    report: Report

    @cached_property
    def chosen(self) -> pa.Table:
        """The chosen records, best first; an ``OutputError`` if the table cannot be read."""
        return read_chosen(os.path.join(self.directory, FILE_NAME))

    def open_shard(self, path: str) -> Shard:
        """A shard of the run's pool, if it is still the file that the run read.

        Raises:
            ShardError: If the shard is gone, or has changed since the run.
        """
        found = self.locate(path)
        wanted = {shard.path: shard.fingerprint for shard in self.report.shards}.get(path)
        shard = open_shard(found, 0)
        fingerprint = read_content(shard).fingerprint
        if fingerprint != wanted:
            raise ShardError(
                found,
                f"has changed since the run of {self.directory} (fingerprint "
                f"{fingerprint[:8]}, then {str(wanted)[:8]}), so its rows may be other ones; "
                "run the select again",
            )
        return shard

    def texts_at(self, ranks: Sequence[int]) -> tuple[list[str], list[ShardError]]:
        """Texts of chosen records, by their ranks from 1, read again.

        Returns:
            The texts, empty where a shard is gone or has changed since the run, and an error for
            each such shard.
        """
        texts = [""] * len(ranks)
        errors: list[ShardError] = []
        origin = self.report.provenance
        if origin is None:
            return texts, errors
        wanted = pa.array([rank - 1 for rank in ranks], pa.int64())
        rows = self.chosen.select(["shard", "row", "offset"]).take(wanted)
        places: dict[str, list[tuple[int, int, int | None]]] = {}
        for i, row in enumerate(rows.to_pylist()):
            places.setdefault(row["shard"], []).append((i, row["row"], row["offset"]))
        for path, found in places.items():
            numbers, shard_rows, offsets = zip(*found, strict=True)
            try:
                shard = self.open_shard(path)
                for at, text in iter_found(shard, shard_rows, offsets, origin.reading):
                    texts[numbers[at]] = text
            except ShardError as error:
                errors.append(error)
        return texts, errors

    def input_paths(self) -> list[str]:
        """Files that an output may not replace: the run's own, and what the run has read."""
        report = self.report
        names = ["report.json", "manifest.json", FILE_NAME]
        subset = os.path.dirname(self.directory) if self.is_beside_file else self.directory
        found = [os.path.join(self.directory, name) for name in names]
        found += [os.path.join(subset, str(output["name"])) for output in report.outputs]
        found += [self.locate(shard.path) for shard in report.shards]
        if report.provenance is not None:
            found += [self.locate(file.path) for file in report.provenance.inputs]
            found.append(report.provenance.profile)
        return found

    @property
    def is_beside_file(self) -> bool:
        """Whether the subset is one file, beside the directory of the report."""
        return self.directory.endswith(".zipsel")

    def locate(self, path: str) -> str:
        """Where a path of the report leads from here."""
        origin = self.report.provenance
        return path if origin is None or is_remote(path) else os.path.join(origin.directory, path)


def open_run(path: str) -> FinishedRun:
    """Open the run of an output directory, an output file, or a report.

    Raises:
        UsageError: If no report stands there, or one of another version.
    """
    if os.path.basename(path) == "report.json":
        report_path = path
    elif os.path.isfile(path):
        report_path = f"{path}.zipsel/report.json"
    else:
        report_path = Output(path).side_file("report.json")
    try:
        data = read_bytes(report_path)
    except OSError as error:
        raise UsageError(
            f"{path} is not the output of a run: {report_path}: "
            f"{(error.strerror or str(error)).lower()}; name what --output named"
        ) from None
    return FinishedRun(os.path.dirname(report_path), _decode(data, report_path))


def _decode(data: bytes, path: str) -> Report:
    try:
        found = msgspec.json.decode(data, type=_Version).schema_version
        if found != SCHEMA_VERSION:
            raise UsageError(
                f"{path}: has schema version {found}, this zipsel reads {SCHEMA_VERSION}; "
                "run the select again"
            )
        return msgspec.json.decode(data, type=Report)
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path}: is no report of zipsel ({error})") from None


class _Version(msgspec.Struct):
    schema_version: int


def iter_report_files(report: Report) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of ``report.json`` and ``report.html``."""
    from zipsel.report.html import render_report

    yield "report.json", report.to_json()
    yield "report.html", render_report(report).encode()


def provenance_of(settings: RunSettings, inputs: Inputs, profile_path: str) -> Provenance:
    """What a run read, where, and when."""
    return Provenance(
        directory=os.getcwd(),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        profile=os.path.abspath(profile_path),
        reading=settings.reading,
        inputs=[file for file in inputs.files if file.role != "pool"],
    )
