"""The rivals that `make quality` estimates itself, against their definitions."""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
SENTENCES = """the cat sat on the mat
the dog sat on the cat
a cat saw the dog on a mat
the mat saw a dog
dog and cat and dog and cat sat
a dog sat
the cat saw
a mat sat on the dog
on the mat a cat sat and saw the dog
a bird sang
the bird saw the cat""".splitlines()


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))


def kneser_ney(texts, n_words, n):
    """Chen & Goodman's equations, word by word; a function of (context, word)."""
    raw, before = Counter(), defaultdict(set)
    for text in texts:
        for end in range(len(text)):
            for k in range(1, min(n, end + 1) + 1):
                gram = tuple(text[end - k + 1 : end + 1])
                raw[gram] += 1
                if end - k >= 0:
                    before[gram].add(text[end - k])
    begin = texts[0][0]
    counts, after = {}, defaultdict(list)
    for gram in raw:
        if gram != (begin,):
            whole = len(gram) == n or gram[0] == begin
            counts[gram] = raw[gram] if whole else len(before[gram])
            after[gram[:-1]].append(counts[gram])
    discounts = {}
    for k in range(1, n + 1):
        seen = Counter(count for gram, count in counts.items() if len(gram) == k)
        y = seen[1] / (seen[1] + 2 * seen[2]) if seen[1] else 0
        good = all(seen[i] for i in (1, 2, 3, 4))
        found = [i - (i + 1) * y * seen[i + 1] / seen[i] for i in (1, 2, 3)] if good else [-1]
        inside = all(0 <= d <= i for i, d in enumerate(found, 1))
        discounts[k] = found if inside else [0.5, 1, 1.5]

    def probability(context, word):
        shorter = probability(context[1:], word) if context else 1 / (n_words - 1)
        follows = after.get(context)
        if not follows:
            return shorter
        d = discounts[len(context) + 1]
        left = sum(d[min(count, 3) - 1] for count in follows)
        count = counts.get((*context, word), 0)
        own = count - d[min(count, 3) - 1] if count else 0
        return (own + left * shorter) / sum(follows)

    return probability


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_the_word_model_is_modified_kneser_ney(n):
    from quality_lib.kneser_ney import BEGIN, END, N_SPECIAL, UNKNOWN, NgramModel, Texts

    vocabulary = sorted({word for line in SENTENCES for word in line.split()} - {"bird", "sang"})
    number_of = {word: i for i, word in enumerate(vocabulary, N_SPECIAL)}
    n_words = N_SPECIAL + len(vocabulary)
    numbered = [
        np.array([number_of.get(word, UNKNOWN) for word in line.split()]) for line in SENTENCES
    ]
    learned, asked = numbered[:8], [*numbered, np.zeros(0, int)]
    model = NgramModel(Texts.join(learned), n_words, n)
    found = model.log2_probabilities(Texts.join(asked))

    oracle = kneser_ney([[BEGIN, *text, END] for text in learned], n_words, n)
    wanted = []
    for text in asked:
        framed = (BEGIN, *text.tolist(), END)
        wanted.append(0.0)
        for end in range(1, len(framed)):
            wanted.append(np.log2(oracle(framed[max(0, end - n + 1) : end], framed[end])))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)

    context = learned[0][:3]
    each = [np.append(context, word) for word in range(1, n_words)]
    texts = Texts.join(each)
    at = texts.starts + 1 + len(context)
    assert (2 ** model.log2_probabilities(texts)[at]).sum() == pytest.approx(1)


def test_the_discounts_are_those_of_the_counts_of_counts():
    from quality_lib.kneser_ney import FALLBACK_DISCOUNTS, estimate_discounts

    counts = np.repeat([1, 2, 3, 4, 9], [10, 5, 2, 1, 7])
    # Y = 10 / 20; 1 - 2 Y 5/10, 2 - 3 Y 2/5, 3 - 4 Y 1/2
    assert estimate_discounts(counts) == pytest.approx((0.5, 1.4, 2.0))
    assert estimate_discounts(np.array([1, 1, 2, 7])) == FALLBACK_DISCOUNTS


def test_moore_lewis_prefers_the_words_of_the_target():
    from quality_lib.moore_lewis import PoolWords, score_texts

    prose = [f"the cat number {i} sat on the mat and saw a dog".encode() for i in range(40)]
    code = [f"def f{i}(x): return x + {i}".encode() for i in range(40)]
    examples = [f"def g{i}(x): return x * {i}".encode() for i in range(20)]
    scores = score_texts(PoolWords.read([*prose, *code, b""]), examples)
    assert scores[40:80].min() > scores[:40].max()
    assert np.isfinite(scores).all()


def test_tsds_spreads_mass_until_distance_costs_what_diversity_is_worth():
    from quality_lib.tsds import spread_mass

    # Going on costs 1, 3, 6, ...: 6 is the first that reaches 5, with three neighbours.
    distances = np.arange(6.0)[None]
    np.testing.assert_allclose(spread_mass(distances, np.ones((1, 6)))[0][:4], [1 / 3] * 3 + [0])
    # Records that are there twice share what one would take: 2 for each, so 0, 0, 1, 1, 2, 2.
    twice = spread_mass(np.repeat(distances, 2, axis=1), np.full((1, 12), 2.0))
    np.testing.assert_allclose(twice[0][:7], [1 / 6] * 6 + [0])
    far = spread_mass(np.array([[0, 0.1, 0.2]]), np.ones((1, 3)))
    assert far.sum() == pytest.approx(1)
    assert (far >= 0).all()


def test_tsds_gives_near_duplicates_the_chance_of_one_record():
    from quality_lib.tsds import compute_densities, compute_probabilities, draw_scores

    generator = np.random.default_rng(0)
    apart = generator.normal(size=(400, 64))
    vectors = np.concatenate([apart, np.repeat(apart[:1], 9, axis=0)])
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    densities = compute_densities(vectors)
    assert densities[0] == pytest.approx(10, rel=1e-5)
    assert densities[1] == pytest.approx(1, rel=0.1)
    found = compute_probabilities(vectors, vectors[:5], densities)
    assert found.sum() == pytest.approx(1)
    copies = np.append(found[0], found[400:])
    np.testing.assert_allclose(copies, copies[0], rtol=1e-3)
    scores = draw_scores(found)
    assert np.isfinite(scores[found > 0]).all()
    assert (scores[found == 0] == -np.inf).all()
