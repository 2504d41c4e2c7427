"""Rows of many spool files, found by rank."""

import json
import random

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from zipsel.readers.reading import TextSpec
from zipsel.selection.chosen_rows import Chosen
from zipsel.selection.spool import ROW, Spool, SpooledRows, SpoolFile


def spool_of(folder, files, line_of=lambda rank: {"text": f"text {rank}"}):
    """Spool files of JSON lines; a row of rank 7 holds the text "text 7"."""
    made = []
    rows = np.zeros(sum(map(len, files)), ROW)
    by_rank = np.argsort([rank for ranks in files for rank in ranks])
    first = 0
    for i, ranks in enumerate(files):
        lines = [json.dumps(line_of(rank)).encode() for rank in ranks]
        path = folder / f"spool-{i}"
        path.write_bytes(b"".join(lines))
        made.append((str(path), False))
        of_file = rows[first : first + len(lines)]
        of_file["length"] = [len(line) for line in lines]
        of_file["start"] = np.cumsum(of_file["length"]) - of_file["length"]
        of_file["file"] = i
        first += len(lines)
    ranks = np.array(sorted(rank for ranks in files for rank in ranks), np.int64)
    return Spool([SpooledRows(made, ranks, rows[by_rank])])


@given(
    ranks=st.lists(st.integers(0, 200), unique=True, max_size=60),
    n_files=st.integers(1, 5),
    wanted=st.randoms(use_true_random=False),
)
def test_any_ranks_are_found_in_any_spread_over_files(tmp_path_factory, ranks, n_files, wanted):
    spool = spool_of(tmp_path_factory.mktemp("s"), [ranks[i::n_files] for i in range(n_files)])
    asked = np.array(wanted.sample(ranks, wanted.randint(0, len(ranks))), np.int64)
    assert spool.read_texts(asked, TextSpec()) == [f"text {rank}" for rank in asked]


def test_a_part_of_the_choice_carries_only_its_own_rows(tmp_path):
    spool = spool_of(tmp_path, [[4, 0], [1], [5, 2, 3]])
    ranks = np.array([5, 1, 0, 3], np.int64)
    chosen = Chosen(ranks, np.zeros(4), np.ones(4, np.int64), spool)
    part = chosen.take(slice(1, 4))
    assert part.read_lines() == [b'{"text": "text %d"}' % rank for rank in (1, 0, 3)]
    held = [file.ranks.tolist() for file, _ in part.spool.find(np.arange(6))]
    assert held == [[0], [1], [3]]


@given(
    order=st.permutations(range(12)),
    n_files=st.integers(1, 6),
    seed=st.integers(0, 5),
)
def test_columns_come_in_the_order_of_rows_however_these_are_spread_over_files(
    tmp_path_factory, order, n_files, seed
):
    """Which rows share a file follows from workers and the sizes of shards."""

    def line_of(rank):
        names = random.Random(100 * seed + rank).sample("abcdef", 3)
        return {"text": str(rank), **dict.fromkeys(names, rank), "of": {names[0]: {names[1]: 1}}}

    wanted = np.random.default_rng(seed).permutation(12)[:8]

    def chosen_of(files):
        spool = spool_of(tmp_path_factory.mktemp("s"), files, line_of)
        return Chosen(wanted, np.zeros(8), np.ones(8, np.int64), spool)

    chosen = chosen_of([order[i::n_files] for i in range(n_files)])
    rows = [line_of(rank) for rank in wanted.tolist()]
    table = chosen.read_table()
    assert table.column_names == list(dict.fromkeys(name for row in rows for name in row))
    # Fields within fields come by name where Arrow is old.
    assert table.schema == chosen_of([order]).read_table().schema
    assert table.schema == chosen.read_schema()
    found = [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]
    assert [{**row, "of": 0} for row in found] == [{**row, "of": 0} for row in rows]


def test_an_empty_spool_has_no_rows():
    assert list(Spool([]).find(np.arange(3))) == []


def test_runs_whose_dictionaries_differ_are_one_table(tmp_path):
    runs = [
        pa.table({"text": pa.array(words).dictionary_encode()}) for words in (["a", "b"], ["c"])
    ]
    with pa.ipc.new_stream(str(tmp_path / "spool"), runs[0].schema) as stream:
        for run in runs:
            stream.write_table(run)
    numbers = np.array([2, 0, 1])
    file = SpoolFile(str(tmp_path / "spool"), True, numbers, numbers, np.ones(3, np.int64))
    rows = np.zeros(3, ROW)
    rows["start"] = [0, 1, 2]
    spool = Spool([SpooledRows([(file.path, True)], 0, rows)])
    assert file.read_table()["text"].to_pylist() == ["c", "a", "b"]
    chosen = Chosen(np.array([0, 1, 2]), np.zeros(3), np.ones(3, np.int64), spool)
    assert chosen.read_table()["text"].to_pylist() == ["a", "b", "c"]
    assert chosen.read_lines() == [b'{"text":"a"}', b'{"text":"b"}', b'{"text":"c"}']
