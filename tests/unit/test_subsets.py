"""Comparing subsets: equal bytes, honest random draws, a message where something is missing."""

import sys

import numpy as np
import pytest
from made_up import make_records, write_jsonl

from zipsel.console.messages import Log
from zipsel.errors import ShardError, UsageError
from zipsel.evaluation import subsets
from zipsel.evaluation.ppm import bootstrap_interval, join_records, ppm_bits
from zipsel.evaluation.seen import warn_of_leaks
from zipsel.evaluation.subsets import EvalSettings, draw_pool, evaluate, open_judge
from zipsel.pool.finding import find_shards

pytest.importorskip("pyppmd", reason="the judge needs the extra eval")

QUIET = Log(quiet=True)


@pytest.fixture
def settings(tmp_path):
    def make(**fields):
        path = write_jsonl(tmp_path / "records.jsonl", make_records(40))
        held_out = write_jsonl(tmp_path / "held-out.jsonl", make_records(6, seed=5))
        return EvalSettings(**{"target": (str(held_out),), "subsets": (str(path),), **fields})

    return make


def test_a_pool_smaller_than_the_subsets_cuts_them_too(tmp_path, settings):
    pool = write_jsonl(tmp_path / "pool.jsonl", make_records(5, seed=9))

    found = evaluate(settings(pool=(str(pool),)), QUIET)

    assert found.subsets[0].bytes == found.random.bytes < 5 * 500
    assert len(found.random.each) == found.random.n_subsets == 3
    assert found.random.low <= found.random.bits_per_byte <= found.random.high


def test_the_judge_missing_is_said_before_anything_is_read(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyppmd", None)

    with pytest.raises(UsageError, match=r"pip install 'zipsel\[eval\]'"):
        evaluate(settings(target=("nowhere.jsonl",)), QUIET)


def test_a_damaged_pool_ends_the_comparison_unless_bad_files_are_passed_over(tmp_path, settings):
    good = write_jsonl(tmp_path / "pool" / "b.jsonl", make_records(3))
    damaged = tmp_path / "pool" / "a.jsonl.zst"
    damaged.write_bytes(b"\x28\xb5\x2f\xfd not zstd at all")
    shards, _ = find_shards([str(damaged), str(good)])
    errors = []

    with pytest.raises(ShardError, match=r"a\.jsonl\.zst"):
        evaluate(settings(pool=(str(tmp_path / "pool"),)), QUIET)
    orders, _ = draw_pool(shards, settings(), 10_000, on_error=errors.append)
    assert {len(order) for order in orders} == {3}
    assert [error.shard for error in errors] == [str(damaged)]


def test_the_same_records_in_any_order_are_the_same_subset(tmp_path, settings):
    records = make_records(60)
    paths = []
    for name, order in (("a", records), ("b", records[::-1]), ("c", records[1::2] + records[::2])):
        paths.append(str(write_jsonl(tmp_path / f"{name}.jsonl", order)))
    whole = evaluate(settings(subsets=tuple(paths)), QUIET).subsets
    part = evaluate(settings(subsets=tuple(paths), max_bytes=2000), QUIET).subsets
    for judged in (whole, part):
        assert len({(one.bytes, one.bits_per_byte, one.low, one.high) for one in judged}) == 1
    assert whole[0].bits_per_byte < part[0].bits_per_byte


def test_figures_are_those_of_the_mean_of_all_orders(tmp_path, settings):
    path = str(write_jsonl(tmp_path / "pool.jsonl", make_records(50, seed=9)))
    found = evaluate(settings(pool=(path,)), QUIET)
    judge = open_judge(settings())
    drawn, _ = draw_pool(find_shards([path])[0], settings(), found.random.bytes)
    each = [ppm_bits(join_records(texts, found.random.bytes), judge.examples) for texts in drawn]
    assert found.random.each == [round(float(bits.sum() / judge.n_bytes.sum()), 4) for bits in each]
    assert len(set(found.random.each)) == 3
    low, high = bootstrap_interval(np.mean(each, axis=0), judge.n_bytes)
    assert (found.random.low, found.random.high) == (round(low, 4), round(high, 4))


def test_a_pool_is_read_as_a_sample(tmp_path, settings, monkeypatch):
    """Random text of a large pool comes from all its shards, without reading all of them."""
    for i in range(4):
        records = [{"text": f"{i} " + "x" * 1000} for _ in range(3000)]
        write_jsonl(tmp_path / "pool" / f"{i}.jsonl", records)
    monkeypatch.setattr(subsets, "DEFAULT_SAMPLE_BYTES", 1 << 20)
    shards, _ = find_shards([str(tmp_path / "pool")])
    orders, n_sampled = draw_pool(shards, settings(), 1 << 16)
    assert n_sampled < 3 << 20
    assert {text[:1] for order in orders for text in order} == {b"0", b"1", b"2", b"3"}


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([2], "held-out example 2 stands in out: its bits say that it leaked"),
        (
            [1, 3],
            "2 held-out examples stand in out, example 1 among them: "
            "their bits say that they leaked",
        ),
    ],
)
def test_leaks_are_told_in_one_sentence(capsys, examples, message):
    held_out = [b"first one", b"second one", b"third one", b"fourth one"]
    subset = join_records(held_out[i] for i in examples)
    warn_of_leaks("out", subset, held_out, Log())
    assert capsys.readouterr().err == f"{message}, not that the subset is good\n"
