"""Every pair of choices runs and its counts add up, or is refused by a message that names both."""

import gzip
import itertools
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import zstandard
from made_up import make_records, write_jsonl

from zipsel.cli.group import cli
from zipsel.errors import UsageError
from zipsel.pool.formats import FORMATS, OUTPUT_FORMATS
from zipsel.scorers import SCORERS
from zipsel.selection.budgets import BUDGET_KINDS, BYTES_PER_TOKEN
from zipsel.selection.settings import DedupMode
from zipsel.selection.strategies import STRATEGIES

ONE_TARGET = ("-t", "target.jsonl")
NAMED = ("-t", "code=code.jsonl", "-t", "law=law.jsonl")
GROUPED = ("--group-field", "kind")

#: Factor → its values → options of each. The first value of a factor says as little as possible.
FACTORS = {
    "scorer": {"default": (), **{name: ("--scorer", name) for name in SCORERS}},
    "strategy": {"default": (), **{name: ("--strategy", name) for name in STRATEGIES}},
    "groups": {
        "none": (),
        "field": GROUPED,
        "quota": (*GROUPED, "--quota", "code=0.5,*=0.5"),
        "at most": (*GROUPED, "--max-per-group", "5"),
    },
    "target": {
        "one": ONE_TARGET,
        "facets": (*ONE_TARGET, "--facets", "2"),
        "named": NAMED,
        "mix": (*NAMED, "--mix", "code=0.7,law=0.3"),
    },
    "dedup": {mode: ("--dedup", mode) for mode in DedupMode.__args__},
    "budget": {
        "records": ("--top-k", "8"),
        "fraction": ("--fraction", "0.2"),
        "bytes": ("--max-bytes", "2kB"),
        "tokens": ("--max-tokens", "500"),
        "alignment": ("--min-alignment", "0"),
    },
    "order": {"rank": (), "input": ("--order", "input")},
    "output": {
        "directory": ("-o", "out", "--shard-size", "1kB"),
        **{f"directory of {name}": ("-o", "out", "--format", name) for name in OUTPUT_FORMATS},
        **{f"file of {name}": ("-o", f"out.{name}") for name in OUTPUT_FORMATS},
        "lines": ("-o", "-", "--report", "report.json"),
    },
    "pool": {
        **{name: (f"pool-{name}",) for name, one in FORMATS.items() if not one.is_target_only},
        "gz": ("pool-gz",),
        "zst": ("pool-zst",),
        "stdin": ("-",),
    },
    "leaks": {"refused": (), "kept": ("--keep-leaks",)},
    "field": {"none": (), "added": ("--add-field", "score")},
    "workers": {"1": ("--workers", "1"), "2": ("--workers", "2")},
}

OF_SEVERAL = ("facets", "named", "mix")
FACETED = ("fused",)
WITH_SIZE = tuple(name for name in STRATEGIES if name != "top")
SHARING = ("stratified", "coverage")


def refusals():
    """Pairs that contradict each other → what the message has to name."""
    found = {}
    for scorer, target in itertools.product(SCORERS, OF_SEVERAL):
        if scorer not in FACETED:
            other = "--facets" if target == "facets" else "--target"
            found["scorer", scorer, "target", target] = ("--scorer", other)
    for strategy in WITH_SIZE:
        found["strategy", strategy, "budget", "alignment"] = ("--strategy", "--min-alignment")
    for strategy in SHARING:
        found["strategy", strategy, "groups", "quota"] = ("--strategy", "--quota")
        found["strategy", strategy, "target", "mix"] = ("--strategy", "--mix")
    found["strategy", "coverage", "target", "one"] = ("--strategy", "--facets", "--target")
    found["groups", "quota", "target", "mix"] = ("--quota", "--mix")
    found["groups", "quota", "budget", "alignment"] = ("--quota", "--min-alignment")
    found["target", "mix", "budget", "alignment"] = ("--mix", "--min-alignment")
    return found


REFUSALS = refusals()

#: Pairs that any third choice contradicts: coverage needs several targets, which these lack.
HOPELESS = {
    ("scorer", scorer, "strategy", "coverage") for scorer in SCORERS if scorer not in FACETED
}


