"""Comparing subsets: equal bytes, honest random draws, a message where something is missing."""

import sys

import pytest
from made_up import make_records, write_jsonl

from zipsel.console.messages import Log
from zipsel.errors import ShardError, UsageError
from zipsel.evaluation.ppm import draw_random_subsets
from zipsel.evaluation.subsets import EvalSettings, evaluate, iter_texts
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


@pytest.mark.parametrize("fields", [{"workers": 0}, {"max_bytes": 0}])
def test_numbers_must_be_positive(settings, fields):
    with pytest.raises(UsageError, match="at least 1"):
        settings(**fields)


def test_a_damaged_file_ends_the_comparison_unless_bad_ones_are_skipped(tmp_path, settings):
    good = write_jsonl(tmp_path / "b.jsonl", make_records(3))
    damaged = tmp_path / "a.jsonl.zst"
    damaged.write_bytes(b"\x28\xb5\x2f\xfd not zstd at all")
    shards, _ = find_shards([str(damaged), str(good)])

    with pytest.raises(ShardError, match=r"a\.jsonl\.zst"):
        list(iter_texts(shards, settings(), QUIET))
    assert len(list(iter_texts(shards, settings(), QUIET, skip_bad=True))) == 3


def test_a_beginning_of_a_subset_in_random_order_is_the_smaller_random_subset():
    texts = [b"%05d" % i for i in range(1000)]

    large = draw_random_subsets(texts, 600, in_pool_order=False)[0]
    small = draw_random_subsets(texts, 60, in_pool_order=False)[0]

    assert large.startswith(small)
    assert sorted(large.split()) != large.split()
