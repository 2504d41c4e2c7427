"""Measure speed and memory against limits and peers (`make bench`).

Everything runs in fresh processes, in turn, medians count. Prints rows as they come, then tables;
results go to scripts/results/bench.json and bench.md. About 15 minutes on two cores, most of them
for the peers; run it on a quiet machine.

    python scripts/bench.py                  everything
    python scripts/bench.py --quick          a sixteenth of the pool, single runs: does it work?
    python scripts/bench.py --only limits    some sections
    python scripts/bench.py --full           the pool x64 too, and peers on x4 instead of scaled
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from bench_lib import exponents, growth, limits, peers
from bench_lib.material import prepare
from bench_lib.processes import REPOSITORY, Failed
from bench_lib.session import Bench
from bench_lib.table import Row, Table

SECTIONS = {
    "kernels": limits.measure_kernels,
    "limits": limits.measure_limits,
    "cover": limits.measure_cover,
    "memory": limits.measure_memory,
    "growth": exponents.measure_exponents,
    "sizes": growth.measure_growth,
    "engines": growth.measure_engines,
    "stages": growth.measure_stages,
    "models": peers.measure_models,
    "peers": peers.measure_peers,
}
RESULTS = REPOSITORY / "scripts" / "results" / "bench.json"


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smoke run, writes no results")
    parser.add_argument("--full", action="store_true", help="what takes very long, too")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON; .md goes beside it")
    return parser.parse_args()


def main() -> int:
    """Measure; 1 if a section could not be measured."""
    arguments = parse_arguments()
    started, failed = time.perf_counter(), False
    table = Table()
    with tempfile.TemporaryDirectory(prefix="zipsel-bench-") as folder:
        material = prepare(Path(folder), arguments.quick)
        n_records, n_bytes = material.sizes
        kind = "evaluation data" if material.is_real else "generated text"
        about = f"{n_records:,} records, {n_bytes / 1e6:.1f} MB of text ({kind})"
        print(f"Pool: {about}. Load: {os.getloadavg()[0]:.2f}.\n", flush=True)
        bench = Bench(material, table, arguments.workers, arguments.full)
        for name in arguments.only:
            try:
                SECTIONS[name](bench)
            except Failed as error:
                failed = True
                table.add(Row("Not measured", name, "failed", note=str(error).replace("\n", " ")))
    minutes = (time.perf_counter() - started) / 60
    print(f"\n{table.to_markdown()}\nPool: {about}. {minutes:.1f} minutes.")
    if not arguments.quick:
        table.write(arguments.output, {"pool": about, "minutes": round(minutes, 1)})
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
