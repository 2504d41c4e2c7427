"""How CPU time grows with each size of a pool: the exponent, which is 1 where it is linear."""

import json
import resource
import shutil
from collections.abc import Callable, Iterator
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
N_RUNS = 2
N_WORDS = 500
#: Sizes at x1; each takes about a second.
SHARDS, ROW_GROUPS, ROWS, GROUPS, EXAMPLES = 200, 1500, 60_000, 1000, 1000
BUDGET_BYTES, ROW_BYTES, LARGE_ROWS = 500_000, 500_000, 16


def measure_exponents(bench: Bench) -> None:
    """One row for each size."""
    folder = bench.material.folder / "growth"
    nothing = _cpu_seconds(bench, _select(_write(folder / "nothing", 1, 1), "--top-k", 1))
    for name, command_of in DIMENSIONS.items():
        seconds = [
            _cpu_seconds(bench, command_of(folder / name.replace(" ", "-"), times))
            for times in TIMES
        ]
        exponent = exponent_of(seconds, nothing)
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
    """The exponent of times at sizes x1, x2 and x4.

    Where start-up is most of the first time, a fit of what is beyond it says little; where there is
    hardly any growth, what each doubling adds does. More than linear growth shows in both.
    """
    own = np.maximum(np.array(seconds) - start_up, 1e-3)
    added = np.maximum(np.diff(seconds), 1e-3)
    fitted = float(np.polyfit(np.log(TIMES), np.log(own), 1)[0])
    return min(fitted, float(np.log2(added[1] / added[0])))


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


def _text(generator: np.random.Generator, n_words: int) -> str:
    return " ".join(f"w{number}" for number in generator.zipf(1.3, n_words) % N_WORDS)


def _iter_lines(n_rows: int, n_words: int, n_groups: int = 1) -> Iterator[bytes]:
    generator = np.random.default_rng(n_rows)
    for i in range(n_rows):
        row = {
            "id": str(i),
            "text": f"{_text(generator, n_words)} {i}",
            "group": f"g{i % n_groups}",
        }
        yield json.dumps(row).encode() + b"\n"


def _write(
    folder: Path,
    n_shards: int,
    n_rows: int,
    *,
    suffix: str = "",
    n_words: int = 30,
    n_groups: int = 1,
) -> Path:
    """A pool of shards of some rows each."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = list(_iter_lines(n_shards * n_rows, n_words, n_groups))
    for i in range(n_shards):
        data = b"".join(lines[i * n_rows : (i + 1) * n_rows])
        data = zstandard.compress(data) if suffix else data
        (folder / f"{i:05d}.jsonl{suffix}").write_bytes(data)
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


def _row_groups(folder: Path, times: int) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    n_rows = times * ROW_GROUPS
    rows = [json.loads(line) for line in _iter_lines(n_rows, 30)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "tiny.parquet", row_group_size=1)
    return _select(folder, "--top-k", 50)


def _quotas(folder: Path, times: int) -> list[str]:
    pool = _write(folder, 4, ROWS // 4, n_groups=times * GROUPS)
    shares = ",".join(f"g{i}={1 / (times * GROUPS + 1):.7f}" for i in range(times * GROUPS))
    return _select(pool, "--max-bytes", BUDGET_BYTES, "--group-field", "group", "--quota", shares)


def _examples(folder: Path, times: int) -> list[str]:
    pool = _write(folder, 1, 2000)
    return _select(pool, "--top-k", 50, "--target", _target(folder, times * EXAMPLES))


#: Name → command at some times the size.
DIMENSIONS: dict[str, Callable[[Path, int], list[str]]] = {
    "shards": lambda folder, times: _select(_write(folder, times * SHARDS, 1), "--top-k", 50),
    "row groups": _row_groups,
    "rows": lambda folder, times: _select(_write(folder, 4, times * ROWS // 4), "--top-k", 50),
    "candidates": lambda folder, times: _select(
        _write(folder, 4, ROWS // 4), "--max-bytes", times * BUDGET_BYTES
    ),
    "groups under --quota": _quotas,
    "groups under --max-per-group": lambda folder, times: _select(
        _write(folder, 4, ROWS // 4, n_groups=times * GROUPS),
        *("--max-bytes", BUDGET_BYTES, "--group-field", "group", "--max-per-group", 3),
    ),
    "target examples": _examples,
    "bytes of a row": lambda folder, times: _select(
        _write(folder, 1, LARGE_ROWS, n_words=times * ROW_BYTES // 5), "--top-k", 3
    ),
    "rows, --strategy stratified": lambda folder, times: _select(
        _write(folder, 4, times * ROWS // 4), "--fraction", 0.05, "--strategy", "stratified"
    ),
    "compressed shards, score -o -": lambda folder, times: _command(
        "score", _write(folder, times * SHARDS, 20, suffix=".zst"), output="-"
    ),
    "compressed shards, dolma": lambda folder, times: _command(
        "score", _write(folder, times * SHARDS, 20, suffix=".zst"), "--format", "dolma"
    ),
}
