"""What the driver keeps in memory of each candidate; the rest is in files."""

import tracemalloc

import numpy as np
import pytest

from selection.conftest import cover_run
from zipsel.scorers.target_ngrams import TargetNgrams
from zipsel.selection.budgets import Budget
from zipsel.selection.candidates import Candidates
from zipsel.selection.chooser import Chooser
from zipsel.selection.cover import GreedyCover
from zipsel.selection.duplicates import Duplicates
from zipsel.selection.gather import Fetched
from zipsel.selection.offers import OfferStream
from zipsel.selection.quotas import Quotas
from zipsel.selection.spool import ROW, SpooledRows, ngrams_path
from zipsel.selection.strategies import BudgetParts
from zipsel.storage.columns import Columns
from zipsel.texts import TextBatch

N = 100_000
LENGTH = 500
#: Bytes, most of them tables of n-grams; Python objects of one candidate would take hundreds.
PER_CANDIDATE = 16


def make_block(columns, generator):
    block = Candidates(
        *(columns.zeros(N, dtype) for dtype in ("i4", "i8", "i8", "f8", "i8", "i4", "i4"))
    )
    block.shard[:] = np.arange(N) // 12_500
    block.row[:] = np.arange(N) % 12_500
    block.alignment[:] = np.sort(generator.normal(size=N))[::-1]
    block.n_bytes[:] = generator.integers(LENGTH // 2, 2 * LENGTH, N)
    return block


def make_fetched(folder, columns, generator, n_ngrams):
    """Rows of eight spool files, two n-grams each."""
    rows = columns.zeros(N, ROW)
    rows["file"] = np.arange(N) // 12_500
    rows["n_ngrams"] = 2
    rows["ngrams"] = np.arange(N) % 12_500 * 2
    rows["digest"] = generator.bytes(16)
    at = ROW.fields["digest"][1] + 1  # the first byte stays the same: few buckets, which cost alike
    rows.view(np.uint8).reshape(N, -1)[:, at : at + 8] = generator.integers(256, size=(N, 8))
    files = [(str(folder / f"spool-{i}"), False) for i in range(8)]
    for path, _ in files:
        pairs = generator.integers(n_ngrams // 2, size=(12_500, 2)) * 2 + [0, 1]
        pairs.astype(np.uint32).tofile(ngrams_path(path))
    return Fetched(0, SpooledRows(files, 0, rows), {})


@pytest.mark.parametrize("strategy", ["cover", "top"])
def test_a_candidate_takes_few_bytes_of_memory(tmp_path, monkeypatch, strategy):
    for name, value in {
        "SMALL_BYTES": 0,
        "STRETCH": 4096,
        "SORTED": 4096,
        "UNWRITTEN": 4096,
        "SAMPLE": 512,
    }.items():
        monkeypatch.setattr(f"zipsel.storage.columns._{name}", value)
    monkeypatch.setattr("zipsel.selection.cover._SLICE", 512)
    columns, generator = Columns(str(tmp_path)), np.random.default_rng(0)
    words = [" ".join(map(str, generator.integers(10**9, size=30))) for _ in range(40)]
    ngrams = TargetNgrams.fit(TextBatch.from_texts(words), TextBatch.from_texts([]))
    block = make_block(columns, generator)
    fetched = make_fetched(tmp_path, columns, generator, len(ngrams))

    def fetch(block, first):
        def places(some):
            return block.shard[some] * np.int64(12_500) + block.row[some]

        rows = columns.take(fetched.spooled.rows, columns.compute(len(block), "i8", places))
        return Fetched(first, SpooledRows(fetched.spooled.files, first, rows), {})

    budget = Budget("max_bytes", N * LENGTH // (6 if strategy == "cover" else 2))
    one_part = BudgetParts({}, lambda block: block.group, lambda: [""])
    chooser = Chooser(
        Quotas(budget, N, {}), Duplicates("exact", columns=columns), one_part, lambda: [""], columns
    )
    tracemalloc.start()
    try:
        if strategy == "cover":
            stream = OfferStream(iter([block]), np.ones(1), lambda b: b.group, columns=columns)
            run = cover_run(GreedyCover(ngrams, columns), stream, chooser, fetch)
            n_taken = len(run.take(N * LENGTH / 6).positions)
        else:
            n_taken = len(chooser.take_in_order(block, fetch(block, 0)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n_taken > N / 8
    assert peak < PER_CANDIDATE * N
