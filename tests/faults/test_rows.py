"""Every row that cannot be used is refused with its reason, and the run goes on."""

import json
import random
import re
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults.faulty import make_records, write_lines, write_records
from zipsel.readers.json_rows import RowParser
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import cut_lines, iter_whole_lines
from zipsel.readers.reading import Reading, TextSpec

KINDS = ["jsonl", "gz", "zst"]

DEEP = b"[" * 100_000 + b"]" * 100_000

BAD_ROWS = [
    (b"not json at all", "invalid-json"),
    (b'{"text": "a", }', "invalid-json"),
    (b'{"text": "control \x01 character"}', "invalid-json"),
    (b'{"text": "fine"} and more', "trailing-garbage"),
    (b'{"text": "fine"}{"text": "again"}', "trailing-garbage"),
    (b'["text"]', "not-an-object"),
    (b'"text"', "not-an-object"),
    (b'{"text": "cut o', "truncated"),
    (b'{"id": 1, "done": tr', "truncated"),
    (b'{"text": "caf\xc3', "truncated"),
    (b'{"txt": "misspelt"}', "missing-field"),
    (b'{"text": null}', "null"),
    (b'{"text": 17}', "wrong-type"),
    (b'{"text": "first", "text": ["last wins"]}', "wrong-type"),
    (b'{"text": ""}', "empty"),
    (b'{"text": " \\t\\u2003 "}', "empty"),
    (b'{"text": "broken \xff byte"}', "invalid-utf8"),
    (b'{"text": "fine", "other": "broken \xff byte"}', "invalid-utf8"),
    (b'{"text": "lone \\ud800 surrogate"}', "invalid-utf8"),
    (b'{"text": "deep", "x": ' + b"[" * 501 + b"]" * 501 + b"}", "too-deep"),
    (b'{"text": "deeper", "x": ' + DEEP[:1500] + b"}", "too-deep"),
    (b'{"text": "' + b"long " * 1000 + b'"}', "too-long"),
]

GOOD_ROWS = [
    b'{"text": "not a number", "x": NaN, "y": -Infinity}',
    b'{"text": "a big number", "x": 123456789012345678901234567890}',
    b'{"text": "a number of too many digits", "x": ' + b"9" * 600 + b"}",
    b'{"text": 1, "text": "of two keys the last wins"}',
    b'{"text": "lone surrogate elsewhere", "x": "\\ud800"}',
    b'{"text": "just deep enough", "x": ' + b"[" * 499 + b"]" * 499 + b"}",
    b'{"te\\u0078t": "an escaped key"}',
    b'{"text": "not deep: ' + b"[" * 900 + b'"}',
]


def plain_rows(n_rows, seed=5):
    return [json.dumps(record).encode() for record in make_records(n_rows, seed)]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_each_bad_row_is_refused_with_its_place_and_reason(run, tmp_path, kind, workers):
    good = [*plain_rows(30), *GOOD_ROWS]
    rows = [(row, None) for row in good] + BAD_ROWS
    random.Random(3).shuffle(rows)
    rows.append((b'{"text": "the last line has no e', "truncated"))
    lines = [row for row, _ in rows]
    pool = write_lines(tmp_path / "pool", b"\n".join(lines), kind)

    done = run(pool, options=["--max-rejects", "50%", "--max-row-bytes", 2048], workers=workers)

    assert done.code == 0
    offsets = [sum(len(line) + 1 for line in lines[:i]) for i in range(len(lines))]
    assert done.rejects == [
        {
            "shard": str(pool),
            "row": i,
            "offset": offsets[i],
            "reason": reason,
            "snippet": row[:120].decode(errors="replace"),
        }
        for i, (row, reason) in enumerate(rows)
        if reason
    ]
    assert done.counts["n_rows"] == len(rows)
    assert done.counts["n_rejected"] == len(BAD_ROWS) + 1
    assert done.counts["n_chosen"] == len(good)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_blank_lines_carriage_returns_and_a_byte_order_mark_are_fine(run, tmp_path, kind, workers):
    rows = plain_rows(20)
    data = b"\xef\xbb\xbf" + b"\r\n \t\r\n\n".join(rows) + b"\r\n\r\n"
    done = run(write_lines(tmp_path / "pool", data, kind), workers=workers)
    assert done.counts["n_rows"] == done.counts["n_chosen"] == 20
    assert [json.loads(line) for line in done.lines] == [json.loads(row) for row in rows]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_line_of_any_length_is_dropped_to_the_next_newline(run, tmp_path, kind, workers):
    before, after = plain_rows(10, 1), plain_rows(10, 2)
    data = b"\n".join([*before, b'{"text": "' + b"x" * (40 << 20), *after]) + b"\n"
    done = run(
        write_lines(tmp_path / "pool", data, kind),
        options=["--max-rejects", 1, "--max-row-bytes", "1MiB"],
        workers=workers,
    )
    assert done.counts["rejects"] == {"too-long": 1}
    assert done.lines == [*before, *after]
    assert done.rejects[0]["row"] == 10


