"""The PPM judge ranks subsets by how well they predict held-out examples."""

import os
import random
import sys

import numpy as np
import pytest

from zipsel.errors import UsageError
from zipsel.evaluation import ppm

pyppmd = pytest.importorskip("pyppmd")


def make_sentences(words, n_sentences, seed):
    generator = random.Random(seed)
    return [" ".join(generator.choices(words, k=12)).encode() for _ in range(n_sentences)]


CODE = "def return self for in range len print import class if else not None".split()
LAW = "the party shall hereby indemnify agreement of any breach liability under".split()


@pytest.fixture
def code_subset():
    return ppm.join_records(make_sentences(CODE, 200, seed=1))


@pytest.fixture
def law_subset():
    return ppm.join_records(make_sentences(LAW, 200, seed=2))


@pytest.fixture
def code_examples():
    return make_sentences(CODE, 9, seed=3)


def test_examples_like_the_subset_cost_less(code_subset, law_subset, code_examples):
    n_bytes = np.array(list(map(len, code_examples)))

    near = ppm.bits_per_byte(ppm.ppm_bits(code_subset, code_examples), n_bytes)
    far = ppm.bits_per_byte(ppm.ppm_bits(law_subset, code_examples), n_bytes)
    unread = ppm.bits_per_byte(ppm.ppm_bits(b"", code_examples), n_bytes)

    assert near < 1.5
    assert near < 0.5 * far
    assert near < 0.5 * unread


def test_reading_more_of_the_same_kind_does_not_raise_the_cost(code_examples):
    few = ppm.join_records(make_sentences(CODE, 50, seed=1))
    many = ppm.join_records(make_sentences(CODE, 400, seed=1))

    assert ppm.ppm_bits(many, code_examples).sum() < ppm.ppm_bits(few, code_examples).sum()


def test_a_copied_example_costs_almost_nothing(code_subset, code_examples):
    leaked = code_subset + code_examples[4] + b"\n"

    assert ppm.ppm_bits(leaked, code_examples)[4] < 0.3 * 8 * len(code_examples[4])
    assert ppm.find_contained_examples(leaked, code_examples) == [4]
    assert ppm.find_contained_examples(code_subset, [*code_examples, b"", b" \n"]) == []


def test_bits_are_those_of_compressing_the_concatenation(code_subset, code_examples):
    def compress(text):
        return len(pyppmd.compress(text, max_order=8, mem_size=64 << 20))

    expected = [8 * (compress(code_subset + e) - compress(code_subset)) for e in code_examples]

    assert ppm.ppm_bits(code_subset, code_examples).tolist() == expected


@pytest.mark.parametrize("n_workers", [2, 4, 100])
def test_workers_do_not_change_the_bits(code_subset, code_examples, n_workers):
    alone = ppm.ppm_bits(code_subset, code_examples)

    assert (ppm.ppm_bits(code_subset, code_examples, n_workers=n_workers) == alone).all()


def test_the_beginning_of_a_large_subset_is_not_forgotten():
    generator = random.Random(5)
    noise = generator.randbytes(2_000_000)
    first = generator.randbytes(200)

    assert ppm.ppm_bits(first + noise, [first])[0] < 8 * 60


def test_no_examples_give_no_bits(code_subset):
    assert ppm.ppm_bits(code_subset, []).shape == (0,)


def test_a_child_that_dies_is_an_error(code_subset, code_examples, monkeypatch):
    monkeypatch.setattr(ppm, "_measure_tail", lambda encoder, example: os._exit(1))

    with pytest.raises(MemoryError, match="fewer workers"):
        ppm.ppm_bits(code_subset, code_examples)