def covering_array():
    """Rows such that any two values that go together stand in one of them."""
    names = list(FACTORS)
    wanted = {
        (a, x, b, y)
        for a, b in itertools.combinations(names, 2)
        for x, y in itertools.product(FACTORS[a], FACTORS[b])
    }
    wanted = {pair for pair in wanted if goes_alone(*pair)}
    rows = []
    while wanted:
        row = {}
        a, x, b, y = min(wanted)
        row[a], row[b] = x, y
        for name in names:
            if name not in row:
                row[name] = max(
                    (v for v in FACTORS[name] if goes_with(row, name, v)),
                    key=lambda v, n=name, r=row: n_covered({**r, n: v}, wanted),
                )
        rows.append(row)
        wanted -= pairs_of(row)
    return rows


def goes_alone(a, x, b, y):
    pairs = {(a, x, b, y), (b, y, a, x)}
    return not pairs & (REFUSALS.keys() | HOPELESS)


def goes_with(row, name, value):
    return all(goes_alone(a, x, name, value) for a, x in row.items())


def pairs_of(row):
    ordered = [(name, row[name]) for name in FACTORS if name in row]
    return {(*one, *other) for one, other in itertools.combinations(ordered, 2)}


def n_covered(row, wanted):
    return len(pairs_of(row) & wanted)


