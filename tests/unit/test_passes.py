"""However a pool is cut into shards, chunks and runs, the same rows come out in the same order."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from zipsel.commands.fit import run_fit
from zipsel.commands.select import run_select
from zipsel.console.messages import Log
from zipsel.engines.local import LocalEngine
from zipsel.errors import BadShards
from zipsel.readers import fetch
from zipsel.scorers.fit import FitSettings
from zipsel.scorers.fused import FusedScorer
from zipsel.scorers.ngram import NgramScorer
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.selection.budgets import Budget
from zipsel.selection.settings import SelectSettings


@pytest.fixture
def lines(records):
    return [json.dumps(record).encode() + b"\n" for record in records]


@pytest.fixture
def profile(tmp_path, pool, target):
    settings = RunSettings(pool=(str(pool),), target=(str(target),))
    run_fit(Run(settings, Log(quiet=True)), str(tmp_path / "p.profile"))
    return str(tmp_path / "p.profile")


@pytest.fixture
def choose(tmp_path, profile, target):
    """Select 25 records of some files in this process and return the bytes."""

    def run(*paths, work="work", scorer=None, **options):
        if "contenders" in options:  # which only a cascade has
            scorer = "fused"
        given = {"profile": profile}
        if scorer is not None:
            given = {"target": (str(target),), "fit": FitSettings(scorer=scorer)}
        settings = RunSettings(pool=tuple(map(str, paths)), work_dir=str(tmp_path / work), **given)
        stdout = io.BytesIO()
        select = SelectSettings(budget=Budget("top_k", 25), output="-", **options)
        with LocalEngine(1) as engine:
            run_select(Run(settings, Log(quiet=True), stdout=stdout), select, engine)
        return stdout.getvalue()

    return run


def write_pool(folder, lines, n_shards, suffix):
    folder.mkdir()
    paths = []
    for i in range(n_shards):
        part = lines[i * len(lines) // n_shards : (i + 1) * len(lines) // n_shards]
        paths.append(folder / f"{i:03d}{suffix}")
        data = b"".join(part)
        if suffix == ".parquet":
            table = pa.Table.from_pylist([json.loads(line) for line in part])
            pq.write_table(table, paths[-1], row_group_size=4)
        else:
            paths[-1].write_bytes(
                zstandard.ZstdCompressor().compress(data) if suffix.endswith("zst") else data
            )
    return paths


@pytest.mark.parametrize("chunk_bytes", [150, 4000])
@pytest.mark.parametrize("n_shards", [1, 7])
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst", ".parquet"])
def test_chunks_and_shards_do_not_change_a_byte(
    tmp_path, monkeypatch, lines, choose, suffix, n_shards, chunk_bytes
):
    expected = choose(*write_pool(tmp_path / "whole", lines, 1, ".jsonl"), work="w1")
    assert expected.count(b"\n") == 25

    monkeypatch.setattr(NgramScorer, "chunk_bytes", chunk_bytes)
    found = choose(*write_pool(tmp_path / "cut", lines, n_shards, suffix), work="w2")
    if suffix == ".parquet":  # keys and values, written anew
        assert list(map(json.loads, found.splitlines())) == list(
            map(json.loads, expected.splitlines())
        )
    else:
        assert found == expected


def test_what_is_scored_already_makes_no_difference(tmp_path, lines, choose):
    paths = write_pool(tmp_path / "shards", lines, 3, ".jsonl")
    expected = choose(*paths, work="fresh", contenders=0.6)

    choose(*paths[1:2], work="some")
    choose(*paths, work="some", contenders=0.3)
    choose(*paths, work="some", contenders=1.0)
    assert choose(*paths, work="some", contenders=0.6) == expected


def test_shards_named_twice_are_read_once(tmp_path, lines, choose):
    paths = write_pool(tmp_path / "shards", lines, 3, ".jsonl")
    assert choose(*paths, paths[0], tmp_path / "shards") == choose(*paths)


def test_a_compressed_shard_is_read_once_for_few_contenders(tmp_path, monkeypatch, lines, choose):
    lines[3] = b" \n" + lines[3].replace(b"\n", b"\r\n")  # a blank line before, and CRLF
    few = {"contenders": 0.1, "strategy": "top", "scorer": "fused"}
    expected = choose(*write_pool(tmp_path / "plain", lines, 2, ".jsonl"), work="w1", **few)
    packed = write_pool(tmp_path / "packed", lines, 2, ".jsonl.zst")

    def refuse(*_, **__):
        raise AssertionError("a shard was read again")

    with monkeypatch.context() as patched:
        patched.setattr(fetch, "iter_lines", refuse)
        assert choose(*packed, work="w2", **few) == expected
    # What more contenders need is not in the sidecar, and is read from the shard.
    more = {**few, "contenders": 1.0}
    assert choose(*packed, work="w2", **more) == choose(*packed, work="w3", **more)


def test_lines_that_one_part_lacks_are_read_from_the_shard(tmp_path, monkeypatch, lines, choose):
    monkeypatch.setattr(FusedScorer, "chunk_bytes", 3000)
    few = {"contenders": 0.1, "strategy": "top", "scorer": "fused"}
    packed = write_pool(tmp_path / "packed", lines, 1, ".jsonl.zst")
    choose(*packed, work="w1", **{**few, "contenders": 0.5})  # too many to keep their lines
    parts = sorted((tmp_path / "w1" / "scores").rglob("*.parquet"))
    assert len(parts) > 3
    for part in parts[len(parts) // 2 :]:
        part.unlink()
    assert choose(*packed, work="w1", **few) == choose(*packed, work="w2", **few)


def test_categories_may_differ_between_row_groups(tmp_path, monkeypatch, lines, choose):
    rows = [json.loads(line) for line in lines]
    half_way = len(rows) // 2
    of_group = [
        pa.table(
            {
                "id": [row["id"] for row in half],
                "text": [row["text"] for row in half],
                "kind": pa.array([f"{name} {row['kind']}" for row in half]).dictionary_encode(),
            }
        )
        for name, half in (("a", rows[:half_way]), ("b", rows[half_way:]))
    ]
    path = tmp_path / "categories.arrow"
    with pa.ipc.new_stream(path, of_group[0].schema) as sink:
        for table in of_group:
            sink.write_table(table)
    monkeypatch.setattr(fetch, "_TABLE_BYTES", 1)  # each batch a run of its own

    found = [json.loads(line) for line in choose(path, contenders=1.0).splitlines()]
    kind_of = {row["id"]: f"{'ab'[i >= half_way]} {row['kind']}" for i, row in enumerate(rows)}
    assert len(found) == 25
    assert all(row["kind"] == kind_of[row["id"]] for row in found)
    assert {row["kind"][0] for row in found} == {"a", "b"}


def test_a_shard_that_changes_while_rows_are_fetched_is_refused(
    tmp_path, lines, choose, monkeypatch
):
    """Rows of two versions are never mixed."""
    paths = write_pool(tmp_path / "changing", lines, 2, ".jsonl")
    read = fetch.iter_lines

    def read_and_change(shard, offsets, reading):
        yield from read(shard, offsets, reading)
        with open(shard.path, "ab") as file:
            file.write(lines[0])

    monkeypatch.setattr(fetch, "iter_lines", read_and_change)
    with pytest.raises(BadShards, match="changed while it was being read"):
        choose(*paths)
