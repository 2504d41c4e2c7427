"""Planted leaks are found, wherever and however they stand; innocent text is not."""

import random
import string

import pytest

from zipsel.selection.leaks import LeakIndex
from zipsel.selection.settings import LeakRule

WORDS = [
    "".join(random.Random(i).choices(string.ascii_lowercase, k=random.Random(-i).randint(2, 9)))
    for i in range(400)
]

RULE = LeakRule()


def make_words(n_words, seed):
    return random.Random(seed).choices(WORDS, k=n_words)


def make_index(examples, rule=RULE):
    return LeakIndex(["target"], [(0, i, text) for i, text in enumerate(examples)], rule)


LONG = " ".join(make_words(60, seed=1))
SHORT = " ".join(make_words(10, seed=2))
PHRASE = " ".join(make_words(7, seed=3))
INDEX = make_index([LONG, SHORT, PHRASE])
PAGE = make_words(3000, seed=4)


def bury(item):
    return " ".join([*PAGE[:1500], item, *PAGE[1500:]])


@pytest.mark.parametrize("example", [LONG, SHORT, PHRASE])
@pytest.mark.parametrize(
    "change", [str, str.upper, "  {}\n".format, lambda t: t.replace(" ", "\n")]
)
def test_a_copy_is_found_whatever_its_case_and_spaces(example, change):
    found = INDEX.find(change(example))
    assert (found.source, found.example, found.overlap) == (
        "target",
        [LONG, SHORT, PHRASE].index(example),
        1.0,
    )


@pytest.mark.parametrize(("item", "number"), [(LONG, 0), (LONG.title(), 0), (SHORT, 1)])
def test_an_item_buried_in_a_long_page_is_found(item, number):
    found = INDEX.find(bury(item))
    assert (found.example, found.overlap) == (number, 1.0)


@pytest.mark.parametrize(("n_words", "is_leak"), [(7, False), (8, True), (9, True)])
def test_items_from_eight_words_on_are_found_in_pages(n_words, is_leak):
    item = " ".join(make_words(n_words, seed=5))
    assert (make_index([item]).find(bury(item)) is not None) == is_leak


def test_an_item_is_found_in_a_text_little_longer_than_itself():
    assert INDEX.find(f"{PAGE[0]} {SHORT} {PAGE[1]}").example == 1
    assert INDEX.find(f"{PAGE[0]} {LONG}").example == 0


def test_punctuation_does_not_hide_an_item():
    assert INDEX.find(bury(LONG.replace(" ", ", "))).example == 0
    assert INDEX.find(bury("(" + SHORT.replace(" ", " - ") + ")")).example == 1


def test_a_short_phrase_is_no_leak_unless_it_is_the_whole_text():
    assert INDEX.find(bury(PHRASE)) is None


def test_a_short_item_has_to_stand_there_whole():
    words = SHORT.split()
    assert INDEX.find(bury(" ".join(words[:-1]))) is None
    assert INDEX.find(bury(" ".join([*words[:5], "and", *words[5:]]))) is None


@pytest.mark.parametrize(("n_words", "is_leak"), [(60, True), (36, True), (35, False), (12, False)])
def test_half_of_the_ngrams_make_a_leak(n_words, is_leak):
    """60 words have 48 windows of 13; 36 of its words have 24 of them."""
    found = INDEX.find(bury(" ".join(LONG.split()[:n_words])))
    assert (found is not None) == is_leak
    if is_leak:
        assert found.overlap == pytest.approx((n_words - 12) / 48, abs=1e-4)


def test_the_rule_is_as_given():
    tenth = " ".join(LONG.split()[:18])
    assert make_index([LONG], LeakRule(13, 0.1)).find(bury(tenth)).overlap == 0.125
    assert make_index([LONG], LeakRule(5, 0.2)).find(bury(" ".join(LONG.split()[:20]))) is not None
    assert make_index([PHRASE], LeakRule(5, 1.0)).find(bury(PHRASE)) is not None


def test_the_best_match_is_named_with_its_file():
    index = LeakIndex(["target", "held-out.jsonl"], [(0, 0, SHORT), (1, 3, LONG)], LeakRule())
    assert index.find(bury(LONG))[:2] == ("held-out.jsonl", 3)
    partly = bury(" ".join(LONG.split()[:40]) + " " + SHORT)
    assert index.find(partly)[:2] == ("target", 0)


def test_innocent_texts_of_the_same_words_are_no_leaks():
    for seed in range(100, 400):
        assert INDEX.find(" ".join(make_words(500, seed))) is None


def test_texts_without_words_or_in_other_scripts():
    index = make_index(["+++ --- ***", "一二三四五六七八九十 " * 3, "x"])
    assert index.find("--- +++ ***") is None
    assert index.find("+++ --- ***").example == 0
    assert index.find("X").example == 2
    assert index.find("a x b") is None


def slow_overlap(example, text, n):
    """Share of an example's word n-grams in a text, by sets of tuples."""

    def grams(words):
        return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}

    own = grams(example.split())
    return len(own & grams(text.split())) / len(own)


@pytest.mark.parametrize("seed", range(20))
def test_overlap_is_that_of_sets_of_words(seed):
    """Few words, so that n-grams repeat and examples share them."""
    generator = random.Random(seed)
    examples = [" ".join(generator.choices("abcd", k=generator.randint(4, 30))) for _ in range(6)]
    index = make_index(examples, LeakRule(4, 0.01))
    text = " ".join(generator.choices("abcde", k=60))
    expected = [slow_overlap(example, text, 4) for example in examples]
    found = index.find(text)

    assert found.overlap == pytest.approx(max(expected), abs=1e-4)
    assert expected[found.example] == max(expected)
