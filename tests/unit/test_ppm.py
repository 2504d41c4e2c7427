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


def test_without_fork_the_bits_are_the_same(code_subset, code_examples, monkeypatch):
    forked = ppm.ppm_bits(code_subset, code_examples)
    monkeypatch.delattr(os, "fork")

    assert (ppm.ppm_bits(code_subset, code_examples) == forked).all()


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


def test_subsets_are_cut_at_the_smallest_between_characters():
    cut = ppm.cut_to_equal_bytes([b"abcdefgh", b"abc", "aé€€".encode()])
    assert cut == [b"abc", b"abc", "aé".encode()]

    assert ppm.cut_to_equal_bytes([b"abcdef", "€€".encode()], 2) == [b"ab", b""]
    assert ppm.cut_to_equal_bytes([b"abc", b"abcd"], 100) == [b"abc", b"abc"]
    assert ppm.cut_to_equal_bytes([]) == []


def test_random_subsets_have_the_bytes_asked_and_keep_pool_order():
    texts = [b"%04d" % i * 5 for i in range(500)]

    first, second = ppm.draw_random_subsets(iter(texts), 2100, n_subsets=2, seed=3)

    assert len(first) == len(second) == 2100
    assert first != second
    records = first.split(b"\n")[:100]
    assert records == sorted(set(records))
    assert set(records) <= set(texts)
    assert ppm.draw_random_subsets(texts, 2100, seed=3) != [
        *ppm.draw_random_subsets(texts, 2100, seed=4)
    ]


def test_random_subsets_are_the_same_for_the_same_seed():
    texts = make_sentences(LAW, 300, seed=4)

    assert ppm.draw_random_subsets(texts, 999, seed=3) == ppm.draw_random_subsets(
        iter(texts), 999, seed=3
    )


def test_random_subsets_take_every_record_alike():
    texts = [b"%02d" % i for i in range(20)]
    subsets = ppm.draw_random_subsets(texts, 15, n_subsets=2000, seed=0)

    taken = np.array([[text in subset for text in texts] for subset in subsets])

    assert (taken.sum(axis=1) == 5).all()
    assert abs(taken.mean(axis=0) - 0.25).max() < 0.05


def test_a_random_subset_larger_than_the_pool_is_the_pool():
    assert ppm.draw_random_subsets([b"a", b"b"], 100) == [b"a\nb\n"]