@pytest.mark.parametrize("workers", [1, 2])
def test_parquet_rows_are_refused_like_lines(run, tmp_path, workers):
    good = [record["text"] for record in make_records(20)]
    texts = [*good, None, "", " \n ", "x" * 3000, b"broken \xff byte"]
    raw = pa.array([t.encode() if isinstance(t, str) else t for t in texts], pa.binary())
    table = pa.table({"id": list(range(len(texts))), "text": raw.view(pa.string())})
    path = tmp_path / "pool.parquet"
    pq.write_table(table, path)

    done = run(path, options=["--max-rejects", 5, "--max-row-bytes", 2048], workers=workers)

    assert done.counts["rejects"] == {
        "empty": 2, "invalid-utf8": 1, "null": 1, "too-long": 1
    }  # fmt: skip
    assert [(reject["row"], reject["snippet"], reject["offset"]) for reject in done.rejects] == [
        (20, "", None),
        (21, "", None),
        (22, " \n ", None),
        (23, "x" * 120, None),
        (24, "broken \ufffd byte", None),
    ]
    written = pq.read_table(done.output / "subset-00000.parquet")
    assert written["text"].to_pylist() == good


@pytest.mark.parametrize(
    ("options", "allowed", "workers"),
    [
        ([], 0, 1),
        (["--max-rejects", "3"], 3, 1),
        (["--max-rejects", "10%"], 4, 2),
        (["--max-rejects", "0"], 0, 2),
    ],
)
@pytest.mark.parametrize("kind", [*KINDS, "parquet"])
def test_too_many_rejects_end_the_run_and_withhold_the_output(
    run, tmp_path, kind, options, allowed, workers
):
    records = make_records(40)
    for i in range(5):
        records[8 * i]["text"] = ""
    pool = write_records(tmp_path / "pool", records, kind)
    done = run(pool, options=options, workers=workers)
    assert done.code == 3
    first, advice, *shown = done.message.splitlines()
    said = options[1] if options else "1%"
    assert first == (
        f"5 of 40 rows were refused, more than --max-rejects {said} allows ({allowed}); "
        "nothing was written:"
    )
    assert advice == "  5 empty: remove them"
    numbers = [re.search(r" row (\d+)", line)[1] for line in shown]
    assert numbers == ["0", "8", "16", "24", "32"]
    assert all("empty" in line for line in shown)


def test_ten_refused_rows_are_shown_with_their_control_characters_escaped(run, tmp_path):
    rows = [b"\x1b[31mred\x07 \xe2\x80\xae"] * 12 + plain_rows(3)
    pool = write_lines(tmp_path / "pool", b"\n".join(rows), "jsonl")
    done = run(pool)
    assert done.code == 3
    assert len(done.message.splitlines()) == 12
    assert f"{pool} row 1 (byte 14): invalid-json: <␛>[31mred<␇> <U+202E>" in done.message


def read(chunks, options):
    """What the reader makes of chunks: offsets, texts and rejects of all rows."""
    parser = RowParser(TextSpec())
    offsets, texts, rejects = [], [], {}
    for chunk in chunks:
        for rows in iter_rows(chunk, parser, options):
            assert len(rows.accepted) + len(rows.rejects) == rows.n_rows
            assert set(rows.accepted.tolist()).isdisjoint(rows.rejects)
            rejects.update({len(offsets) + i: reject for i, reject in rows.rejects.items()})
            numbers = (len(offsets) + rows.accepted).tolist()
            texts += zip(numbers, rows.texts.iter_texts(), strict=True)
            offsets += rows.offsets.tolist()
    return offsets, texts, rejects


TOKENS = st.sampled_from(
    [b'{"text": "a"}', b'{"text": "b', b"\n", b"\r\n", b"{", b"}", b'"', b"\xff", b"\xef\xbb\xbf",
     b" ", b'{"text": "' + b"x" * 2000 + b'"}', b"[" * 600, b"\\ud800", b"NaN", b"\0"]
)  # fmt: skip


@given(
    data=st.one_of(st.binary(max_size=300), st.lists(TOKENS, max_size=30).map(b"".join)),
    cuts=st.lists(st.integers(0, 4000), max_size=10),
    chunk_bytes=st.sampled_from([1, 7, 64, 1024, 1 << 20]),
)
def test_any_bytes_in_any_chunking_give_the_same_account(data, cuts, chunk_bytes):
    options = Reading(max_row_bytes=1024)
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in pairwise(bounds)]
    whole = read(cut_lines([data], options.max_row_bytes), options)
    assert read(cut_lines(pieces, options.max_row_bytes, chunk_bytes=chunk_bytes), options) == whole
    assert read(iter_whole_lines(pieces, options.max_row_bytes), options) == whole
