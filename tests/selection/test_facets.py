"""Targets of two kinds are split, targets of one are not."""

import inspect
import pydoc_data.topics
import statistics
import textwrap

import numpy as np
import pytest

from selection.conftest import make_topic_records
from zipsel.scorers.facets import split_target
from zipsel.texts import TextBatch


def prose():
    return [text[:700] for _, text in sorted(pydoc_data.topics.topics.items()) if len(text) > 700]


def code():
    functions = [
        inspect.getsource(function)
        for module in (statistics, textwrap, inspect)
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
    ]
    return [text[:700] for text in functions if len(text) > 300]


def purity(groups, labels):
    """Share of examples that are of the kind that most of their group are of."""
    return sum(np.bincount(labels[group]).max() for group in groups) / len(labels)


def test_auto_splits_a_target_of_two_kinds():
    texts = [*prose()[:25], *code()[:25]]
    groups = split_target(TextBatch.from_texts(texts), None)
    assert len(groups) >= 2
    assert purity(groups, np.repeat([0, 1], 25)) >= 0.9


@pytest.mark.parametrize("texts", [prose()[:30], prose()[-30:], ["one example only"]])
def test_auto_leaves_a_target_of_one_kind(texts):
    groups = split_target(TextBatch.from_texts(texts), None)
    assert [group.tolist() for group in groups] == [list(range(len(texts)))]


@pytest.mark.parametrize("n_facets", [1, 2, 3, 5])
def test_every_example_is_in_one_group(n_facets):
    texts = [record["text"] for record in make_topic_records(40)]
    groups = split_target(TextBatch.from_texts(texts), n_facets)
    assert sorted(np.concatenate(groups).tolist()) == list(range(40))
    assert 1 <= len(groups) <= n_facets
    assert [len(group) for group in groups] == sorted(map(len, groups), reverse=True)


def test_made_up_topics_are_told_apart():
    records = make_topic_records(60, topics=("cooking", "chess", "opera"))
    groups = split_target(TextBatch.from_texts([one["text"] for one in records]), 3)
    assert purity(groups, np.arange(60) % 3) >= 0.8


def test_more_facets_than_examples():
    groups = split_target(TextBatch.from_texts(["first example", "second example"]), 5)
    assert [len(group) for group in groups] == [1, 1]


def test_equal_examples_make_no_empty_group():
    groups = split_target(TextBatch.from_texts(["the same example"] * 6), 3)
    assert sorted(np.concatenate(groups).tolist()) == list(range(6))


def test_the_order_of_examples_does_not_change_the_groups():
    texts = [record["text"] for record in make_topic_records(48)]
    found = set()
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(48) if seed else np.arange(48)
        groups = split_target(TextBatch.from_texts([texts[i] for i in order]), 4)
        found.add(frozenset(frozenset(order[group].tolist()) for group in groups))
    assert len(found) == 1
