"""A long row costs memory and copies in proportion to its length, with a small factor."""

import tracemalloc

import numpy as np
import pytest

from zipsel.pool.shards import open_shard
from zipsel.readers.fetch import iter_lines
from zipsel.readers.reading import Reading
from zipsel.scorers.ngram import NgramScorer
from zipsel.selection.leaks import LeakIndex
from zipsel.selection.settings import LeakRule
from zipsel.texts import TextBatch


def peak_of(function):
    """Bytes that a call holds at once, beside what was there before."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def long_text():
    return " ".join(str(i) for i in range(400_000))  # 2.7 MB


def test_ngrams_of_a_long_text_are_looked_up_in_blocks(long_text):
    target = TextBatch.from_texts(["a few words"])
    scorer = NgramScorer.compare(target, target)
    batch = TextBatch.from_texts([long_text])
    assert peak_of(lambda: scorer.score(batch)) < 4e6


def test_words_of_a_long_text_are_numbered_in_stretches(long_text):
    sentence = "eight words and some more of the target example"
    index = LeakIndex(["target"], [(0, 0, sentence)], LeakRule())
    leaks = []
    peak = peak_of(lambda: leaks.append(index.find(f"{long_text} {sentence} {long_text}")))
    assert leaks[0].overlap == 1
    assert peak < 9 * 2 * len(long_text)


class Piece(bytes):
    """A piece of a stream that counts the bytes that are joined to it one after the other."""

    n_copied = 0

    def __radd__(self, before):
        Piece.n_copied += len(before) + len(self)
        return before + bytes(self)


def test_a_line_of_many_pieces_is_joined_once(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(b"\x1f\x8b")
    line = b'{"text": "' + b"x" * 200_000 + b'"}'
    data = b"short\n" + line + b"\nnext\n" + line
    pieces = [Piece(data[i : i + 100]) for i in range(0, len(data), 100)]
    monkeypatch.setattr("zipsel.readers.decompress.iter_pieces", lambda *_, **__: iter(pieces))
    offsets = [0, 6, 7 + len(line), 12 + len(line)]
    shard = open_shard(str(path), 0)
    assert list(iter_lines(shard, np.array(offsets), Reading())) == [b"short", line, b"next", line]
    assert Piece.n_copied < len(data)
