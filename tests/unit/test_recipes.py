"""What README says of changing zipsel, done: each part is added as the recipe tells."""

import gzip
import importlib
import json
import sys

import pytest

import zipsel
from zipsel import engines
from zipsel.errors import UsageError
from zipsel.pool import formats

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
    with pytest.raises(UsageError, match="--engine backwards cannot take standard input"):
        engines.open_ordered_engine("backwards", 1)
