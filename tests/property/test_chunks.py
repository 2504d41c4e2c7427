"""However JSONL is cut into pieces and chunks, the same rows come out."""

import io
import json
from itertools import groupby, pairwise

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from zipsel.readers.json_rows import RowParser
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import cut_lines, read_chunk
from zipsel.readers.reading import Reading, TextSpec
from zipsel.readers.rows import Reason, RowError

MAX_ROW_BYTES = 300
BOM = b"\xef\xbb\xbf"

texts = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(["", " \n", "a" * 280])
rows = st.one_of(
    st.builds(lambda text, i: {"text": text, "id": i}, texts, st.integers(-(2**70), 2**70)),
    st.sampled_from([{"text": None}, {"text": 3}, {"body": "x"}, {"text": "x", "n": float("nan")}]),
)
lines = st.one_of(
    st.builds(lambda row, ascii: json.dumps(row, ensure_ascii=ascii).encode(), rows, st.booleans()),
    st.sampled_from(
        [b"", b" ", b"\t" * 400, b" " * 290 + b'{"text": "x"}', b" " * 130 + b"#" * 200]
        + [b'{"text": "' + b"z" * n + b'"}' for n in (280, 287, 288, 289, 600, 1500)]
        + [b"[1]", b"{", b'{"text": "a"} {"text": "b"}', b'"\xff"', b'{"text": "\\ud800"}', b"\0"]
        + [b'{"text": "a"}}', b'{"text": "one"}{"text": "two"}']
    ),
    st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"")),
)
streams = st.builds(
    lambda bom, lines, ends, last: (
        (BOM if bom else b"")
        + b"".join(line + end for line, end in zip(lines, ends, strict=False))
        + last
    ),
    st.booleans(),
    st.lists(lines, max_size=12),
    st.lists(st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\n\n"]), min_size=12, max_size=12),
    lines,
)


def rows_by_the_book(data):
    """``(offset, text or reason)`` of every row, one line at a time."""
    parser, found, offset = RowParser(TextSpec()), [], 0
    if data.startswith(BOM):
        offset = len(BOM)
    for line in data[offset:].split(b"\n"):
        if len(line) > MAX_ROW_BYTES:
            found.append((offset, Reason.TOO_LONG))
        elif line and not line.isspace():
            try:
                found.append((offset, parser.parse_slowly(line)[0]))
            except RowError as error:
                found.append((offset, error.reason))
        offset += len(line) + 1
    return found


def rows_of(chunks):
    parser, options, found = RowParser(TextSpec()), Reading(max_row_bytes=MAX_ROW_BYTES), []
    for chunk in chunks:
        for batch in iter_rows(chunk, parser, options):
            accepted = dict(zip(batch.accepted.tolist(), batch.texts.iter_texts(), strict=True))
            assert not accepted.keys() & batch.rejects.keys()
            found += [
                (offset, accepted[i] if i in accepted else batch.rejects[i][0])
                for i, offset in enumerate(batch.offsets.tolist())
            ]
    return found


def cut_at(data, cuts):
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(bounds) if a < b]


@given(streams, st.lists(st.integers(0, 10**6), max_size=8), st.integers(1, 700))
@example(BOM + b'{"text": "' + b"z" * 288 + b'"}\n', [1, 290, 302], 1000)
def test_any_pieces_and_chunks_give_the_rows_of_one_look(data, cuts, chunk_bytes):
    chunks = list(cut_lines(cut_at(data, cuts), MAX_ROW_BYTES, chunk_bytes=chunk_bytes))

    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert rows_of(chunks) == rows_by_the_book(data)


@given(streams, st.lists(st.integers(0, 10**6), max_size=8), st.integers(1, 700))
def test_seeking_to_a_chunk_gives_the_chunk_of_the_stream(data, cuts, chunk_bytes):
    streamed = list(cut_lines(cut_at(data, cuts), MAX_ROW_BYTES, chunk_bytes=chunk_bytes))
    sought = [
        list(
            read_chunk(
                io.BytesIO(data), i, MAX_ROW_BYTES, n_bytes=len(data), chunk_bytes=chunk_bytes
            )
        )
        for i in range(max(1, -(-len(data) // chunk_bytes)))
    ]

    assert sought[-1][-1].final
    assert not any(stretch.final for chunk in sought[:-1] for stretch in chunk)
    # A stream does not know that its last line reaches through chunks in which none begins.
    assert all(not rows_of(chunk) for chunk in sought[len(streamed) :])
    for a, b in zip(streamed, sought, strict=False):
        assert rows_of([a]) == rows_of(b)


@given(
    streams, st.lists(st.integers(0, 10**6), max_size=8), st.integers(1, 700), st.integers(1, 90)
)
def test_stretches_are_chunks_in_pieces(data, cuts, chunk_bytes, stretch_bytes):
    pieces = cut_at(data, cuts)
    chunks = list(cut_lines(pieces, MAX_ROW_BYTES, chunk_bytes=chunk_bytes))
    stretches = list(
        cut_lines(pieces, MAX_ROW_BYTES, chunk_bytes=chunk_bytes, stretch_bytes=stretch_bytes)
    )

    by_chunk = [list(group) for _, group in groupby(stretches, key=lambda one: one.index)]
    assert [rows_of(group) for group in by_chunk] == [rows_of([chunk]) for chunk in chunks]
    assert [one.ends for group in by_chunk for one in group[:-1]].count(True) == 0
    assert all(group[-1].ends for group in by_chunk)
    assert [one.final for one in stretches] == [False] * (len(stretches) - 1) + [True]


@given(streams, st.integers(1, 700))
def test_a_chunk_holds_the_lines_that_begin_in_it(data, chunk_bytes):
    for i in range(max(1, -(-len(data) // chunk_bytes))):
        file = io.BytesIO(data)
        chunk = read_chunk(file, i, MAX_ROW_BYTES, n_bytes=len(data), chunk_bytes=chunk_bytes)
        offsets = [offset for offset, _ in rows_of(chunk)]
        start = 0 if i == 0 else i * chunk_bytes
        # A byte-order mark moves the first line's beginning by three bytes.
        assert all(start <= offset < max((i + 1) * chunk_bytes, len(BOM) + 1) for offset in offsets)


@given(st.lists(lines, max_size=6))
def test_offsets_lead_back_to_the_line(lines):
    data = b"\n".join(lines)
    for offset, outcome in rows_of(cut_lines([data], MAX_ROW_BYTES)):
        if outcome not in set(Reason):
            line = data[offset:].split(b"\n")[0]
            assert RowParser(TextSpec()).parse(line)[0] == outcome
    assert np.all(np.diff([o for o, _ in rows_of(cut_lines([data], MAX_ROW_BYTES))]) > 0)