def test_a_missing_package_names_the_extra(code_subset, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyppmd", None)

    with pytest.raises(UsageError, match=r"zipsel\[eval\]"):
        ppm.ppm_bits(code_subset, [b"text"])


def test_bits_per_byte_weighs_examples_by_their_bytes():
    assert ppm.bits_per_byte(np.array([8.0, 80.0]), np.array([1, 43])) == 2.0
    with pytest.raises(ValueError, match="no bytes"):
        ppm.bits_per_byte(np.array([]), np.array([], dtype=np.int64))


def test_bootstrap_interval_holds_the_mean_and_narrows_with_examples():
    generator = np.random.default_rng(7)
    n_bytes = generator.integers(100, 900, size=400)
    bits = n_bytes * generator.normal(2.0, 0.3, size=400)

    low, high = ppm.bootstrap_interval(bits, n_bytes)
    few_low, few_high = ppm.bootstrap_interval(bits[:25], n_bytes[:25])

    assert low < ppm.bits_per_byte(bits, n_bytes) < high
    assert high - low < 0.5 * (few_high - few_low)
    assert ppm.bootstrap_interval(bits, n_bytes, level=0.5)[0] > low
    assert ppm.bootstrap_interval(bits, n_bytes, seed=0) == (low, high)
    assert ppm.bootstrap_interval(bits, n_bytes, seed=1) != (low, high)


def test_paired_differences_give_a_narrower_interval():
    generator = np.random.default_rng(7)
    n_bytes = generator.integers(100, 900, size=100)
    better = n_bytes * generator.normal(2.0, 0.3, size=100)
    worse = better + n_bytes * generator.normal(0.05, 0.01, size=100)

    low, high = ppm.bootstrap_interval(worse - better, n_bytes)

    assert 0.04 < low < 0.05 < high < 0.06


def test_bootstrap_of_one_example_is_that_example():
    assert ppm.bootstrap_interval(np.array([30.0]), np.array([10])) == (3.0, 3.0)


def test_subsets_are_cut_between_characters():
    assert ppm.join_records([b"abcd", b"ef"]) == b"abcd\nef\n"
    assert ppm.join_records([b"abcd", b"ef"], 6) == b"abcd\ne"
    assert ppm.join_records(["aé€€".encode()], 7) == "aé€".encode()
    assert ppm.join_records(["€€".encode()], 2) == b""
    assert ppm.join_records([b"abc"], 100) == b"abc\n"


def test_orders_depend_on_the_set_and_the_seed_alone():
    texts = make_sentences(LAW, 300, seed=4)
    orders, n_bytes = ppm.draw_orders(iter(texts), 10**6, seed=3)

    assert n_bytes == len(ppm.join_records(texts))
    assert [sorted(order) for order in orders] == [sorted(texts)] * ppm.N_ORDERS
    assert len({tuple(order) for order in orders}) == ppm.N_ORDERS
    assert ppm.draw_orders(texts[::-1], 10**6, seed=3) == (orders, n_bytes)
    assert ppm.draw_orders(texts, 10**6, seed=4)[0] != orders


def test_a_limit_keeps_the_beginning_of_each_order():
    texts = [b"%05d" % i for i in range(1000)]
    whole, n_bytes = ppm.draw_orders(texts, 10**6)
    some, of_all = ppm.draw_orders(texts, 600)

    assert n_bytes == of_all == 6000
    assert some == [order[:100] for order in whole]
    assert ppm.draw_orders(texts, 601)[0] == [order[:101] for order in whole]


def test_every_text_is_drawn_alike():
    texts = [b"%02d" % i for i in range(20)]
    drawn = [order for seed in range(700) for order in ppm.draw_orders(texts, 15, seed)[0]]
    taken = np.array([[text in order for text in texts] for order in drawn])

    assert (taken.sum(axis=1) == 5).all()
    assert abs(taken.mean(axis=0) - 0.25).max() < 0.05


def test_copies_are_spread():
    copies = [b"a"] * 50 + [b"b"] * 50
    for order in ppm.draw_orders(copies, 40)[0]:
        assert len(order) == 20
        assert 3 < order.count(b"a") < 17
