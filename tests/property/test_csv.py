"""However CSV is cut into pieces and chunks, the strings that were written come out."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zipsel.readers.csv_chunks import cut_rows
from zipsel.readers.csv_columns import iter_rows, split_fields
from zipsel.readers.csv_rows import RowStream
from zipsel.readers.rows import Reading, Reason

LIMIT = 300
READING = Reading()
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


def cut_at(data, cuts):
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(bounds) if a < b]


def chunks_of(data, cuts=(), kind="csv", chunk_bytes=10**6, limit=10**6, damage=None):
    stream = RowStream(cut_at(data, cuts), "pool.csv", kind, limit, damage)
    return list(cut_rows(stream, chunk_bytes=chunk_bytes))


def rows_of(chunks):
    """``(offset, text or reason)`` of every row."""
    found = []
    for chunk in chunks:
        for batch in iter_rows(chunk, READING):
            texts = dict(zip(batch.accepted.tolist(), batch.texts.iter_texts(), strict=True))
            assert not texts.keys() & batch.rejects.keys()
            found += [
                (offset, texts[i] if i in texts else batch.rejects[i][0])
                for i, offset in enumerate(batch.offsets.tolist())
            ]
    return found


@given(
    rows, cuts, st.integers(1, 200), st.sampled_from([(",", "csv"), ("\t", "tsv")]),
    st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.booleans(),
)  # fmt: skip
@example([("1", 'say "x"\r\n', "k")], [3, 20, 21, 22, 23], 5, (",", "csv"), "\r\n", True, False)
def test_any_pieces_and_chunks_give_the_strings_that_were_written(
    rows, cuts, chunk_bytes, kind, ending, bom, last
):
    data = write(rows, kind[0], ending, bom, last or not rows)
    chunks = chunks_of(data, cuts, kind[1], chunk_bytes)

    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    for chunk in chunks:
        inside = chunk.offsets // chunk_bytes == chunk.index
        assert inside.all()
    read = [
        tuple(row.values())
        for chunk in chunks
        for row in split_fields(
            [chunk.data[a:b] for a, b in pairwise([0, *chunk.ends.tolist()])], chunk, chunk.header
        )[0].to_pylist()
    ]
    assert read == [tuple(row) for row in rows]
    assert rows_of(chunks) == rows_of(chunks_of(data, kind=kind[1]))


@given(st.binary(max_size=200), cuts, st.integers(1, 60), st.integers(20, 120))
@example(b'1,"' + b"x" * 130 + b'""' + b'",k\n2,b,c\n', [30, 150, 161, 162], 7, 40)
def test_any_bytes_give_the_same_rows_however_they_come(body, cuts, chunk_bytes, limit):
    data = b"id,text,kind\n" + body
    damage, again = [], []
    whole = rows_of(chunks_of(data, limit=limit, damage=damage))
    assert rows_of(chunks_of(data, cuts, "csv", chunk_bytes, limit, again)) == whole
    assert again == damage
    offsets = [offset for offset, _ in whole]
    assert np.all(np.diff(offsets) > 0)
    assert not damage or whole[-1][1] == Reason.TRUNCATED


def test_what_is_long_is_passed_over_and_what_follows_is_read():
    long_one = b'1,"' + b"a\n" * 200 + b'""",k\n'
    data = b"id,text,kind\n" + long_one + b"2,b,c\n" + long_one[:-1]
    for cuts in ([], [100], [414, 415, 416, 417], list(range(0, 900, 7))):
        found = rows_of(chunks_of(data, cuts, limit=LIMIT))
        assert found == [
            (13, Reason.TOO_LONG), (13 + len(long_one), "b"), (19 + len(long_one), Reason.TOO_LONG)
        ]  # fmt: skip


def test_a_quote_that_stays_open_is_damage_and_not_a_row():
    data = b'id,text,kind\n1,a,k\n2,"b,k\n' + b"3,c,k\n" * 200
    for limit in (100, 10**6):  # held to the end of the file, and passed over
        with pytest.raises(Exception, match=r"row 1 \(byte 19\): a quote is opened"):
            chunks_of(data, limit=limit)
        damage = []
        found = rows_of(chunks_of(data, limit=limit, damage=damage))
        assert found == [(13, "a"), (19, Reason.TRUNCATED)]
        assert len(damage) == 1


def test_reasons():
    data = b'id,text,kind\n1,a,k\n2,b\n\n3,,k\n4,d,k,\n5,"  ",k\n6,\xff,k\n7,h,\xff\n8,"x"y,k'
    assert [outcome for _, outcome in rows_of(chunks_of(data))] == [
        "a", Reason.WRONG_COLUMNS, Reason.EMPTY, Reason.WRONG_COLUMNS, Reason.EMPTY,
        Reason.INVALID_UTF8, Reason.INVALID_UTF8, "xy",
    ]  # fmt: skip
