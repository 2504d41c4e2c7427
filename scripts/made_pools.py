"""Measure what the evaluation data does not have: a pool full of copies, a target of 2 MB.

Two sets of data are made from the pool of `ZIPSEL_EVAL_DATA`, with a target and a judge as in
`quality.py`, in the folder `--cache`:

* `copies`: a fifth of the records stand in the pool five times, each time under another first
  line, so that no two are equal byte for byte;
* `large`: of two domains 2 MB are the target and 200 records are held out; what is left of them
  stays in the pool, with all other domains, but for records that share 12 words with one held out.

    python scripts/made_pools.py                everything, to scripts/results/made-pools.*
    python scripts/made_pools.py --only copies  one of the two
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import zstandard
from quality_lib.data import REPOSITORY, Pool, Record, Task, data_folder, load_pool, load_target
from quality_lib.experiments import EXPERIMENT_BUDGET_BYTES, iter_cells, label_table
from quality_lib.grid import Cell
from quality_lib.peers import Bench
from quality_lib.results import describe_run

SELECTORS = ("cover", "ngram", "moore-lewis", "dsir-per-token", "random-0")
COPIED_TARGETS = ("humaneval", "proofnet")
#: One record in so many has copies, and how many times it stands in the pool.
COPIED_SHARE = 5
N_TIMES = 5
LARGE_DOMAINS = ("latex_math", "medical_qa")
LARGE_TARGET_BYTES = 2_000_000
N_HELD_OUT = 200
SHINGLE_WORDS = 12
SHARD_RECORDS = 20_000


def write_lines(path: Path, records: Iterable[Record]) -> None:
    """JSONL, compressed if the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = msgspec.json.Encoder().encode_lines(records)
    path.write_bytes(zstandard.compress(content) if path.suffix == ".zst" else content)


def write_pool(folder: Path, records: list[Record]) -> None:
    """Shards of a pool."""
    for first in range(0, len(records), SHARD_RECORDS):
        path = folder / "pool" / f"part-{first // SHARD_RECORDS:05d}.jsonl.zst"
        write_lines(path, records[first : first + SHARD_RECORDS])


def iter_records(pool: Pool) -> Iterator[Record]:
    """The rows of a pool."""
    for identity, text, source in zip(pool.ids, pool.texts, pool.sources, strict=True):
        yield Record(identity, text.decode(), source)


def find_shingles(record: Record) -> set[str]:
    """All runs of `SHINGLE_WORDS` words of a record."""
    words = record.text.split()
    starts = range(len(words) - SHINGLE_WORDS + 1)
    return {" ".join(words[i : i + SHINGLE_WORDS]) for i in starts}


def make_copies(folder: Path, pool: Pool) -> tuple[str, ...]:
    """The pool with copies, shuffled, and the targets as they are; returns their names."""
    generator = np.random.default_rng(0)
    records = []
    for i, record in enumerate(iter_records(pool)):
        records.append(record)
        n_times = N_TIMES if i % COPIED_SHARE == 0 else 1
        for copy in range(1, n_times):
            text = f"Mirror {copy} of number {generator.integers(10**6)}\n{record.text}"
            records.append(Record(f"{record.id}#{copy}", text, record.source))
    write_pool(folder, [records[i] for i in generator.permutation(len(records))])
    for target in COPIED_TARGETS:
        for half in ("train", "test"):
            texts = load_target(target, half)
            rows = (Record(f"{target}-{i}", text.decode(), target) for i, text in enumerate(texts))
            write_lines(folder / "targets" / f"{target}.{half}.jsonl", rows)
    return COPIED_TARGETS


def make_large(folder: Path, pool: Pool) -> tuple[str, ...]:
    """The pool less the targets taken from it, and these; returns their names."""
    records = list(iter_records(pool))
    taken: set[int] = set()
    held_out: set[str] = set()
    for domain in LARGE_DOMAINS:
        rows = np.flatnonzero(np.array(pool.sources) == domain)
        rows = np.random.default_rng(0).permutation(rows)
        sizes = np.cumsum([len(pool.texts[i]) for i in rows[N_HELD_OUT:]])
        n_target = 1 + int(np.searchsorted(sizes, LARGE_TARGET_BYTES))
        halves = {"test": rows[:N_HELD_OUT], "train": rows[N_HELD_OUT:][:n_target]}
        for half, of_half in halves.items():
            path = folder / "targets" / f"{domain}.{half}.jsonl"
            write_lines(path, [records[i] for i in of_half.tolist()])
            taken.update(of_half.tolist())
        held_out.update(*(find_shingles(records[i]) for i in halves["test"].tolist()))
    left = (record for i, record in enumerate(records) if i not in taken)
    write_pool(folder, [one for one in left if held_out.isdisjoint(find_shingles(one))])
    return LARGE_DOMAINS


MADE: dict[str, Callable[[Path, Pool], tuple[str, ...]]] = {
    "copies": make_copies,
    "large": make_large,
}


def measure(name: str, cache: Path) -> list[tuple[str, Cell]]:
    """Cells on one of the made sets of data, with the name as their label."""
    folder = cache / name
    made = folder / "data"
    targets = MADE[name](made, load_pool())
    original = data_folder()
    os.environ["ZIPSEL_EVAL_DATA"] = str(made)
    try:
        bench = Bench(load_pool(), folder)
        found: list[tuple[str, Cell]] = []
        for target in targets:
            found += iter_cells(bench, [(name, Task(target))], SELECTORS)
            print(f"{name} {target}", flush=True)
        return found
    finally:
        os.environ["ZIPSEL_EVAL_DATA"] = str(original)


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cache", type=Path, default=REPOSITORY / "build" / "made-pools")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "scripts" / "results")
    parser.add_argument("--only", nargs="+", choices=MADE, default=tuple(MADE), metavar="NAME")
    return parser.parse_args()


def main() -> int:
    """Make the data, measure, write the table."""
    arguments = parse_arguments()
    cells = [cell for name in arguments.only for cell in measure(name, arguments.cache)]
    content = {
        "run": describe_run(Bench(load_pool(), arguments.cache)),
        "budget_bytes": EXPERIMENT_BUDGET_BYTES,
        "cells": [{"label": label, **cell.summarize()} for label, cell in cells],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (arguments.results / "made-pools.json").write_text(text + "\n")
    print(label_table(cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
