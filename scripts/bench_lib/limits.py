"""zipsel against its own limits: the kernels, whole runs against them, memory."""

from bench_lib.processes import peak_bytes
from bench_lib.session import LIMIT_TIMES, MB, N_NCD_EXAMPLES, Bench
from bench_lib.table import Row

LIMIT_GOAL = 0.75
NGRAM_GOAL_MB = 150
FUSED_GOAL_MB = 40
DEFAULT_GOAL_MB = 100
COVER_GOAL = 1.3
MEMORY_GOAL_MB = 400
MEMORY_SPREAD = 1.15
POOL_TIMES = (1, 4, 16)


def measure_kernels(bench: Bench) -> None:
    """What the kernels do with texts in memory, one process alone."""
    goals = {"ngram": NGRAM_GOAL_MB, "fused": FUSED_GOAL_MB, "cascade": None, "conditional": None}
    for name, goal in goals.items():
        rate = bench.kernel_rates[name]
        bench.table.add(
            Row(
                "Kernels, one core, texts in memory",
                {"fused": "fused on every record", "cascade": "fused, default cascade"}.get(
                    name, name
                ),
                f"{rate:.0f} MB/s",
                rate,
                goal=f"≥ {goal} MB/s" if goal else "",
                passed=rate >= goal if goal else None,
            )
        )


def measure_limits(bench: Bench) -> None:
    """`select` from end to end against its kernels times the workers."""
    few = bench.material.some_examples(N_NCD_EXAMPLES)
    fused: list[object] = ["--strategy", "top", "--scorer", "fused"]
    conditional: list[object] = ["--strategy", "top", "--scorer", "conditional"]
    variants: dict[str, tuple[str, int, list[object]]] = {
        "default": ("ngram", LIMIT_TIMES, []),
        "fused, default cascade": ("cascade", LIMIT_TIMES, fused),
        "fused on every record": ("fused", LIMIT_TIMES, [*fused, "--contenders", 1]),
        "conditional": ("conditional", LIMIT_TIMES, conditional),
        "ngram": ("ngram", LIMIT_TIMES, ["--strategy", "top", "--scorer", "ngram"]),
        f"ncd gzip 1, {N_NCD_EXAMPLES} examples, pool x1": (
            "ncd-gzip-1",
            1,
            [
                *("--strategy", "top", "--scorer", "ncd", "--codec", "gzip", "--level", 1),
                *("--target", few),
            ],
        ),
    }
    times = bench.time(
        {name: bench.select(n, *options) for name, (_, n, options) in variants.items()},
        min(3, bench.n_runs),
    )
    for name, (kernel, n_times, _) in variants.items():
        seconds = times[name].median
        rate = n_times * bench.text_mb / seconds
        limit = bench.kernel_rates[kernel] * bench.n_workers
        bench.table.add(
            Row(
                f"`select` against its limit, {bench.n_workers} workers, pool x{LIMIT_TIMES}",
                name,
                f"{rate:.0f} MB/s ({seconds:.2f} s)",
                rate,
                f"kernels x {bench.n_workers}: {limit:.0f} MB/s",
                rate / limit,
                f"≥ {LIMIT_GOAL}",
                rate / limit >= LIMIT_GOAL,
            )
        )
    seconds = times["default"].median
    rate = LIMIT_TIMES * bench.text_mb / seconds
    bench.table.add(
        Row(
            f"`select` against its limit, {bench.n_workers} workers, pool x{LIMIT_TIMES}",
            "default `select`, text per second",
            f"{rate:.0f} MB/s",
            rate,
            goal=f"≥ {DEFAULT_GOAL_MB} MB/s",
            passed=rate >= DEFAULT_GOAL_MB,
            note="whole process, start-up included",
        )
    )


def measure_cover(bench: Bench) -> None:
    """The default strategy against the best alignments, for one percent of the pool."""
    times = bench.time(
        {
            name: bench.select(LIMIT_TIMES, "--strategy", name, "--max-bytes", n_bytes)
            for n_bytes in [int(0.01 * LIMIT_TIMES * bench.text_mb * MB)]
            for name in ("cover", "top")
        }
    )
    ratio = times["cover"].median / times["top"].median
    bench.table.add(
        Row(
            f"`--strategy cover`, 1 % of the pool x{LIMIT_TIMES}",
            "whole process",
            f"{times['cover'].median:.2f} s",
            times["cover"].median,
            f"top: {times['top'].median:.2f} s",
            ratio,
            f"≤ {COVER_GOAL}",
            ratio <= COVER_GOAL,
        )
    )


def measure_memory(bench: Bench) -> None:
    """The largest process of a run, as the pool grows."""
    section = "Peak memory of the largest process"
    peaks = {}
    for times in POOL_TIMES:
        bench.material.clean()
        peaks[times] = peak_bytes(bench.select(times), bench.material.folder) / MB
        bench.table.add(
            Row(
                section,
                f"pool x{times}",
                f"{peaks[times]:.0f} MB",
                peaks[times],
                goal=f"< {MEMORY_GOAL_MB} MB",
                passed=peaks[times] < MEMORY_GOAL_MB,
            )
        )
    ratio = max(peaks.values()) / min(peaks.values())
    bench.table.add(
        Row(
            section,
            "largest against smallest",
            "",
            ratio=ratio,
            goal=f"≤ {MEMORY_SPREAD}",
            passed=ratio <= MEMORY_SPREAD,
        )
    )
