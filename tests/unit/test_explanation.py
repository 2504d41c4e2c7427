"""Explanations: what they add up to, and what the parse under them guarantees."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import fit

from zipsel.errors import UsageError
from zipsel.explain.explanation import explain_texts, share_out
from zipsel.explain.factorize import (
    MIN_MATCH,
    DictionaryIndex,
    ExampleFinder,
    estimate_savings,
    factorize,
    match_length,
)
from zipsel.scorers.profile import Profile
from zipsel.texts import TextBatch

TARGET = [
    "def area(radius):\n    return math.pi * radius ** 2\n",
    "def mean(values):\n    return sum(values) / len(values)\n",
    "class Stack:\n    def push(self, item):\n        self.items.append(item)\n",
]
TEXTS = [
    "def volume(radius):\n    return 4 / 3 * math.pi * radius ** 3\n",
    "Er sprach: »Ärger über Ämter«, ça va, 漢字 🎈 and little else of note here.",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "x",
]

short_bytes = st.lists(st.sampled_from([b"abcde", b"bcdef", b"ab", b"z", b"\xff\x00"])).map(
    b"".join
)


def make_pool():
    generator = random.Random(5)
    words = "the party shall hereby return self for any value in range liability".split()
    return [" ".join(generator.choices(words, k=30)) for _ in range(40)]


FACETS = {"functions": TARGET[:2], "classes": TARGET[2:]}


@pytest.fixture(scope="module", params=["fused", "conditional", "ngram", "fused, facets"])
def profile(request):
    name, examples = (
        ("fused", FACETS) if request.param == "fused, facets" else (request.param, TARGET)
    )
    return Profile(fit(name, examples, make_pool()), TextBatch.from_texts(TARGET))


def test_numbers_are_those_of_the_sidecar(profile):
    scores = profile.scorer.score(TextBatch.from_texts(TEXTS))
    explanations = explain_texts(profile, TEXTS, list("abcd"))
    assert [one.alignment for one in explanations] == scores["alignment"].tolist()
    for name in {"c_x", "c_x_given_t", "conditional"} & set(scores):
        assert [getattr(one, name) for one in explanations] == scores[name].tolist()


def test_spans_add_up_exactly_and_cover_the_text(profile):
    for text, one in zip(TEXTS, explain_texts(profile, TEXTS, list("abcd")), strict=True):
        bounds = [0, *(span.end for span in one.spans)]
        assert [span.start for span in one.spans] == bounds[:-1]
        assert bounds[-1] == one.n_bytes == len(text.encode())
        if one.c_x is not None:
            saved = sum(span.saved_bytes for span in one.spans) + one.unallotted_bytes
            assert saved == one.c_x - one.c_x_given_t
        if one.ngram is not None:
            assert sum(span.ngram_bits for span in one.spans) / one.n_bytes == one.ngram
            assert len(one.weights) == one.n_bytes


def test_a_long_text_adds_up_though_only_its_beginning_is_parsed(profile):
    text = TEXTS[0] * 50
    (one,) = explain_texts(profile, [text], ["long"], explained_bytes=100)
    assert one.spans[-1].kind == "rest"
    assert one.spans[-1].start == 100
    assert one.spans[-1].end == one.n_bytes
    if one.c_x is not None:
        saved = sum(span.saved_bytes for span in one.spans) + one.unallotted_bytes
        assert saved == one.c_x - one.c_x_given_t
    if one.ngram is not None:
        assert sum(span.ngram_bits for span in one.spans) == pytest.approx(one.ngram * one.n_bytes)


@pytest.mark.parametrize("cut", [30, 100])
def test_weights_of_a_beginning_are_those_of_the_whole_text(cut):
    """Also of its last bytes, whose n-grams reach past it."""
    profile = Profile(fit("ngram", TARGET, make_pool()), TextBatch.from_texts(TARGET))
    text = TARGET[0] * 4
    (whole,) = explain_texts(profile, [text], ["whole"])
    (beginning,) = explain_texts(profile, [text], ["beginning"], explained_bytes=cut)
    assert beginning.weights == whole.weights[:cut]
    assert any(beginning.weights[cut - 5 :])


def test_a_stretch_of_the_target_names_its_example():
    target = TextBatch.from_texts(TARGET)
    profile = Profile(fit("conditional", TARGET), target)
    (one,) = explain_texts(profile, ["zzz self.items.append(item) zzz"], ["r"])
    best = max(one.spans, key=lambda span: span.saved_bytes)
    assert "self.items.append(item)" in best.text
    assert best.source.example == 2
    assert "self.items.append(item)" in best.source.text


def test_a_facet_is_named():
    profile = Profile(fit("fused", FACETS, make_pool()), TextBatch.from_texts(TARGET))
    texts = [TARGET[2], *TEXTS]
    explanations = explain_texts(profile, texts, list("abcde"))
    taken_by = profile.scorer.score(TextBatch.from_texts(texts))["facet"].tolist()
    assert [one.facet for one in explanations] == [list(FACETS)[i] for i in taken_by]
    assert explanations[0].facet == "classes"
    assert explanations[0].spans[0].source.example == 2


def test_ncd_has_no_parts():
    target = TextBatch.from_texts(TARGET)
    with pytest.raises(UsageError, match="ncd has no parts to explain"):
        explain_texts(Profile(fit("ncd", TARGET), target), ["text"], ["r"])


@given(text=short_bytes, dictionary=short_bytes)
def test_factors_rebuild_the_text(text, dictionary):
    factors = factorize(text, DictionaryIndex(dictionary, [text]))
    rebuilt = b""
    for factor in factors:
        assert factor.start == len(rebuilt)
        length = factor.end - factor.start
        if factor.kind == "new":
            rebuilt += text[factor.start : factor.end]
        elif factor.kind == "target":
            assert length >= MIN_MATCH
            rebuilt += dictionary[factor.source : factor.source + length]
        else:
            assert factor.source < factor.start
            for i in range(length):  # a repeat may overlap itself
                rebuilt += rebuilt[factor.source + i : factor.source + i + 1]
    assert rebuilt == text
    savings = estimate_savings(text, factors, len(dictionary))
    assert all(
        saving == 0 or (factor.kind == "target" and saving > 0)
        for saving, factor in zip(savings, factors, strict=True)
    )


@given(left=short_bytes, right=short_bytes, data=st.data())
def test_match_length_counts_equal_bytes(left, right, data):
    i = data.draw(st.integers(0, len(left)))
    j = data.draw(st.integers(0, len(right)))
    expected = 0
    for a, b in zip(left[i:], right[j:], strict=False):
        if a != b:
            break
        expected += 1
    assert match_length(left, i, right, j) == expected


@given(total=st.integers(-50, 10**6), estimates=st.lists(st.floats(0, 1e6), max_size=30))
def test_shares_sum_exactly(total, estimates):
    shares, left = share_out(total, estimates)
    assert sum(shares) + left == total
    assert left in (0, total)


def test_examples_are_found_where_some_are_left_out_of_the_dictionary():
    texts = ["one", "one more", "two", "one", "three"]
    finder = ExampleFinder(b"one more\ntwo\nthree", TextBatch.from_texts(texts))
    assert finder.find(4, 4)["example"] == 1
    assert finder.find(9, 3)["example"] == 2
    assert finder.find(13, 5) == {"example": 4, "text": "three"}
    assert finder.find(7, 4)["example"] == -1


def test_a_dictionary_that_lacks_its_beginning_still_names_the_example():
    finder = ExampleFinder(b"nning\nnext", TextBatch.from_texts(["beginning"]))
    assert finder.find(0, 3)["example"] == -1
    finder = ExampleFinder(b"nning", TextBatch.from_texts(["beginning"]))
    assert finder.find(0, 3)["example"] == 0


def test_index_of_nothing_matches_nothing():
    index = DictionaryIndex(b"", [b"some text"])
    assert index.longest(b"some text", 0) == (0, -1)
    assert factorize(b"", index) == []
    assert np.all([factor.kind == "new" for factor in factorize(b"some text", index)])
