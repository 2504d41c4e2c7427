"""A text's score is its own: no batch, profile file or process changes a bit of it."""

import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_up import fit

from zipsel.scorers.ngram import NgramParameters, bucket_words, count_ngrams
from zipsel.scorers.profile import Profile
from zipsel.texts import TextBatch

TARGET = [b"def add(a, b):\n    return a + b\n", b"for x in range(10):\n    print(x)\n", b"x"]
POOL = [b"the party shall indemnify", b"return a + b", b"", b"zz", "ümlaut".encode(), b"q" * 99]


FUSED = fit("fused", TARGET, POOL)
SCORERS = {
    "ncd": fit("ncd", TARGET, level=6),
    "ncd-zstd": fit("ncd", TARGET, codec="zstd"),
    "conditional": fit("conditional", TARGET),
    "ngram": fit("ngram", TARGET, POOL),
    "dsir": fit("dsir", TARGET, POOL),
    "fused": FUSED,
    "fused, facets": fit("fused", {"functions": TARGET[:1], "loops": TARGET[1:]}, POOL),
    "cascade": FUSED.at_threshold(FUSED.threshold_for(0.5)),
}

some_text = st.one_of(
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "ignore")),
    st.sampled_from([*TARGET, *POOL, b"return a + b\n" * 500, bytes(range(32, 127)) * 30]),
)
some_texts = st.lists(some_text, min_size=1, max_size=12)


def same(a, b):
    return a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)


@pytest.mark.parametrize("name", SCORERS)
@given(texts=some_texts, cut=st.integers(0, 12))
@example(texts=[b"", b"", b"ab", b""], cut=1)
@example(texts=[b"tiny", b"return a + b " * 20_000, b"last"], cut=2)
def test_any_split_of_a_batch_gives_the_same_bits(name, texts, cut):
    scorer, cut = SCORERS[name], min(cut, len(texts))
    whole = scorer.score(TextBatch.from_encoded(texts))
    halves = [scorer.score(TextBatch.from_encoded(part)) for part in (texts[:cut], texts[cut:])]
    alone = [scorer.score(TextBatch.from_encoded([text])) for text in texts]

    assert same(whole, {key: np.concatenate([half[key] for half in halves]) for key in whole})
    assert same(whole, {key: np.concatenate([one[key] for one in alone]) for key in whole})
    for key, dtype in scorer.columns.items():
        assert whole[key].dtype == dtype
        assert whole[key].shape == (len(texts),)


@pytest.mark.parametrize("name", SCORERS)
@given(texts=some_texts)
def test_scorers_travel_without_changing_a_bit(name, texts):
    batch = TextBatch.from_encoded(texts)
    scorer = SCORERS[name]

    assert same(pickle.loads(pickle.dumps(scorer)).score(batch), scorer.score(batch))
    if name != "cascade":  # the threshold is of a run, not of the profile
        assert same(type(scorer).from_state(scorer.state()).score(batch), scorer.score(batch))


@pytest.mark.parametrize("name", [name for name in SCORERS if name != "cascade"])
def test_a_profile_on_disk_gives_the_scores_it_was_saved_with(name, tmp_path):
    profile = Profile(SCORERS[name], TextBatch.from_encoded(TARGET), {"seed": 0, "level": None})
    profile.save(tmp_path / "p.profile")
    loaded = Profile.load(tmp_path / "p.profile")
    batch = TextBatch.from_encoded([*POOL, *TARGET, b"return a + b " * 40])

    assert same(loaded.scorer.score(batch), SCORERS[name].score(batch))
    assert loaded.digest == profile.digest
    assert list(loaded.target.iter_encoded()) == TARGET
    assert loaded.origin == profile.origin
    loaded.save(tmp_path / "again.profile")
    assert (tmp_path / "again.profile").read_bytes() == (tmp_path / "p.profile").read_bytes()


@pytest.mark.parametrize("name", ["fused", "fused, facets"])
@given(texts=some_texts, fraction=st.sampled_from([0.1, 0.4, 0.9]))
def test_finishing_what_a_cascade_passed_over_gives_the_whole_scores(name, texts, fraction):
    batch = TextBatch.from_encoded(texts)
    scorer = SCORERS[name]
    threshold = scorer.threshold_for(fraction)
    passed_over = scorer.at_threshold(threshold).score(batch)
    assert ((passed_over["ngram"] >= threshold) == ~np.isnan(passed_over["alignment"])).all()
    finished = scorer.finish(batch, {key: values.copy() for key, values in passed_over.items()})

    assert same(finished, scorer.score(batch))


@given(texts=st.lists(st.binary(max_size=9), max_size=10), n=st.integers(1, 8))
@example(texts=[b"abcdef", b"x", b"", b"y"], n=4)
def test_ngrams_are_counted_once_and_never_across_texts(texts, n):
    parameters = NgramParameters(n=n, table_bits=8)
    grams = Counter(text[i : i + n] for text in texts for i in range(len(text) - n + 1))
    expected = np.zeros(256, np.int64)
    for gram, count in grams.items():
        word = np.frombuffer(gram.ljust(8, b"\xa5"), np.uint64)
        bucket = np.empty(1, np.uint64)
        bucket_words(word, bucket, parameters)
        expected[bucket[0]] += count

    assert count_ngrams(TextBatch.from_encoded(texts), parameters).tolist() == expected.tolist()


@given(texts=some_texts, picks=st.lists(st.integers(0, 11), max_size=6))
def test_a_batch_gives_back_its_texts(texts, picks):
    batch = TextBatch.from_encoded(texts)
    rows = [pick % len(texts) for pick in picks]

    assert list(batch.iter_encoded()) == texts
    assert batch.n_bytes.tolist() == [len(text) for text in texts]
    assert list(batch.take(np.array(rows, np.int64)).iter_encoded()) == [texts[i] for i in rows]
