"""Broken pools in every format, and what a run that met one is held to."""

import gzip
import json
import random
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from zipsel.storage.staging import TEMPORARY_MARK

SUFFIXES = {"jsonl": ".jsonl", "gz": ".jsonl.gz", "zst": ".jsonl.zst", "parquet": ".parquet"}


_WORDS = {
    "code": "def return self for in range len if else not None import class yield try".split(),
    "law": "the party shall hereby indemnify agreement of any breach liability under".split(),
}


def make_records(n_records, seed=0):
    """Records that are code or law, in turn, each text once."""
    generator = random.Random(seed)
    kinds = [("code", "law")[i % 2] for i in range(n_records)]
    return [
        {"id": i, "text": " ".join([*generator.choices(_WORDS[kind], k=20), f"{seed}.{i}"])}
        for i, kind in enumerate(kinds)
    ]


def compress(data, kind):
    if kind == "gz":
        return gzip.compress(data, mtime=0)
    return zstandard.ZstdCompressor().compress(data) if kind == "zst" else data


def write_lines(path, data, kind):
    """Write raw JSONL bytes as ``path`` with the suffix of a kind; return the file."""
    file = Path(f"{path}{SUFFIXES[kind]}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(compress(data, kind))
    return file


def write_records(path, records, kind):
    """Write records in any kind of shard; return the file."""
    if kind != "parquet":
        lines = b"".join(json.dumps(record).encode() + b"\n" for record in records)
        return write_lines(path, lines, kind)
    file = Path(f"{path}.parquet")
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(records), file, row_group_size=16)
    return file


@dataclass
class Outcome:
    """How a run ended.

    Attributes:
        code: Exit code.
        message: What the error says.
        output: The output directory.
    """

    code: int
    message: str
    output: Path

    @property
    def report(self):
        return json.loads((self.output / "report.json").read_bytes())

    @property
    def counts(self):
        counts = self.report["counts"]
        assert counts["n_chosen"] + counts["n_passed"] + counts["n_rejected"] == counts["n_rows"]
        assert sum(counts["rejects"].values()) == counts["n_rejected"]
        return counts

    @property
    def rejects(self):
        lines = (self.output / "rejects.jsonl").read_bytes().splitlines()
        return [json.loads(line) for line in lines]

    @property
    def lines(self):
        """All rows of a JSONL subset."""
        files = sorted(self.output.glob("subset-*.jsonl"))
        return [line for file in files for line in file.read_bytes().splitlines()]


def assert_nothing_stands(output, work_dir=None, before=()):
    """No file that was not there before, no temporary, nothing spooled."""
    found = {path for path in Path(output).rglob("*") if path.is_file()} if output else set()
    assert {path for path in found if ".zipsel" not in path.parts} == set(before)
    work_dir = work_dir or Path(output).parent / ".zipsel"
    left = [path for path in Path(work_dir).rglob("*") if path.is_file()]
    assert [path for path in left if TEMPORARY_MARK in path.name or "spool" in path.parts] == []
