"""What a pool beyond one machine costs, measured and extrapolated (`make scale`).

Two measurements, then arithmetic: the CPU that a gigabyte of text takes, from two pools of which
one is four times the other; and what all of `zipsel select` takes, from pools of short made-up
texts of which every record is a candidate and a sixth is chosen. Scoring and fetching are what a
cluster divides; memory and the time to rank, to choose and to write are those of one process.

    python scripts/scale.py                         up to 1e7 candidates
    python scripts/scale.py --records 1e6 1e7 1e8   other sizes: 1e8 takes hours and 40 GB of disk
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bench_lib.material import Material, prepare
from bench_lib.processes import zipsel as command_of
from bench_lib.table import describe_machine

RESULTS = Path(__file__).parent / "results" / "scale.md"
RECORDS_PER_SHARD = 50_000
N_WORDS, WORD_BYTES, VOCABULARY = 12, 5, 2000
TEXT_BYTES = N_WORDS * WORD_BYTES - 1
#: Records that are fetched for each that is chosen: a stage of `cover` ends at most there.
CANDIDATES_PER_CHOSEN = 6
#: What is extrapolated to.
N_RECORDS, N_BYTES, N_CORES, CHOSEN_SHARE = 10**10, 10**13, 1000, 0.01
SAMPLE_SECONDS = 0.05

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
        command += [*output, "--workers", "1"]
        subprocess.run(command, check=True, capture_output=True, env=environment())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return sorted(found)[1]


def environment() -> dict[str, str]:
    """Of a command that runs this version of zipsel, without its options."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZIPSEL_")}
    return {**kept, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}


def write_pool(folder: Path, n_records: int) -> None:
    """A pool and a target of short texts, each of words of fixed length."""
    (folder / "pool").mkdir()
    generator = np.random.default_rng(0)
    letters = generator.integers(ord("a"), ord("z") + 1, (VOCABULARY, WORD_BYTES), np.uint8)
    letters[:, -1] = ord(" ")
    for i, first in enumerate(range(0, n_records, RECORDS_PER_SHARD)):
        n_rows = min(RECORDS_PER_SHARD, n_records - first)
        lines = make_lines(letters, np.random.default_rng(i + 1), n_rows)
        (folder / "pool" / f"{i:06d}.jsonl").write_bytes(lines)
    (folder / "target.jsonl").write_bytes(make_lines(letters[::3], generator, 500))


def make_lines(letters: np.ndarray, generator: np.random.Generator, n_rows: int) -> bytes:
    """Lines of random words; small numbers of words are more frequent."""
    begin, end = b'{"text":"', b'"}\n'
    lines = np.zeros((n_rows, len(begin) + TEXT_BYTES + len(end)), np.uint8)
    words = (generator.random((n_rows, N_WORDS)) ** 2 * len(letters)).astype(int)
    lines[:, : len(begin)] = np.frombuffer(begin, np.uint8)
    lines[:, len(begin) : -len(end)] = letters[words].reshape(n_rows, -1)[:, :-1]
    lines[:, -len(end) :] = np.frombuffer(end, np.uint8)
    return lines.tobytes()


def measure_run(n_records: int) -> Figures:
    """Seconds of each stage, and the driver's CPU seconds and peak memory."""
    with tempfile.TemporaryDirectory(prefix="zipsel-scale-") as name:
        folder = Path(name)
        write_pool(folder, n_records)
        budget = n_records * TEXT_BYTES // CANDIDATES_PER_CHOSEN
        command = command_of("select", "pool", "--target", "target.jsonl", "--output", "out")
        command += ["--max-bytes", str(budget), "--work-dir", "work"]
        process = subprocess.Popen(command, cwd=folder, env=environment())
        memory, driver = 0.0, 0.0
        while process.poll() is None:
            memory = max(memory, anonymous_bytes(process.pid) / 1e6)
            driver = max(driver, cpu_seconds(process.pid))
            time.sleep(SAMPLE_SECONDS)
        if process.returncode:
            raise SystemExit(f"exit code {process.returncode}: {' '.join(command[2:])}")
        report = json.loads((folder / "out" / "report.json").read_bytes())
        return {**report["stages"], "driver": driver, "memory_mb": memory}