ROWS = covering_array()


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Pools of the same 60 records in every format, with copies and a leak, and targets."""
    folder = tmp_path_factory.mktemp("material")
    rows = make_records(60)
    targets = make_records(24, seed=1)
    rows[6]["text"] = targets[0]["text"]
    for copy in (20, 33, 41):
        rows[copy]["text"] = rows[4]["text"]
    lines = write_jsonl(folder / "pool-jsonl" / "a.jsonl", rows[:40]).read_bytes()
    lines += write_jsonl(folder / "pool-jsonl" / "b.jsonl", rows[40:]).read_bytes()
    (folder / "lines.jsonl").write_bytes(lines)
    table = pa.Table.from_pylist(rows)
    for name in ("gz", "zst", "parquet", "arrow", "arrow-stream", "csv", "tsv"):
        (folder / f"pool-{name}").mkdir()
    (folder / "pool-gz" / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (folder / "pool-zst" / "a.jsonl.zst").write_bytes(zstandard.compress(lines))
    pq.write_table(table, folder / "pool-parquet" / "a.parquet", row_group_size=25)
    pyarrow.feather.write_feather(table, folder / "pool-arrow" / "a.feather")
    with pa.ipc.new_stream(folder / "pool-arrow-stream" / "a.arrow", table.schema) as stream:
        stream.write_table(table)
    pyarrow.csv.write_csv(table, folder / "pool-csv" / "a.csv")
    tabs = pyarrow.csv.WriteOptions(delimiter="\t")
    pyarrow.csv.write_csv(table, folder / "pool-tsv" / "a.tsv", tabs)
    write_jsonl(folder / "target.jsonl", targets)
    for kind in ("code", "law"):
        write_jsonl(folder / f"{kind}.jsonl", [row for row in targets if row["kind"] == kind])
    return folder, rows


@pytest.fixture
def run(material, tmp_path, monkeypatch, capfdbinary):
    """Run ``zipsel select`` in this process: what it wrote to standard output, and the report."""
    folder, _ = material
    monkeypatch.chdir(tmp_path)
    for source in folder.iterdir():
        Path(source.name).symlink_to(source)

    def select(row, **instead):
        factors = {**{name: FACTORS[name][value] for name, value in row.items()}, **instead}
        words = [word for options in factors.values() for word in options]
        with open("lines.jsonl") as lines:
            monkeypatch.setattr(sys, "stdin", lines)
            cli.main(["select", *words, "--quiet"], standalone_mode=False)
        sys.stdout.flush()
        return capfdbinary.readouterr().out

    return select


def read_output(folder, name, printed):
    """The chosen rows, wherever they were written."""
    if name == "lines":
        return [json.loads(line) for line in printed.splitlines()]
    rows = []
    files = sorted(folder.glob("out/subset-*")) or list(folder.glob("out.*[!l]")) + list(
        folder.glob("out.jsonl")
    )
    for file in files:
        if file.is_dir():
            continue
        if file.suffix == ".parquet":
            rows += pq.read_table(file).to_pylist()
            continue
        data = file.read_bytes()
        if file.suffix == ".gz":
            data = gzip.decompress(data)
        if file.suffix == ".zst":
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        rows += [json.loads(line) for line in data.splitlines()]
    return rows


def report_of(folder, name):
    if name == "lines":
        return json.loads((folder / "report.json").read_bytes())
    (path,) = folder.glob("out*/report.json")
    return json.loads(path.read_bytes())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row.values()))
def test_any_two_choices_go_together(run, material, tmp_path, row):
    if row["dedup"] == "near":
        pytest.importorskip("rensa", reason="near-duplicates need the extra dedup")
    printed = run(row)
    _, pool = material
    report = report_of(tmp_path, row["output"])
    counts = report["counts"]
    chosen = read_output(tmp_path, row["output"], printed)

    assert counts["n_chosen"] + counts["n_passed"] + counts["n_rejected"] == counts["n_rows"] == 60
    assert len(chosen) == counts["n_chosen"] > 0
    texts = [one["text"] for one in chosen]
    assert counts["n_chosen_bytes"] == sum(len(text.encode()) for text in texts)
    assert set(texts) <= {one["text"] for one in pool}
    assert len({one["id"] for one in chosen}) == len(chosen)
    if row["groups"] != "none":
        assert {group["name"]: group["n_chosen"] for group in report["groups"]} == {
            kind: sum(one["kind"] == kind for one in chosen) for kind in ("code", "law")
        }
    if row["groups"] == "at most":
        assert max(group["n_chosen"] for group in report["groups"]) <= 5
    if row["dedup"] != "none":
        assert len(set(texts)) == len(texts)
    if row["leaks"] == "refused":
        assert pool[6]["text"] not in texts
    n_bytes = counts["n_chosen_bytes"]
    used = {"records": len(chosen), "fraction": len(chosen), "bytes": n_bytes}
    used["tokens"] = n_bytes / BYTES_PER_TOKEN
    limit = {"records": 8, "fraction": 12, "bytes": 2000, "tokens": 500}
    if row["budget"] in used:
        assert used[row["budget"]] <= limit[row["budget"]]
    if row["field"] == "added":
        least = 0 if row["budget"] == "alignment" else -float("inf")
        assert all(float(one["score"]) >= least for one in chosen)
    if row["order"] == "input":
        places = [next(p["id"] for p in pool if p["id"] == int(one["id"])) for one in chosen]
        assert places == sorted(places)


PLAIN = {name: next(iter(values)) for name, values in FACTORS.items()}


@pytest.mark.parametrize("pair", REFUSALS, ids=" ".join)
def test_what_contradicts_is_refused_by_both_names(run, tmp_path, pair):
    a, x, b, y = pair
    with pytest.raises(UsageError) as refused:
        run({**PLAIN, a: x, b: y})
    message = str(refused.value)
    assert refused.value.exit_code == 2
    assert "\n" not in message
    for name in REFUSALS[pair]:
        assert name in message
    assert not list(tmp_path.glob("out/subset-*"))


def test_a_budget_that_is_found_out_counts_as_others_do(run, tmp_path):
    """Finding it out takes many runs, so one row stands for its pairs."""
    pytest.importorskip("pyppmd", reason="pyppmd is not installed")
    row = {**PLAIN, "groups": "field", "output": "file of jsonl"}
    run(row, budget=("--auto",))
    report = report_of(tmp_path, row["output"])
    counts = report["counts"]
    assert counts["n_chosen"] + counts["n_passed"] + counts["n_rejected"] == counts["n_rows"] == 60
    assert len(read_output(tmp_path, row["output"], b"")) == counts["n_chosen"] > 0
    assert sum(group["n_chosen"] for group in report["groups"]) == counts["n_chosen"]
    assert report["stages"]["auto"] > 0


def test_every_kind_of_budget_is_walked():
    walked = {options[0] for options in FACTORS["budget"].values()} | {"--auto"}
    assert walked == {f"--{kind.replace('_', '-')}" for kind in BUDGET_KINDS}
