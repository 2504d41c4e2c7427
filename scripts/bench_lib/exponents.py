"""How CPU time grows with each size of a pool: the exponent, which is 1 where it is linear."""

import json
import resource
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from bench_lib.processes import run, zipsel
from bench_lib.session import Bench
from bench_lib.table import Row

SECTION = "Growth: exponent of CPU seconds, 1 worker, sizes x1, x2 and x4"
#: Exponent from which on growth is called more than linear.
LIMIT = 1.1
TIMES = (1, 2, 4)
#: Size of what start-up is measured on, as a part of x1.
START_UP = 1 / 64
N_RUNS = 2
N_WORDS = 500
WORDS = [f"w{number}" for number in range(N_WORDS)]
#: Words of a block of texts.
BLOCK_WORDS = 30_000
#: Folder of a pool → what was written there last.
_WRITTEN: dict[Path, tuple[object, ...]] = {}
BUDGET_BYTES, ROWS, LARGE_ROWS = 500_000, 60_000, 16


@dataclass(frozen=True)
class Dimension:
    """A size that a pool may have much of.

    Attributes:
        size: At x1, where the command takes half a second beyond start-up, or more.
        command_of: Writes a pool of a size below a folder; returns the command.
    """

    size: int
    command_of: Callable[[Path, int], list[str]]


def measure_exponents(bench: Bench) -> None:
    """One row for each size."""
    folder = bench.material.folder / "growth"
    for name, dimension in DIMENSIONS.items():
        seconds = [
            _cpu_seconds(bench, dimension.command_of(folder / "pool", int(times * dimension.size)))
            for times in (START_UP, *TIMES)
        ]
        exponent = exponent_of(seconds[1:], seconds[0])
        bench.table.add(
            Row(
                SECTION,
                name,
                f"{exponent:.2f}",
                exponent,
                " ".join(f"{one:.2f} s" for one in seconds),
                goal=f"at most {LIMIT}",
                passed=exponent <= LIMIT,
            )
        )
    shutil.rmtree(folder)


def exponent_of(seconds: list[float], start_up: float) -> float:
    """The slope of the logarithms of times at sizes ``TIMES``, less the start-up.

    Start-up is that of the same command on next to nothing, so that what is left is the size's own
    and all of it: a lower start-up would pass for size, and growth would look smaller than it is.
    """
    own = np.maximum(np.array(seconds) - start_up, 1e-3)
    return float(np.polyfit(np.log(TIMES), np.log(own), 1)[0])


def _cpu_seconds(bench: Bench, command: list[str]) -> float:
    """CPU time of a command and its children, the least of some runs."""
    found = []
    for _ in range(N_RUNS):
        bench.material.clean()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(command, bench.material.folder / "runs")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


@lru_cache(maxsize=1024)
def _texts(block: int, n_words: int) -> list[str]:
    """Some texts of so many words, made once: pools of all sizes begin with the same ones."""
    generator = np.random.default_rng([block, n_words])
    rows = generator.zipf(1.3, (_rows_of_block(n_words), n_words)) % N_WORDS
    return [" ".join(map(WORDS.__getitem__, row)) for row in rows.tolist()]


def _rows_of_block(n_words: int) -> int:
    return max(1, BLOCK_WORDS // n_words)


def _iter_lines(n_rows: int, n_words: int, n_groups: int = 1) -> Iterator[bytes]:
    n_of_block = _rows_of_block(n_words)
    for i in range(n_rows):
        text = _texts(i // n_of_block, n_words)[i % n_of_block]
        line = f'{{"id": "{i}", "text": "{text} {i}", "group": "g{i % n_groups}"}}\n'
        yield line.encode()


def _write(
    folder: Path,
    n_shards: int,
    n_rows: int,
    *,
    suffix: str = "",
    n_words: int = 30,
    n_groups: int = 1,
) -> Path:
    """A pool of shards of some rows each; one that stands there is written no second time."""
    about = (n_shards, n_rows, suffix, n_words, n_groups)
    if _WRITTEN.get(folder) == about:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = _iter_lines(n_shards * n_rows, n_words, n_groups)
    for i in range(n_shards):
        data = b"".join(islice(lines, n_rows))
        data = zstandard.compress(data) if suffix else data
        (folder / f"{i:05d}.jsonl{suffix}").write_bytes(data)
    _WRITTEN[folder] = about
    return folder


def _target(folder: Path, n_examples: int = 20) -> Path:
    path = folder.with_suffix(".target.jsonl")
    path.write_bytes(b"".join(_iter_lines(n_examples, 40)))
    return path


def _command(name: str, pool: Path, *options: object, output: str = "out") -> list[str]:
    target = () if "--target" in options else ("--target", _target(pool))
    return zipsel(name, pool, "--output", output, "--workers", 1, *target, *options)


def _select(pool: Path, *options: object) -> list[str]:
    return _command("select", pool, *options)


def _row_groups(folder: Path, n_groups: int) -> list[str]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _WRITTEN.pop(folder, None)
    rows = [json.loads(line) for line in _iter_lines(n_groups, 30)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "tiny.parquet", row_group_size=1)
    return _select(folder, "--top-k", 50)


def _rows(n_rows: int, folder: Path, n_groups: int = 1) -> Path:
    return _write(folder, 4, -(-n_rows // 4), n_groups=n_groups)


def _quotas(folder: Path, n_groups: int) -> list[str]:
    pool = _rows(ROWS, folder, n_groups)
    shares = ",".join(f"g{i}={1 / (n_groups + 1):.7f}" for i in range(n_groups))
    return _select(pool, "--max-bytes", BUDGET_BYTES, "--group-field", "group", "--quota", shares)


def _examples(folder: Path, n_examples: int) -> list[str]:
    pool = _write(folder, 1, 2000)
    return _select(pool, "--top-k", 50, "--target", _target(folder, n_examples))


DIMENSIONS = {
    "shards": Dimension(1500, lambda folder, n: _select(_write(folder, n, 1), "--top-k", 50)),
    "row groups": Dimension(10_000, _row_groups),
    "rows": Dimension(120_000, lambda folder, n: _select(_rows(n, folder), "--top-k", 50)),
    "candidates, bytes": Dimension(
        BUDGET_BYTES, lambda folder, n: _select(_rows(2 * ROWS, folder), "--max-bytes", n)
    ),
    "groups under --quota": Dimension(1000, _quotas),
    "groups under --max-per-group": Dimension(
        1000,
        lambda folder, n: _select(
            _rows(ROWS, folder, n),
            *("--max-bytes", BUDGET_BYTES, "--group-field", "group", "--max-per-group", 3),
        ),
    ),
    "target examples": Dimension(2000, _examples),
    "words of a row": Dimension(
        200_000, lambda folder, n: _select(_write(folder, 1, LARGE_ROWS, n_words=n), "--top-k", 3)
    ),
    "rows, --strategy stratified": Dimension(
        ROWS,
        lambda folder, n: _select(_rows(n, folder), "--fraction", 0.05, "--strategy", "stratified"),
    ),
    "compressed shards, score -o -": Dimension(
        400, lambda folder, n: _command("score", _write(folder, n, 20, suffix=".zst"), output="-")
    ),
    "compressed shards, dolma": Dimension(
        400,
        lambda folder, n: _command(
            "score", _write(folder, n, 20, suffix=".zst"), "--format", "dolma"
        ),
    ),
}
