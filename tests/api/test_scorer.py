"""``zipsel.Scorer``: the command line's scores for texts and tables, and its life in pickles."""

import pickle
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up import make_records, read_jsonl

import zipsel as package
from zipsel.errors import ProfileError, UsageError
from zipsel.readers.reading import TextSpec

TEXTS = [record["text"] for record in make_records(40)]
TARGET = [record["text"] for record in make_records(16, seed=1) if record["kind"] == "code"]


@pytest.fixture(scope="module", params=["fused", "conditional", "ngram", "ncd"])
def scorer(request):
    return package.Scorer.fit(TARGET, TEXTS, scorer=request.param)


def test_scores_are_those_of_the_command(zipsel, pool, target, tmp_path):
    zipsel("fit", pool, "--target", target, "--output", "p.profile")
    zipsel("score", pool, "--profile", "p.profile", "--output", "scores")
    scorer = package.Scorer.load(tmp_path / "p.profile")
    for shard in sorted(pool.iterdir()):
        table = pq.read_table(tmp_path / "scores" / f"{shard.name}.scores.parquet")
        columns = scorer.score_columns([row["text"] for row in read_jsonl(shard)])
        for name, values in columns.items():
            assert values.tolist() == table[name].to_pylist()


def test_targets_kind_scores_higher(scorer):
    alignment = scorer.score(TEXTS)
    assert alignment.dtype == np.float64
    assert alignment.shape == (40,)
    assert alignment[::2].mean() > alignment[1::2].mean()


def test_how_texts_are_grouped_and_carried_changes_nothing(scorer):
    expected = scorer.score(TEXTS)
    singly = np.concatenate([scorer.score([text]) for text in TEXTS])
    array = pa.array(TEXTS)
    chunked = pa.chunked_array([array[:7], array[7:]]).cast(pa.string_view())
    for found in (
        singly,
        scorer.score(iter(TEXTS)),
        scorer.score(array),
        scorer.score(array.dictionary_encode()),
        scorer.score(chunked),
        scorer.score(np.array(TEXTS, object)),
    ):
        np.testing.assert_array_equal(found, expected)
    for many in (TEXTS * 60, pa.array(TEXTS * 60)):
        np.testing.assert_array_equal(scorer.score(many), np.tile(expected, 60))


def test_what_the_command_refuses_has_no_score(scorer):
    texts = [TEXTS[0], None, "", " \n", "\ud800", float("nan"), TEXTS[1]]
    alignment = scorer.score(texts)
    assert np.isnan(alignment).tolist() == [False, True, True, True, True, True, False]
    assert len(scorer.score([])) == 0
    assert len(scorer.score(pa.chunked_array([], pa.string()))) == 0


def test_invalid_utf8_in_arrow_has_no_score(scorer):
    raw = pa.array([TEXTS[0].encode(), b"\xff\xfe", TEXTS[1].encode()], pa.binary())
    assert np.isnan(scorer.score(raw)).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("texts", "message"),
    [("one", "found one"), ([3], "text 0 is a int"), (pa.array([3]), "holds int64")],
)
def test_no_texts_are_a_type_error(scorer, texts, message):
    with pytest.raises(TypeError, match=message):
        scorer.score(texts)


@pytest.mark.parametrize("kind", [pa.table, pa.record_batch])
def test_tables_keep_their_columns_and_gain_one(scorer, kind):
    batch = kind({"id": pa.array(range(3)), "text": [TEXTS[0], None, TEXTS[2]]})
    scored = scorer.score_batch(batch, name="score")
    assert isinstance(scored, type(batch))
    assert scored.column_names == ["id", "text", "score"]
    assert scored.select(["id", "text"]) == batch
    values = scorer.score([TEXTS[0], TEXTS[2]]).tolist()
    assert scored["score"].to_pylist() == [values[0], None, values[1]]


