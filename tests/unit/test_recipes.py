"""What README says of changing zipsel, done: each part is added as the recipe tells."""

import gzip
import importlib
import json
import os
import subprocess
import sys

import pytest
from made_up import make_records, read_jsonl, write_jsonl

import zipsel
from zipsel import engines
from zipsel.errors import UsageError
from zipsel.pool import formats
from zipsel.selection import strategies

#: A whole reader: rows of a made-up format are paragraphs, their text the paragraph.
READER = """
import msgspec
import numpy as np

from zipsel.readers.decompress import open_pieces
from zipsel.readers.rows import Chunk, RowBatch
from zipsel.texts import TextBatch


def paragraphs(shard, reading):
    with open_pieces(shard, reading) as pieces:
        data = b"".join(pieces)
    return [text for text in data.split(b"\\n\\n") if text.strip()]


class Paragraphs:
    def plan(self, shard, reading, chunk_bytes, *, salvage=False):
        return None

    def cut(self, shard, reading, chunk_bytes, *, stretch_bytes=None, salvage=False):
        yield Chunk(0, "all paragraphs", paragraphs(shard, reading), final=True)

    def read(self, shard, chunk, reading, *, salvage=False):
        texts, numbers = TextBatch.from_encoded(chunk.place), np.arange(len(chunk.place))
        yield RowBatch(numbers, texts, numbers, {}, [])

    def take(self, shard, places, reading):
        texts = paragraphs(shard, reading)
        return (msgspec.json.encode({"text": texts[i].decode()}) for i in places.tolist())

    def check(self, shard, reading):
        pass


READER = Paragraphs()
"""


@pytest.fixture
def with_paragraphs(tmp_path, monkeypatch):
    """The recipe of a reader format: one file, and a row of the format table."""
    (tmp_path / "paragraph_reader.py").write_text(READER)
    monkeypatch.syspath_prepend(str(tmp_path))
    row = formats.Format("paragraphs", (".para",), "paragraph_reader:READER")
    monkeypatch.setitem(formats.FORMATS, "paragraphs", row)
    yield
    sys.modules.pop("paragraph_reader", None)


def test_a_reader_format_is_a_file_and_a_row(with_paragraphs, tmp_path):
    pool, target = tmp_path / "pool", tmp_path / "target.para"
    pool.mkdir()
    texts = [f"paragraph number {i} of the pool, on {'apples' if i % 2 else 'trains'}"
             for i in range(40)]  # fmt: skip
    (pool / "a.para").write_text("\n\n".join(texts[:25]))
    (pool / "b.para.gz").write_bytes(gzip.compress("\n\n".join(texts[25:]).encode()))
    target.write_text("apples grow on trees\n\nmore apples in the pool, on apples\n")
    out = tmp_path / "out.jsonl"
    work = tmp_path / "work"
    zipsel.select(pool, target=target, output=out, top_k=10, workers=1, work_dir=work)
    chosen = [json.loads(line)["text"] for line in out.read_text().splitlines()]
    assert len(chosen) == 10
    assert set(chosen) <= set(texts)
    assert sum("apples" in text for text in chosen) >= 8


#: A whole engine: one task after the other, in this process, the last first.
ENGINE = """
class BackwardsEngine:
    def __init__(self, n_workers, address=None, preload=()):
        self.n_workers, self.calls = n_workers, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    start = close = lambda self: None

    def check_paths(self, work_dir, paths, few=()):
        pass

    def run(self, function, tasks):
        N_RUNS.append(self.n_workers)
        for task in reversed(list(tasks)):
            yield task, function(task)

N_RUNS = []
"""