def anonymous_bytes(pid: int) -> int:
    """Memory of a process that is not a file's, which the system cannot drop; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, its children's not counted; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(runs: dict[int, Figures]) -> list[str]:
    """Markdown: what each size took, and each candidate of it."""
    lines = [
        "| candidates | chosen | memory of the driver, MB | bytes a candidate more | CPU s of the "
        "driver | µs a candidate | slope | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    before = 0
    for n, run in sorted(runs.items()):
        more, slope = "", ""
        if before:
            small = runs[before]
            more = f"{(run['memory_mb'] - small['memory_mb']) * 1e6 / (n - before):.0f}"
            slope = f"{math.log(run['driver'] / small['driver']) / math.log(n / before):.2f}"
        cells = [
            f"{n:.0e}",
            f"{n // CANDIDATES_PER_CHOSEN:,}",
            f"{run['memory_mb']:,.0f}",
            more,
            f"{run['driver']:,.1f}",
            f"{run['driver'] * 1e6 / n:.1f}",
            slope,
            f"{run['total']:,.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
        before = n
    return lines


def extrapolate(scoring: Figures, runs: dict[int, Figures]) -> list[str]:
    """What the figures make of the large pool, as lines."""
    n_small, n_large = sorted([0, *runs])[-2:]
    large, n_wanted = runs[n_large], N_RECORDS * CHOSEN_SHARE * CANDIDATES_PER_CHOSEN
    small_mb = runs[n_small]["memory_mb"] if n_small else 0.0
    per_candidate = (large["memory_mb"] - small_mb) / (n_large - n_small)
    memory = large["memory_mb"] + per_candidate * (n_wanted - n_large)
    cpu_hours = scoring["cpu_seconds_per_gb"] * N_BYTES / 1e9 / 3600
    return [
        f"{N_BYTES / 1e12:g} TB of text, {N_RECORDS:.0e} records, {N_CORES:,} cores, "
        f"{CHOSEN_SHARE:.0%} chosen, {n_wanted:.0e} candidates:",
        "",
        f"- scoring: {scoring['cpu_seconds_per_gb']:.1f} CPU seconds a GB, {cpu_hours:,.0f} CPU "
        f"hours, {60 * cpu_hours / N_CORES:.0f} minutes",
        f"- sidecars: {scoring['sidecar_bytes_per_record']:.0f} bytes a record, "
        f"{scoring['sidecar_bytes_per_record'] * N_RECORDS / 1e12:.2f} TB",
        f"- the driver: {memory / 1e3:.1f} GB of memory, "
        f"{large['driver'] / n_large * n_wanted / 3600:.1f} CPU hours",
    ]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=float, nargs="+", default=[1e5, 1e6, 1e7])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zipsel-scale-") as folder:
        scoring = measure_scoring(Path(folder))
    runs: dict[int, Figures] = {}
    for n_records in sorted(map(int, arguments.records)):
        runs[n_records] = measure_run(n_records)
        cells = ", ".join(f"{name} {value:,.1f}" for name, value in runs[n_records].items())
        print(f"{n_records:.0e} candidates: {cells}", flush=True)
    machine = describe_machine()
    head = (
        f"# Scale\n\nMade by `make scale` on {machine['date']}: {machine['cpu']}, "
        f"{machine['n_cpus']} CPUs, {machine['memory_gb']} GB, load {machine['load_at_end']} at "
        "the end. Memory is what is not a file's (RssAnon), at its peak; CPU time is of the driver "
        "alone.\n"
    )
    text = "\n".join([head, *table(runs), "", *extrapolate(scoring, runs)])
    RESULTS.write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