def test_templates_and_nested_columns():
    spec = TextSpec("template", "{meta.head}: {body}")
    scorer = package.Scorer.fit(TARGET, TEXTS, text=spec)
    table = pa.table({"meta": [{"head": "a"}], "body": [TEXTS[0]], "other": [1]})
    assert scorer.score_batch(table)["alignment"][0].as_py() == scorer.score([f"a: {TEXTS[0]}"])[0]


def test_columns_are_found_as_the_command_finds_them():
    scorer = package.Scorer.fit(TARGET, TEXTS, text="meta.body,note")
    scores = scorer.score(TEXTS[:3])
    table = pa.table({"meta": [{"body": TEXTS[0]}] * 2, "meta.body": [TEXTS[1], None]})
    assert scorer.score_batch(table)["alignment"].to_pylist() == [scores[1], None]
    table = pa.table({"note": [TEXTS[2]]})
    assert scorer.score_batch(table)["alignment"].to_pylist() == [scores[2]]


def test_wrong_columns_are_named(scorer):
    with pytest.raises(UsageError, match="the table has no column 'text'; it has body"):
        scorer.score_batch(pa.table({"body": ["a"]}))
    with pytest.raises(UsageError, match="'text' already"):
        scorer.score_batch(pa.table({"text": ["a"]}), name="text")


def test_pickles_do_not_depend_on_use_and_score_the_same(scorer):
    fresh = pickle.loads(pickle.dumps(scorer))
    before = pickle.dumps(fresh)
    np.testing.assert_array_equal(fresh.score(TEXTS), scorer.score(TEXTS))
    assert fresh.digest == scorer.digest
    assert pickle.dumps(fresh) == before


def test_save_and_load(scorer, tmp_path):
    scorer.save(tmp_path / "a.profile")
    loaded = package.Scorer.load(tmp_path / "a.profile")
    assert loaded.digest == scorer.digest
    np.testing.assert_array_equal(loaded.score(TEXTS), scorer.score(TEXTS))
    (tmp_path / "b.profile").write_bytes(b"nothing")
    with pytest.raises(ProfileError, match=r"b\.profile"):
        package.Scorer.load(tmp_path / "b.profile")


def test_fit_says_what_it_needs():
    with pytest.raises(UsageError, match="no example"):
        package.Scorer.fit([], TEXTS)
    with pytest.raises(UsageError, match="pool_sample"):
        package.Scorer.fit(TARGET)
    assert package.Scorer.fit(TARGET, scorer="conditional").score(TEXTS).shape == (40,)


def test_importing_the_package_costs_nothing():
    code = "import sys, zipsel; assert not {'numpy', 'pyarrow', 'zipsel.api'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scorer": "ncd", "codec": "nosuch"}, "--codec takes one of"),
        ({"scorer": "ngram", "level": 3}, "--level needs --scorer"),
        ({"level": "nine"}, "--level takes a whole number"),
        ({"level": True}, "--level takes a whole number"),
        ({"scorer": 1}, "--scorer"),
    ],
)
def test_options_of_fit_are_those_of_the_command(options, message):
    with pytest.raises(UsageError, match=message):
        package.Scorer.fit(TARGET, TEXTS, **options)


def test_what_is_no_list_of_texts_is_not_fitted():
    for target, sample in (("one text", TEXTS), (TARGET, "one text"), ([1], TEXTS)):
        with pytest.raises(TypeError, match="text"):
            package.Scorer.fit(target, sample)
    for text in ("", " \n", "half a pair \ud800"):
        with pytest.raises(UsageError, match="target: text 1 is refused"):
            package.Scorer.fit([TARGET[0], text], TEXTS)
    usable = package.Scorer.fit(TARGET, TEXTS)
    assert package.Scorer.fit(TARGET, ["", *TEXTS, "\ud800"]).digest == usable.digest


@pytest.mark.parametrize("path", [None, "", 3, True])
def test_what_is_no_path_is_refused_before_a_file_appears(scorer, tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="takes a path"):
        scorer.save(path)
    assert list(tmp_path.iterdir()) == []
