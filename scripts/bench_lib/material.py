"""What is measured on: the evaluation pool, repeated under other names, or generated text.

Texts of `ZIPSEL_EVAL_DATA` (by default ../shared/data beside the repository) where it is; else
made-up text with the same number of records and about the same length, by a fixed seed.
"""

import json
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import zstandard

from bench_lib.processes import REPOSITORY

N_GENERATED = 51_200
N_GENERATED_SHARDS = 4
N_DOMAINS = 20
N_EXAMPLES = 82
#: Records where a small pool is meant.
QUICK_SHARE = 16


#: How a frame begins that decoders of zstd skip (RFC 8878, section 3.1.2).
_SKIPPABLE = (0x184D2A50).to_bytes(4, "little")


@dataclass(frozen=True)
class Material:
    """Pool and target in a folder of their own.

    Attributes:
        folder: Holds everything, and the outputs of the runs.
        is_real: Whether these are real texts.
        quick: Whether only a part of the pool is taken.
    """

    folder: Path
    is_real: bool
    quick: bool

    @property
    def target(self) -> Path:
        """82 HumanEval examples, or as many made-up ones."""
        return self.folder / "target.jsonl"

    @property
    def many_examples(self) -> Path:
        """Every example there is of any target, shuffled."""
        return self.folder / "examples.jsonl"

    @property
    def plain(self) -> Path:
        """The pool as one uncompressed JSONL file, which is what the peers read."""
        return self.folder / "pool.jsonl"

    def pool(self, times: int) -> Path:
        """The pool's shards, `times` times over."""
        folder = self.folder / f"pool-{times}"
        if not folder.exists():
            folder.mkdir()
            for shard in sorted((self.folder / "shards").iterdir()):
                content = shard.read_bytes()
                for i in range(times):
                    # Equal shards are scored once. A frame that decoders skip tells copies apart.
                    frame = _SKIPPABLE + (8).to_bytes(4, "little") + i.to_bytes(8, "little")
                    (folder / f"copy-{i:02d}-{shard.name}").write_bytes(content + frame)
        return folder

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """Records of the pool and bytes of their text."""
        n_records = n_bytes = 0
        with self.plain.open("rb") as file:
            for line in file:
                n_records += 1
                n_bytes += len(json.loads(line)["text"].encode())
        return n_records, n_bytes

    def some_examples(self, n_examples: int) -> Path:
        """A target of `n_examples` examples, or of as many as there are."""
        path = self.folder / f"examples-{n_examples}.jsonl"
        with self.many_examples.open("rb") as file, path.open("wb") as out:
            out.writelines(line for i, line in enumerate(file) if i < n_examples)
        return path

    def clean(self) -> None:
        """Remove what runs have written, score sidecars among it."""
        shutil.rmtree(self.folder / "runs", ignore_errors=True)
        (self.folder / "runs").mkdir()


def prepare(folder: Path, quick: bool) -> Material:
    """Lay pool and target out in `folder`."""
    source = Path(os.environ.get("ZIPSEL_EVAL_DATA", REPOSITORY.parent / "shared" / "data"))
    is_real = (source / "pool").is_dir()
    material = Material(folder, is_real, quick)
    (folder / "shards").mkdir()
    if is_real:
        shards = {path.name: _read_lines(path) for path in sorted((source / "pool").iterdir())}
        shutil.copy(source / "targets" / "humaneval.train.jsonl", material.target)
        paths = sorted((source / "targets").glob("*.jsonl"))
        examples = [line for path in paths for line in path.read_bytes().splitlines(keepends=True)]
    else:
        shards, examples = _generate()
        material.target.write_bytes(b"".join(examples[:N_EXAMPLES]))
    random.Random(0).shuffle(examples)
    material.many_examples.write_bytes(b"".join(examples))
    compressor = zstandard.ZstdCompressor(level=10)
    with material.plain.open("wb") as plain:
        for name, lines in shards.items():
            kept = lines[:: QUICK_SHARE if quick else 1]
            plain.writelines(kept)
            (folder / "shards" / name).write_bytes(compressor.compress(b"".join(kept)))
    return material


def _read_lines(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read().splitlines(keepends=True)


def _generate() -> tuple[dict[str, list[bytes]], list[bytes]]:
    """Shards of made-up text and examples of its first domain."""
    generator = random.Random(0)
    lines = list(_iter_lines(generator))
    generator.shuffle(lines)
    step = N_GENERATED // N_GENERATED_SHARDS
    shards = {
        f"part-{i:05d}.jsonl.zst": lines[i * step : (i + 1) * step]
        for i in range(N_GENERATED_SHARDS)
    }
    vocabulary = _vocabulary(generator, 0)
    return shards, [_line(f"t{i}", generator, vocabulary, "target") for i in range(2000)]


def _iter_lines(generator: random.Random) -> Iterator[bytes]:
    for domain in range(N_DOMAINS):
        vocabulary = _vocabulary(generator, domain)
        for i in range(N_GENERATED // N_DOMAINS):
            yield _line(f"{domain}-{i}", generator, vocabulary, f"domain-{domain}")


def _vocabulary(generator: random.Random, domain: int) -> list[str]:
    own = random.Random(domain)
    letters = "etaoinshrdlucmfwypvbgk"
    return ["".join(own.choices(letters, k=own.randint(2, 9))) for _ in range(800)]


def _line(name: str, generator: random.Random, vocabulary: list[str], source: str) -> bytes:
    n_words = max(20, int(generator.lognormvariate(4.9, 0.8)))
    # Zipf-like: a uniform number's square prefers the vocabulary's beginning.
    places = (int(generator.random() ** 2 * len(vocabulary)) for _ in range(n_words))
    text = " ".join(vocabulary[place] for place in places)
    return json.dumps({"id": name, "text": text, "source": source}).encode() + b"\n"
