"""What the sections of the benchmark share."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench_lib.material import Material
from bench_lib.processes import Command, Times, alternate, run, script, zipsel
from bench_lib.table import Table

#: Records chosen, by everyone.
TOP_K = 1000
N_RUNS = 5
#: Peers take minutes.
N_PEER_RUNS = 2
#: How often the pool is repeated where limits are measured.
LIMIT_TIMES = 4
#: Of `ncd`, which is slow.
N_NCD_TEXTS = 1000
N_NCD_EXAMPLES = 8
MB = 1e6


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
        """The command that selects from the pool `times` times over; `TOP_K` records by default."""
        return zipsel(
            "select",
            self.material.pool(times),
            "--output",
            self.material.folder / "runs" / "subset",
            *(() if "--max-bytes" in options else ("--top-k", TOP_K)),
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
        options = ("--scorer", "fused", "--strategy", "top")
        share = self.report(LIMIT_TIMES, *options)["cascade"]["fraction"]
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

    def report(self, times: int, *options: object) -> dict[str, Any]:
        """`report.json` of a run."""
        self.material.clean()
        run(self.select(times, *options), self.material.folder)
        path = self.material.folder / "runs" / "subset" / "report.json"
        content: dict[str, Any] = json.loads(path.read_bytes())
        return content
