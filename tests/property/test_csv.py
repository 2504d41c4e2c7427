"""However CSV is cut into pieces and chunks, the strings that were written come out."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zipsel.errors import ShardError
from zipsel.pool.shards import Shard
from zipsel.readers import csv, decompress
from zipsel.readers.reading import Reading
from zipsel.readers.rows import Reason

HEADER = ("id", "text", "kind")

fields = st.one_of(
    st.text(st.sampled_from("ab \",\t\r\n'\\é\ufeff"), max_size=12),
    st.sampled_from(["NA", "null", "1", "007", "1.50", "true", "2020-01-01", "", "x" * 150]),
)
rows = st.lists(st.tuples(fields, fields, fields), max_size=8)
cuts = st.lists(st.integers(0, 10**6), max_size=8)


def quote(text, delimiter):
    """As RFC 4180 wants it, but that a quote inside a field without quotes stays as it is."""
    if text.startswith('"') or any(one in text for one in (delimiter, "\r", "\n")):
        return '"' + text.replace('"', '""') + '"'
    return text


def write(rows, delimiter=",", ending="\n", bom=False, last=True):
    lines = [delimiter.join(quote(one, delimiter) for one in row) for row in [HEADER, *rows]]
    data = ending.join(lines) + (ending if last else "")
    return (b"\xef\xbb\xbf" if bom else b"") + data.encode()


class Fed:
    """A shard that comes in pieces of any size."""

    def __init__(self, data, cuts=(), reader=csv.READER, **reading):
        bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
        self.pieces = [data[a:b] for a, b in pairwise(bounds) if a < b]
        self.reader, self.reading = reader, Reading(**reading)
        self.shard = Shard(0, "/dev/null", "csv", "", len(data), "")

    def chunks(self, chunk_bytes=10**6, **options):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(decompress, "iter_pieces", lambda *_, **__: iter(self.pieces))
            return list(self.reader.cut(self.shard, self.reading, chunk_bytes, **options))

    def rows(self, chunk_bytes=10**6, **options):
        """Text or reason of every row; last what is wrong with the shard."""
        found = []
        try:
            chunks = self.chunks(chunk_bytes, **options)
        except ShardError as error:
            return [error.problem]
        assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
        assert [chunk.final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        for chunk in chunks:
            for batch in self.reader.read(self.shard, chunk, self.reading):
                texts = dict(zip(batch.accepted.tolist(), batch.texts.iter_texts(), strict=True))
                assert not texts.keys() & batch.rejects.keys()
                found += [texts.get(i) or batch.rejects[i][0] for i in range(batch.n_rows)]
        return found + [chunk.damage for chunk in chunks if chunk.damage]

    def take(self, places):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(decompress, "iter_pieces", lambda *_, **__: iter(self.pieces))
            batches = list(self.reader.take(self.shard, np.array(places, int), self.reading))
        return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


@given(
    rows, cuts, st.integers(1, 200), st.sampled_from([",", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.booleans(),
)  # fmt: skip
@example([("1", 'say "x"\r\n', "k")], [3, 20, 21, 22, 23], 5, ",", "\r\n", True, False)
def test_any_pieces_and_chunks_give_the_strings_that_were_written(
    rows, cuts, chunk_bytes, delimiter, ending, bom, last
):
    data = write(rows, delimiter, ending, bom, last or not rows)
    reader = csv.READER if delimiter == "," else csv.TSV_READER
    fed = Fed(data, cuts, reader)
    assert fed.take(range(len(rows))) == rows
    texts = [row[1] if row[1].strip() else Reason.EMPTY for row in rows]
    assert fed.rows(chunk_bytes) == texts
    assert fed.take(range(0, len(rows), 2)) == rows[::2]


@given(st.binary(max_size=200), cuts, st.integers(1, 60), st.integers(20, 120))
@example(b'1,"' + b"x" * 130 + b'""' + b'",k\n2,b,c\n', [30, 150, 161, 162], 7, 40)
@example(b'1,"a\n2,b,"c"\n3,d,e\n', [1, 2], 7, 40)
def test_any_bytes_give_the_same_rows_however_they_come(body, cuts, chunk_bytes, limit):
    data = body if limit % 5 == 0 else b"id,text,kind\n" + body
    for options in ({}, {"salvage": True}):
        whole = Fed(data, max_row_bytes=limit).rows(**options)
        assert Fed(data, cuts, max_row_bytes=limit).rows(chunk_bytes, **options) == whole


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (b'1,"Hello, said she,k\n2,b,k\n3,"b",k\n', "line 2: a quoted field ends in line 4 and 'b"),
        (b'1,"Stop," she said,k\n', "line 2: a quoted field ends in line 2 and ' she said,k"),
        (b'1,"never closed,k\n2,b,k\n', "line 2: a quote mark is opened and never closed; if"),
    ],
)
def test_a_lone_quote_mark_never_merges_rows(row, problem):
    data = b"id,text,kind\n" + row + b"9,z,k\n"
    [found] = Fed(data).rows()
    assert found.startswith(problem)
    assert found.endswith("--no-quotes")
    texts = [line.split(b",", 1)[1].rsplit(b",", 1)[0].decode() for line in row.splitlines()]
    if "," not in "".join(texts):
        assert Fed(data, quotes=False).rows() == [*texts, "z"]


def test_what_is_salvaged_ends_before_the_row_with_the_lone_quote_mark():
    data = b'id,text,kind\n1,a,k\n2,"b,k\n' + b"3,c,k\n" * 200
    for cuts in ([], [5], [26, 27, 400]):
        a, damage = Fed(data, cuts).rows(salvage=True)
        assert (a, damage[:40]) == ("a", "line 3: a quote mark is opened and never")


def test_a_row_without_end_is_not_held(monkeypatch):
    monkeypatch.setattr("zipsel.readers.csv_rows._SPARE_BYTES", 1000)
    data = b'id,text,kind\n1,"' + b"a\n" * 5000
    [problem] = Fed(data, range(0, 10000, 100), max_row_bytes=1000).rows()
    assert "or a row has more than 2,000 bytes: --max-row-bytes" in problem


@pytest.mark.parametrize("data", [b"", b"\n \n", b'"text', b'id,"text\n', b"\xef\xbb\xbf", b"text"])
def test_a_header_alone_or_none(data):
    assert Fed(data).rows() == [] if data == b"text" else len(Fed(data).rows()) == 1


def test_reasons():
    data = (
        b'id,text,kind\n1,a,k\n2,b\n\n3,,k\n4,d,k,\n5,"  ",k\n6,\xff,k\n7,h,\xff\n8\xff,b\n'
        b"9," + b"long" * 20 + b',k\n10,"x""y",k'
    )
    assert Fed(data, max_row_bytes=60).rows() == [
        "a", Reason.WRONG_COLUMNS, Reason.EMPTY, Reason.WRONG_COLUMNS, Reason.EMPTY,
        Reason.INVALID_UTF8, Reason.INVALID_UTF8, Reason.WRONG_COLUMNS, Reason.TOO_LONG, 'x"y',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("utf-16", "é…"), ("utf-16-le", "é…"), ("cp1252", "é…"), ("utf-32", "é…"), ("latin-1", "é")],
)
def test_other_encodings_and_delimiters(encoding, text):
    data = f"id;text\r\n1;{text}\r\n".encode(encoding)
    fed = Fed(data, range(0, 60, 3), encoding=encoding, delimiter=";")
    assert fed.rows() == [text]


def test_what_is_no_text_of_the_encoding_is_a_matter_of_the_row():
    data = b"text\n\x81\n\xe9\n"
    assert Fed(data, encoding="cp1252").rows() == [Reason.INVALID_UTF8, "é"]


def test_the_line_with_which_excel_names_the_delimiter():
    for bom in (b"", b"\xef\xbb\xbf"):
        assert Fed(bom + b"sep=;\r\nid;text\r\n1;a,b\r\n").rows() == ["a,b"]
