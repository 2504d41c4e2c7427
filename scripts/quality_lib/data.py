"""The evaluation data: one pool of texts with their domains, and the targets split in half.

`ZIPSEL_EVAL_DATA` names the folder; without it the folder `../shared/data` beside the repository
is read. Nothing here is part of the product: a selector only ever sees a target's `train` half,
a judge only its `test` half.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import zstandard

T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parents[2]
TARGETS = (
    "humaneval",
    "mbpp",
    "proofnet",
    "minif2f",
    "gsm8k",
    "math",
    "mmlu_stem",
    "arc_challenge",
)
# The domains a person who knows the pool would pick for a target; none fits the last two targets.
ORACLE_DOMAINS: dict[str, tuple[str, ...]] = {
    "humaneval": ("python_code", "leetcode_python"),
    "mbpp": ("python_code", "leetcode_python"),
    "proofnet": ("lean3_mathlib",),
    "minif2f": ("lean3_mathlib", "lean4_mathlib3port"),
    "gsm8k": ("gsm8k_train",),
    "math": ("math_competition",),
}


class Record(msgspec.Struct):
    """One line of a pool shard or of a target file."""

    id: str
    text: str
    source: str


@dataclass(frozen=True)
class Pool:
    """The records of all shards, in shard and row order.

    Attributes:
        paths: The shards, sorted by name.
        ids: Identity of each record, as in the shards.
        texts: UTF-8 texts, one a record.
        sources: Domain of each record.
    """

    paths: tuple[Path, ...]
    ids: tuple[str, ...]
    texts: tuple[bytes, ...]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        """Number of records."""
        return len(self.texts)


@dataclass(frozen=True)
class Task:
    """What a selector is asked for: a target, or some of its examples.

    Attributes:
        target: One of `TARGETS`.
        rows: Rows of the target's train half that the selector sees; None for all of them.
    """

    target: str
    rows: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        """Name for files: the target, and for some of its examples their number and digest."""
        if self.rows is None:
            return self.target
        digest = hashlib.sha256(repr(self.rows).encode()).hexdigest()[:8]
        return f"{self.target}-{len(self.rows)}-{digest}"

    def pick(self, train: Sequence[T]) -> list[T]:
        """The task's share of something that has one item per row of the train half."""
        rows = range(len(train)) if self.rows is None else self.rows
        return [train[row] for row in rows]


def data_folder() -> Path:
    """Folder with `pool/` and `targets/`.

    Raises:
        SystemExit: If it is not there; the message names the variable to set.
    """
    folder = Path(os.environ.get("ZIPSEL_EVAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "pool").is_dir():
        message = f"no evaluation data in {folder}: set ZIPSEL_EVAL_DATA to a folder with pool/"
        raise SystemExit(message)
    return folder


def zipsel_environment() -> dict[str, str]:
    """The environment for `zipsel` in a process of its own, which takes `ZIPSEL_` for options."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ZIPSEL_")}


def _iter_shard(path: Path) -> Iterator[Record]:
    """Records of one zstd-compressed JSONL shard."""
    raw = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
    decoder = msgspec.json.Decoder(Record)
    for line in raw.splitlines():
        yield decoder.decode(line)


def load_pool() -> Pool:
    """The whole pool in memory (about 60 MB)."""
    paths = tuple(sorted((data_folder() / "pool").glob("*.jsonl.zst")))
    records = [record for path in paths for record in _iter_shard(path)]
    return Pool(
        paths=paths,
        ids=tuple(record.id for record in records),
        texts=tuple(record.text.encode() for record in records),
        sources=tuple(record.source for record in records),
    )


def target_path(target: str, half: str) -> Path:
    """File of one half, `train` or `test`, of a target."""
    return data_folder() / "targets" / f"{target}.{half}.jsonl"


def load_target(target: str, half: str) -> list[bytes]:
    """UTF-8 texts of one half of a target, in file order."""
    decoder = msgspec.json.Decoder(Record)
    lines = target_path(target, half).read_bytes().splitlines()
    return [decoder.decode(line).text.encode() for line in lines]
