"""How cost grows, and where the time of a run goes."""

import json
from importlib.util import find_spec

from bench_lib.processes import Failed, run, script
from bench_lib.session import LIMIT_TIMES, Bench
from bench_lib.table import Row

EXAMPLE_COUNTS = (10, 100, 1000, 10_000)
POOL_TIMES = (1, 4, 16)
FULL_POOL_TIMES = (*POOL_TIMES, 64)


def measure_growth(bench: Bench) -> None:
    """Cost against the number of examples, the size of the pool, and the workers."""
    section = "How cost grows"
    material = bench.material
    n_available = material.many_examples.read_bytes().count(b"\n")
    counts = sorted({min(count, n_available) for count in EXAMPLE_COUNTS})
    commands = {
        f"{count:,} examples, pool x1": bench.select(1, "--target", material.some_examples(count))
        for count in counts
    }
    n_runs = min(3, bench.n_runs)
    for name, times in bench.time(commands, n_runs).items():
        seconds = times.median
        bench.table.add(Row(section, name, f"{seconds:.2f} s", seconds))
    for times in FULL_POOL_TIMES if bench.full else POOL_TIMES:
        seconds = bench.time({"own": bench.select(times)}, n_runs)["own"].median
        rate = times * bench.text_mb / seconds
        bench.table.add(
            Row(section, f"pool x{times}", f"{seconds:.2f} s, {rate:.0f} MB/s", seconds)
        )
    _measure_scaling(bench, section, n_runs)


def _measure_scaling(bench: Bench, section: str, n_runs: int) -> None:
    counts = sorted({1, *(2**i for i in range(1, 8) if 2**i < bench.n_workers), bench.n_workers})
    every_record = ("--strategy", "top", "--scorer", "fused", "--contenders", 1)
    runs = bench.time(
        {str(n): bench.select(LIMIT_TIMES, *every_record, n_workers=n) for n in counts},
        n_runs,
    )
    alone = runs["1"].median
    for n in counts:
        seconds = runs[str(n)].median
        bench.table.add(
            Row(
                section,
                f"{n} worker{'s' if n > 1 else ''}, fused on every record, pool x{LIMIT_TIMES}",
                f"{seconds:.2f} s",
                seconds,
                f"1 worker: {alone:.2f} s",
                alone / seconds,
            )
        )


def measure_engines(bench: Bench) -> None:
    """What a Ray cluster of this machine costs beyond the same workers without one.

    The cost is that of starting and leaving the cluster: no shard is larger for it.

    Raises:
        Failed: If Ray is not installed.
    """
    if find_spec("ray") is None:
        raise Failed("Ray is not installed: pip install 'zipsel[ray]'")
    for times in POOL_TIMES[:2]:
        commands = {name: bench.select(times, "--engine", name) for name in ("local", "ray")}
        found = bench.time(commands, min(3, bench.n_runs))
        local, ray = found["local"].median, found["ray"].median
        note = f"--engine local: {local:.2f} s; fixed cost {ray - local:.2f} s"
        row = Row("Engines", f"--engine ray, pool x{times}", f"{ray:.2f} s", ray, note, ray / local)
        bench.table.add(row)


def measure_stages(bench: Bench) -> None:
    """Where a run's time goes, and how far each stage is from its own limit."""
    report = bench.report(LIMIT_TIMES)
    stages = report["stages"]
    assert isinstance(stages, dict)
    total = stages.pop("total", sum(stages.values()))
    for name, seconds in stages.items():
        bench.table.add(
            Row(
                f"Time per stage of `select`, default, pool x{LIMIT_TIMES}",
                name,
                f"{seconds:.2f} s",
                seconds,
                f"total {total:.2f} s",
                seconds / total,
            )
        )
    shard = next((bench.material.folder / "shards").iterdir())
    bench.material.clean()
    command = script("stages.py", shard, bench.material.target, bench.material.folder / "runs")
    for name, (seconds, limit) in json.loads(run(command, bench.material.folder)).items():
        bench.table.add(
            Row(
                "One shard in one process, default cascade, each stage against its own limit",
                name,
                f"{1000 * seconds:.1f} ms",
                1000 * seconds,
                f"limit {1000 * limit:.1f} ms",
                limit / seconds,
            )
        )
