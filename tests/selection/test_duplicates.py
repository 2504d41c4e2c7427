"""Copies are recognized, the first one stays, and other texts are left alone."""

import random
from hashlib import blake2b
from itertools import pairwise

import pytest

from zipsel.errors import UsageError
from zipsel.selection import duplicates
from zipsel.selection.duplicates import DigestMap, DigestSet, Duplicates, count_bands, sketch

WORDS = [f"w{i}" for i in range(2000)]


def make_words(n_words, seed):
    return random.Random(seed).choices(WORDS, k=n_words)


def digest(text):
    return blake2b(text.encode(), digest_size=16).digest()


def keep(texts, mode, threshold=0.7):
    """Positions kept, and of each other the one that it copies."""
    remembered = Duplicates(mode, threshold)
    kept, copies = [], {}
    for i, text in enumerate(texts):
        features = digest(text), sketch(text) if mode == "near" else None
        original = remembered.find(*features)
        if original is None:
            kept.append(i)
            remembered.add(i, *features)
        else:
            copies[i] = original
    return kept, copies


def test_exact_copies_go_and_the_first_stays():
    texts = ["a", "b", "a", "c", "b", "A"]
    assert keep(texts, "exact") == ([0, 1, 3, 5], {2: 0, 4: 1})
    assert keep(texts, "none") == (list(range(6)), {})


class TestNear:
    @pytest.fixture(autouse=True)
    def _needs_rensa(self):
        pytest.importorskip("rensa")

    def test_planted_near_duplicates_go_and_others_stay(self):
        originals = [make_words(200, seed) for seed in range(30)]
        texts, expected = [" ".join(words) for words in originals], {}
        for i, words in enumerate(originals[:10]):
            changed = [*words]
            changed[50] = "other"
            changed[150] = "words"
            expected[len(texts)] = i
            texts.append(" ".join(changed))
        kept, copies = keep(texts, "near")
        assert kept == list(range(30))
        assert copies == expected

    def test_what_shares_less_than_the_threshold_stays(self):
        words = make_words(200, seed=1)
        half = " ".join([*words[:100], *make_words(100, seed=2)])
        texts = [" ".join(words), half]
        assert keep(texts, "near")[0] == [0, 1]
        assert keep(texts, "near", threshold=0.2)[0] == [0]

    def test_pairs_that_meet_in_a_band_are_compared_in_full(self):
        """Half of the 5-grams in common is below 0.7, though most such pairs meet in a band."""
        for seed in range(12):
            words = make_words(200, seed)
            changed = [*words[:133], *make_words(67, seed + 100)]
            assert keep([" ".join(words), " ".join(changed)], "near")[0] == [0, 1]

    def test_the_threshold_itself_is_near(self):
        text = " ".join(make_words(40, seed=3))
        assert keep([text, text.upper()], "near", threshold=1.0) == ([0], {1: 0})

    def test_case_and_punctuation_do_not_make_another_text(self):
        text = " ".join(make_words(40, seed=3))
        assert keep([text, text.upper().replace(" ", ", ")], "near")[0] == [0]

    def test_short_texts_and_texts_without_words_are_told_apart(self):
        texts = ["yes", "no", "+++", "---", "one two three", "one two four", "yes"]
        assert keep(texts, "near") == ([0, 1, 2, 3, 4, 5], {6: 0})

    def test_sketches_are_the_same_in_every_process(self):
        first, second = sketch("the same text here again"), sketch("the same text here again")
        assert first.jaccard(second) == 1.0
        assert list(first.digest()) == list(second.digest())


@pytest.mark.parametrize(("threshold", "n_bands"), [(0.7, 32), (0.8, 32), (0.9, 16)])
def test_pairs_at_the_threshold_meet_in_a_band(threshold, n_bands):
    n_rows = 128 // n_bands
    assert count_bands(threshold) == n_bands
    assert (1 - threshold**n_rows) ** n_bands <= 0.001
    assert (1 - threshold ** (2 * n_rows)) ** (n_bands // 2) > 0.001


def test_a_digest_set_tells_known_digests_from_new_ones():
    generator = random.Random(0)
    digests = [generator.randbytes(16) for _ in range(2000)]
    digests += [b"\0\0" + generator.randbytes(14) for _ in range(200)]  # of one bucket
    digests += [b"\0\0" + a[9:] + b[2:9] for a, b in pairwise(digests[-200:])]  # across two
    known = DigestSet()
    assert all(known.add(digest) for digest in digests)
    assert not any(known.add(digest) for digest in digests)
    numbers = DigestMap()
    for number, digest in enumerate(digests):
        assert numbers.get(digest) is None
        numbers.add(digest, number * 2**36)
    assert [numbers.get(digest) for digest in digests] == [n * 2**36 for n in range(len(digests))]


def test_a_missing_library_is_a_usage_error(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rensa", None)
    with pytest.raises(UsageError, match=r"zipsel\[dedup\]"):
        duplicates.require_rensa()
