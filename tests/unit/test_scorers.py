"""What fitting takes of a target and of a pool sample, and who contends."""

import numpy as np
import pytest
from made_up import fit, make_records, to_batch

from zipsel.commands.options import Given, gather
from zipsel.commands.settings import run_settings
from zipsel.errors import UsageError
from zipsel.scorers import SCORERS, columns_finished_later, facets_of, scorer_class
from zipsel.scorers.conditional import make_dictionary
from zipsel.scorers.fused import FusedScorer

TARGET = ["def add(a, b):\n    return a + b\n", "for x in range(10):\n    print(x)\n"]
KINDS = ("code", "law")
POOL = [f"the party shall indemnify {i}, return a + {i}" for i in range(50)]


@pytest.mark.parametrize("facets", [TARGET, {"functions": TARGET[:1], "loops": TARGET[1:]}])
def test_a_threshold_is_reached_by_its_fraction_of_the_sample(facets):
    scorer, pool = fit("fused", facets, POOL), to_batch(POOL)
    for fraction in (0.1, 0.3, 0.5):
        threshold = scorer.threshold_for(fraction)
        values = scorer.score(pool)["ngram"]
        assert np.sort(values)[-round(50 * fraction)] == threshold
        contends = ~np.isnan(scorer.at_threshold(threshold).score(pool)["alignment"])
        assert (contends == (values >= threshold)).all()
        assert contends[values == threshold].all()
    assert scorer.threshold_for(1) == -np.inf
    assert fit("fused", facets).threshold_for(0.1) == -np.inf


def test_moments_are_of_an_even_spread_of_the_sample():
    near, far = TARGET[0], "the party shall indemnify"
    scorer = fit("fused", TARGET, [near] * 3000 + [far] * 3000)
    values = scorer.score(to_batch([near, far]))
    (facet,) = scorer.facets.values()
    for name, mean, deviation in (
        ("conditional", *facet.moments[:2]),
        ("ngram", *facet.moments[2:]),
    ):
        assert mean == pytest.approx(values[name].mean())
        assert deviation == pytest.approx(values[name].std())
    assert values["alignment"].sum() == pytest.approx(0, abs=1e-9)


def test_a_large_dictionary_is_an_even_spread_that_ends_with_the_last_bytes():
    examples = [f"example {i:03d}" for i in range(300)]
    kept = make_dictionary(to_batch(examples), 1200).split(b"\n")
    numbers = [int(text[-3:]) for text in kept]
    assert len(kept) == 100
    assert set(np.diff(numbers).tolist()) == {3}
    assert numbers[0] == 0
    assert make_dictionary(to_batch(["abcdef"]), 4) == b"cdef"


def test_a_dictionary_holds_each_example_once():
    assert make_dictionary(to_batch(["b", "a", "b", "a"])) == b"b\na"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scorer": "fused", "per_token": True}, "--per-token needs --scorer dsir"),
        ({"scorer": "ngram", "level": 3}, "--level needs --scorer fused or "),
        ({"scorer": "dsir", "codec": "gzip"}, "--codec needs --scorer "),
        ({"scorer": "ncd", "facets": 2}, "--facets needs --scorer fused"),
        ({"scorer": "fused", "codec": "gzip"}, "gzip goes with --scorer ncd"),
        ({"scorer": "fused", "level": 23}, "zstd takes --level 1 to 22, not 23"),
        ({"scorer": "ncd", "level": 0}, "gzip level 0 stores without compressing"),
        ({"scorer": "fused", "facets": 0}, "--facets takes a whole number, 1 or more"),
        ({"scorer": "fuzed"}, "fuzed.* is not one of .*; did you mean fused"),
    ],
)
def test_options_that_a_scorer_does_not_take_are_refused(options, message):
    given = {"pool": "p", "target": "t", "output": "o", **options}
    with pytest.raises(UsageError, match=message):
        run_settings(gather("fit", [{name: Given(value) for name, value in given.items()}]))


@pytest.mark.parametrize("name", [name for name in SCORERS if name != "fused"])
def test_named_targets_need_facets(name):
    with pytest.raises(UsageError, match="several named targets need --scorer fused"):
        fit(name, {"a": TARGET, "b": TARGET}, POOL)


@pytest.mark.parametrize("name", SCORERS)
def test_every_scorer_says_the_same_of_itself_fitted_or_not(name):
    scorer = fit(name, TARGET, POOL)
    scores = scorer.score(to_batch(POOL))
    assert scorer.name == scorer_class(name).name == name
    assert list(scores) == list(scorer.columns)
    assert columns_finished_later(scorer) <= set(scores)
    assert facets_of(scorer) == {}


def test_columns_of_facets_exist_only_with_several():
    one = fit("fused", {"only": TARGET}, POOL)
    records = make_records(80)
    kinds = {kind: [one["text"] for one in records if one["kind"] == kind] for kind in KINDS}
    facets = {kind: texts[:10] for kind, texts in kinds.items()}
    pool = [text for texts in kinds.values() for text in texts[10:]]
    two = fit("fused", facets, pool)
    assert list(two.columns) == [*one.columns, "facet", "ngram.code", "ngram.law"]
    assert facets_of(two) == {"code": 10, "law": 10}
    scores = two.score(to_batch(pool))
    assert scores["facet"].tolist() == [0] * 30 + [1] * 30
    highest = np.maximum(scores["ngram.code"], scores["ngram.law"])
    assert scores["ngram"].tolist() == highest.tolist()
    # Each facet scores the texts that it takes as a scorer of its own would.
    for i, examples in enumerate(facets.values()):
        alone = fit("fused", examples, pool).score(to_batch(pool))
        mine = scores["facet"] == i
        assert scores["alignment"][mine].tolist() == alone["alignment"][mine].tolist()


def test_facets_of_one_kind_are_one_scorer():
    settings = {"facets": 1}
    assert isinstance(fit("fused", TARGET, POOL, **settings), FusedScorer)
    grouped = fit("fused", TARGET, POOL, facets=2)
    assert facets_of(grouped) == {"facet-1": 1, "facet-2": 1}
