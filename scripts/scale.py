"""What a pool beyond one machine costs, measured and extrapolated (`make scale`).

Three measurements, then arithmetic: the CPU that a gigabyte of text takes, from two pools of which
one is four times the other; the bytes of a score sidecar per record; and the time and memory of
the driver, from synthetic sidecars (real parts of made-up scores, one under many names by hard
links, no texts). The driver's work is what a cluster does not divide: it looks for parts, merges
their histograms, reads the candidates' scores and chooses among them.

    python scripts/scale.py                     up to 1e8 records
    python scripts/scale.py --records 1e6 1e9   other sizes
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bench_lib.material import Material, prepare
from bench_lib.processes import high_water_bytes
from bench_lib.processes import zipsel as command_of

import zipsel.selection.ranking
from zipsel.pool.shards import Shard
from zipsel.readers.rows import Reading, RowBatch
from zipsel.scorers.fit import FitSettings
from zipsel.scorers.fused import FusedScorer
from zipsel.scorers.profile import Profile, ProfileFile
from zipsel.scoring.plan import score_pool
from zipsel.scoring.sidecar import part_path
from zipsel.scoring.sidecar_writer import PartBuilder
from zipsel.scoring.task import Job
from zipsel.selection.budgets import Budget
from zipsel.selection.duplicates import Duplicates
from zipsel.selection.inspection import Features
from zipsel.selection.quotas import Quotas
from zipsel.selection.ranking import Candidates, Ranking, RecordReader
from zipsel.selection.selector import Chooser
from zipsel.texts import TextBatch

RECORDS_PER_PART = 13_000
N_DISTINCT_PARTS = 16
#: Share of the records that a cascade finishes, and that the driver chooses.
CONTENDING_FRACTION = 0.05
CHOSEN_SHARE = 0.01
#: What is extrapolated to.
N_RECORDS, N_BYTES, N_CORES = 10**10, 10**13, 1000

Figures = dict[str, float]


def measure_scoring(folder: Path) -> Figures:
    """CPU seconds per gigabyte, and sidecar bytes per record."""
    material = prepare(folder, quick=False)
    n_records, n_bytes = material.sizes
    small, large = (_cpu_seconds(material, times) for times in (1, 4))
    parts = (material.folder / "runs" / "work" / "scores").rglob("*.parquet")
    stored = sum(path.stat().st_size for path in parts)
    return {
        "cpu_seconds_per_gb": (large - small) / (3 * n_bytes / 1e9),
        "sidecar_bytes_per_record": stored / (4 * n_records),
    }


def _cpu_seconds(material: Material, times: int) -> float:
    """CPU time of all processes of one selection, the median of three."""
    runs = material.folder / "runs"
    found = []
    for _ in range(3):
        material.clean()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        pool = material.pool(times)
        command = command_of("select", pool, "--target", material.target, "--fraction", "0.01")
        output = ["--output", str(runs / "out"), "--work-dir", str(runs / "work")]
        subprocess.run([*command, *output, "--workers", "1"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return sorted(found)[1]


def write_sidecars(folder: Path, n_records: int) -> None:
    """A profile and the parts of a pool of one part a shard."""
    texts = TextBatch.from_texts(["one text", "another text"])
    scorer = FusedScorer.fit({"": texts}, texts, FitSettings())
    profile = Profile(scorer, texts, {})
    profile.save(str(folder / "profile"))
    distinct = [folder / f"part-{i}.parquet" for i in range(N_DISTINCT_PARTS)]
    for i, path in enumerate(distinct):
        _write_part(path, scorer, np.random.default_rng(i))
    for i, shard in enumerate(iter_shards(n_records)):
        path = Path(part_path(str(folder / "scores"), shard, 0))
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(distinct[i % N_DISTINCT_PARTS], path)


def _write_part(path: Path, scorer: FusedScorer, generator: np.random.Generator) -> None:
    n_rows = RECORDS_PER_PART
    lengths = generator.integers(200, 2000, n_rows)
    rows = RowBatch(
        offsets=np.cumsum(lengths + 20),
        texts=TextBatch(np.zeros(8, np.uint8), np.concatenate([[0], np.cumsum(lengths)])),
        accepted=np.arange(n_rows),
        rejects={},
        groups=[],
    )
    ngram = generator.normal(0, 1, n_rows)
    passed_over = ngram < np.quantile(ngram, 1 - CONTENDING_FRACTION)
    compressed = np.where(passed_over, 0, lengths)
    scores = {
        "alignment": np.where(passed_over, np.nan, ngram + generator.normal(0, 0.5, n_rows)),
        "ngram": ngram,
        "conditional": np.where(passed_over, np.nan, generator.random(n_rows)),
        "c_x": compressed // 3,
        "c_x_given_t": compressed // 4,
    }
    builder = PartBuilder(scorer.columns, scorer.columns_finished_later)
    builder.add(rows, scores)
    builder.write(str(path), 0, final=True, threshold=1.0)


def iter_shards(n_records: int) -> Iterator[Shard]:
    """Shards of a pool that does not exist."""
    for i in range(-(-n_records // RECORDS_PER_PART)):
        yield Shard(i, f"pool/{i:08d}.jsonl.zst", "jsonl", "zst", 4 << 20, f"{i % 256:02x}{i:030x}")


class NothingToDo:
    """An engine for a pool that is scored already."""

    n_workers = 1

    def run(self, function: Callable[[Any], Any], tasks: Iterator[Any]) -> Iterator[Any]:
        """Run nothing."""
        for task in tasks:
            raise AssertionError(f"{task} is not scored")
        return iter(())


def measure_driver(folder: Path, n_records: int) -> Figures:
    """What the driver does, in this process: seconds of each step, peak memory after it."""
    figures: Figures = {"start_mb": _peak_mb()}
    began = time.perf_counter()

    def note(step: str) -> None:
        nonlocal began
        now = time.perf_counter()
        figures[f"{step}_seconds"], figures[f"{step}_mb"] = now - began, _peak_mb()
        began = time.perf_counter()

    path = str(folder / "profile")
    file = ProfileFile(path, Profile.load(path).digest)
    job = Job(file, Reading(), str(folder / "scores"), 1.0)
    scores = score_pool(NothingToDo(), job, list(iter_shards(n_records)))
    note("merge")
    # The parts repeat, but must not look like a pool full of copies.
    zipsel.selection.ranking._MANY_COPIES = float("inf")
    ranking = Ranking(scores.parts, RecordReader(1.0, "ngram"), counted=scores.histogram)
    n_chosen = int(n_records * CHOSEN_SHARE)
    block = next(ranking.iter_blocks(n_chosen))
    note("read")
    _choose(block, n_chosen)
    note("choose")
    figures["candidates"] = len(block)
    return figures


def _choose(block: Candidates, n_chosen: int) -> None:
    """Take the best of a block by what the workers found out of each; here all are distinct."""
    features = [Features(i.to_bytes(16, "little")) for i in range(len(block))]
    chooser = Chooser(
        Quotas(Budget("top_k", n_chosen), len(block), {}, None),
        Duplicates("exact", 1.0),
        lambda block: [""] * len(block),
        lambda block: [""] * len(block),
    )
    chooser.take_in_order(chooser.considering(block, features, 0), len(block))


def _peak_mb() -> float:
    """Peak since this program began; `getrusage` would count that of its parent, too."""
    return high_water_bytes() / 2**20


def run_driver(n_records: int) -> Figures:
    """`measure_driver` in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="zipsel-scale-") as folder:
        write_sidecars(Path(folder), n_records)
        command = [sys.executable, __file__, "--driver", folder, "--records", str(n_records)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        found: Figures = json.loads(done.stdout)
        return found


def extrapolate(scoring: Figures, driver: Figures, n_records: int) -> list[str]:
    """What the figures make of the large pool, as lines."""
    factor = N_RECORDS / n_records
    steps = ("merge", "read", "choose")
    memory, before = {}, driver["start_mb"]
    for step in steps:
        memory[step] = (driver[f"{step}_mb"] - before) * factor / 1e3
        before = driver[f"{step}_mb"]
    cpu_hours = scoring["cpu_seconds_per_gb"] * N_BYTES / 1e9 / 3600
    lines = [
        f"{N_BYTES / 1e12:g} TB of text, {N_RECORDS:.0e} records, {N_CORES:,} cores, "
        f"{CHOSEN_SHARE:.0%} chosen:",
        f"- scoring: {cpu_hours:,.0f} CPU hours, {60 * cpu_hours / N_CORES:.0f} minutes",
        f"- sidecars: {scoring['sidecar_bytes_per_record'] * N_RECORDS / 1e12:.2f} TB",
    ]
    for step in steps:
        minutes = driver[f"{step}_seconds"] * factor / 60
        lines.append(f"- driver, {step}: {minutes:.0f} minutes, {memory[step]:.0f} GB more")
    first = max(memory, key=lambda step: memory[step])
    lines.append(
        f"First to break: the driver's memory, {sum(memory.values()):.0f} GB, most of it to {first}"
    )
    return lines


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=float, nargs="+", default=[1e6, 1e7, 1e8])
    parser.add_argument("--driver", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.driver is not None:
        print(json.dumps(measure_driver(arguments.driver, int(arguments.records[0]))))
        return 0
    with tempfile.TemporaryDirectory(prefix="zipsel-scale-") as folder:
        scoring = measure_scoring(Path(folder))
    print("\n".join(f"{name}: {value:.1f}" for name, value in scoring.items()), flush=True)
    n_records, driver = 0, {}
    for n_records in map(int, arguments.records):
        driver = run_driver(n_records)
        cells = ", ".join(f"{name} {value:,.1f}" for name, value in driver.items())
        print(f"{n_records:.0e} records: {cells}", flush=True)
    print("\n".join(extrapolate(scoring, driver, n_records)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