@pytest.fixture
def backwards(tmp_path, monkeypatch):
    """The recipe of an engine: one file, and a line of the registry."""
    (tmp_path / "backwards_engine.py").write_text(ENGINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(engines.ENGINES, "backwards", "backwards_engine:BackwardsEngine")
    yield importlib.import_module("backwards_engine")
    sys.modules.pop("backwards_engine", None)


def test_an_engine_is_a_file_and_a_line(backwards, pool, target, tmp_path):
    chosen = []
    for engine in ("local", "backwards"):
        out = tmp_path / f"{engine}.jsonl"
        work = tmp_path / engine
        zipsel.select(
            pool, target=target, output=out, top_k=9, engine=engine, workers=1, work_dir=work
        )
        chosen.append(out.read_bytes())
    assert chosen[0] == chosen[1]
    assert backwards.N_RUNS
    with pytest.raises(UsageError, match="--engine nonsense: choose one of local, ray, backwards"):
        engines.open_engine("nonsense", 1)
    assert engines.runs_in_order("local")
    assert not engines.runs_in_order("backwards")  # so its standard input is kept in a file


#: A whole scorer: texts are close if letters of the target's kind are as frequent in them.
SCORER = """
import numpy as np

from zipsel.texts import join_batches


def frequency(batch):
    return np.array([text.count(LETTER) / max(1, len(text)) for text in batch.iter_encoded()])


class LetterScorer:
    name = "letters"
    takes = frozenset()
    needs_sample = False
    chunk_bytes = 1 << 20
    columns = {"alignment": "float64", "frequency": "float64"}

    def __init__(self, mean):
        self.mean = mean

    @classmethod
    def fit(cls, examples, sample, settings):
        return cls(float(frequency(join_batches(list(examples.values()))).mean()))

    def score(self, batch):
        found = frequency(batch)
        return {"alignment": -abs(found - self.mean), "frequency": found}

    def state(self):
        return {"mean": self.mean}

    @classmethod
    def from_state(cls, state):
        return cls(state["mean"])
"""


class Package:
    """Another package with a scorer, installed in a folder: a module and its metadata."""

    def __init__(self, folder):
        self.folder = folder

    def install(self, version, letter, source=SCORER):
        (self.folder / "letter_scorer.py").write_text(f"LETTER = {letter!r}\n{source}")
        info = self.folder / "letters.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: letters\nVersion: {version}\n"
        )
        (info / "entry_points.txt").write_text(
            "[zipsel.scorers]\nletters = letter_scorer:LetterScorer\n"
        )

    def zipsel(self, *arguments):
        return subprocess.run(
            [sys.executable, "-m", "zipsel", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            cwd=self.folder.parent,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture
def letters(tmp_path):
    (tmp_path / "site").mkdir()
    records = make_records(60)
    write_jsonl(tmp_path / "pool" / "a.jsonl", records[:40])
    write_jsonl(tmp_path / "pool" / "b.jsonl", records[40:])
    write_jsonl(tmp_path / "target.jsonl", [{"text": "every letter here serves the deed"}])
    return Package(tmp_path / "site")


def by_letter(letter, records, k, fitted=None):
    """The k records in which a letter is about as frequent as in the target, closest first."""

    def distance(text):
        return abs(text.count(letter) / len(text) - target.count(fitted or letter) / len(target))

    target = "every letter here serves the deed"
    return sorted(records, key=lambda one: distance(one["text"]))[:k]


SELECT = (
    *("select", "pool", "-t", "target.jsonl", "-o", "out.jsonl", "--top-k", "8", "--workers", 2),
    *("--strategy", "top"),
)


def test_a_scorer_is_an_entry_point_of_another_package(letters, tmp_path):
    letters.install("1.0", b"e")
    done = letters.zipsel(*SELECT, "--scorer", "letters")
    assert done.returncode == 0, done.stderr
    assert read_jsonl(tmp_path / "out.jsonl") == by_letter("e", make_records(60), 8)

    # A new version of the package may score otherwise: nothing of the old one is used.
    letters.install("1.1", b"a")
    done = letters.zipsel(*SELECT, "--scorer", "letters")
    assert done.returncode == 0, done.stderr
    assert read_jsonl(tmp_path / "out.jsonl") == by_letter("a", make_records(60), 8)


def test_a_profile_is_scored_anew_by_a_new_version_of_its_package(letters, tmp_path):
    select = ("select", "pool", "--profile", "p", *SELECT[4:])
    letters.install("1.0", b"e")
    assert letters.zipsel("fit", *SELECT[1:4], "-o", "p", "--scorer", "letters").returncode == 0
    assert letters.zipsel(*select).returncode == 0
    letters.install("1.1", b"a")
    assert letters.zipsel(*select).returncode == 0
    assert read_jsonl(tmp_path / "out.jsonl") == by_letter("a", make_records(60), 8, fitted="e")


def test_a_scorer_of_another_package_refuses_what_it_does_not_take(letters):
    letters.install("1.0", b"e")
    done = letters.zipsel(*SELECT, "--scorer", "letters", "--codec", "gzip")
    assert done.returncode == 2
    assert "--codec needs --scorer " in done.stderr
    done = letters.zipsel(*SELECT, "--scorer", "leters")
    assert done.returncode == 2
    assert "dsir, letters; did you mean letters?" in done.stderr


def test_a_scorer_without_an_answer_ends_the_run(letters, tmp_path):
    letters.install("1.0", b"e", SCORER.replace("-abs(found - self.mean)", "found * np.nan"))
    done = letters.zipsel(*SELECT, "--scorer", "letters")
    assert done.returncode == 1
    assert "scorer letters returned an alignment that is NaN" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_a_scorer_that_is_gone_is_named(letters):
    letters.install("1.0", b"e")
    assert letters.zipsel("fit", *SELECT[1:4], "-o", "p", "--scorer", "letters").returncode == 0
    (letters.folder / "letter_scorer.py").unlink()
    done = letters.zipsel("select", "pool", "--profile", "p", *SELECT[4:])
    assert done.returncode == 2
    assert "letter_scorer:LetterScorer cannot be imported" in done.stderr


#: A whole strategy: the records that are least like the target.
STRATEGY = """
from zipsel.selection.strategies import Plan, Strategy

WORST = Strategy(
    plan=lambda pool: Plan(priority=lambda alignment, shard, rows: -alignment),
    needs_whole_pool=True,
)
"""


def test_a_strategy_is_a_file_and_a_line(letters, tmp_path, monkeypatch):
    (tmp_path / "worst_first.py").write_text(STRATEGY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(strategies.STRATEGIES, "worst", "worst_first:WORST")
    options = {"target": tmp_path / "target.jsonl", "work_dir": tmp_path / "w", "workers": 1}
    found = {}
    for strategy, k in (("top", 60), ("worst", 8)):
        output = tmp_path / f"{strategy}.jsonl"
        zipsel.select(
            tmp_path / "pool", output=output, strategy=strategy, top_k=k, **options,
        )  # fmt: skip
        found[strategy] = [row["id"] for row in read_jsonl(output)]
    assert sorted(found["worst"]) == sorted(found["top"][-8:])
