"""CSV and Arrow that are damaged: named, refused row by row, or salvaged; never silently less."""

import io
import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faults.faulty import make_records

HEADER = b"id,text,kind\n"
RECORDS = make_records(60)


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def to_ipc(open_writer, records=RECORDS, n_rows=10, end=None):
    sink = io.BytesIO()
    table = pa.Table.from_pylist(records)
    with open_writer(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=n_rows)
    return sink.getvalue()[:end]


def lines(n_rows):
    return b"".join(b"%d,a line of text %d,k\n" % (i, i) for i in range(n_rows))


STREAM = to_ipc(pa.ipc.new_stream)
FILE = to_ipc(pa.ipc.new_file)

BAD_FILES = {
    "empty.csv": (b"", "is empty, without a header row that names its columns"),
    "blank.csv": (b"\n\n", "is empty, without a header row that names its columns"),
    "utf16.csv": (
        "id,text\n1,a\n".encode("utf-16"),
        "holds UTF-16 text; read it with --encoding",
    ),
    "latin.csv": (
        b"text,caf\xe9\n",
        "its header row is no UTF-8; name its encoding, such as",
    ),
    "other.csv": (
        b"id;text\n",
        "its columns are separated by ';', not ','; read it with --delimiter ';'",
    ),
    "double.tsv": (b"text\ttext\n", "has 2 columns named 'text'; name each its own"),
    "open.csv": (
        HEADER + lines(5) + b'5,"never closed\n' + lines(50),
        "line 7: a quote mark is opened and never closed; if quote marks are plain text here",
    ),
    "open-header.csv": (b'id,"text\n', "line 1: a quote mark is opened and never closed"),
    "empty.arrow": (b"", "is empty, without Arrow data; write it again"),
    "old.feather": (b"FEA1....", "holds Feather version 1 where its suffix says Arrow"),
    "lines.arrow": (b'{"text": "a"}', "holds text where its suffix says Arrow; rename it"),
    "file.jsonl": (FILE, "holds Arrow where its suffix says text; rename it"),
    "headless.arrow": (STREAM[:40], "no readable Arrow schema: "),
    "cut.arrow": (STREAM[: len(STREAM) // 2], "damaged Arrow data in batch 2: "),
    "endless.arrow": (STREAM[:-8], "truncated: the Arrow stream has no end after batch 5"),
    "two.arrow": (STREAM * 2, f"{len(STREAM):,} bytes follow the end of the Arrow stream"),
    "cut.feather": (FILE[: len(FILE) // 2], "no readable Arrow footer: "),
    "columns.arrow": (
        to_ipc(pa.ipc.new_stream, [{"body": "a", "n": 1}]),
        "has no column 'text'; it has body, n",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_and_can_be_skipped(run, tmp_path, name):
    data, problem = BAD_FILES[name]
    bad = write(tmp_path / "bad" / name, data)
    good = write(tmp_path / "good.csv", HEADER + lines(20))

    done = run(good, bad)
    assert done.code == 1
    assert f"{bad}: {problem}" in done.message

    done = run(good, bad, options=["--on-bad-file", "skip"])
    assert (done.code, done.counts["n_chosen"]) == (0, 20)
    assert list(done.report["bad_shards"]) == [str(bad)]


def test_bad_rows_of_csv_are_refused_one_by_one(run, tmp_path):
    rows = [
        b"0,good,k", b"1,too few", b"2,too,many,k", b"", b"3,\xff,k", b"4,also good,\xff",
        b"5,,k", b'6,"' + b"long\n" * 300 + b'",k', b"7,the last,k",
    ]  # fmt: skip
    path = write(tmp_path / "pool.csv", HEADER + b"\n".join(rows))
    options = ["--max-rejects", "6", "--max-row-bytes", "1100"]

    done = run(path, options=options)

    assert (done.code, done.message) == (0, "")
    assert [json.loads(line)["text"] for line in done.lines] == ["good", "the last"]
    assert [(one["row"], one["reason"]) for one in done.rejects] == [
        (1, "wrong-columns"), (2, "wrong-columns"), (3, "invalid-utf8"), (4, "invalid-utf8"),
        (5, "empty"), (6, "too-long"),
    ]  # fmt: skip
    assert {(one["shard"], one["offset"]) for one in done.rejects} == {(str(path), None)}
    assert [one["snippet"] for one in done.rejects] == [
        "1,too few", "2,too,many,k", "\ufffd", "\ufffd", "", '6,"' + "long\n" * 23 + "lo"
    ]  # fmt: skip
    assert run(path, options=["--max-rejects", "5", *options[2:]], output="o").code == 3


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zst"])
def test_an_open_quote_keeps_what_stands_before_it(run, tmp_path, suffix):
    import gzip

    import zstandard

    data = HEADER + lines(30) + b'30,"never closed\n' + lines(50)
    encode = {"csv": bytes, "gz": gzip.compress, "zst": zstandard.compress}
    path = write(tmp_path / f"pool{suffix}", encode[suffix.split(".")[-1]](data))

    for output in ("first", "again"):
        done = run(path, options=["--on-bad-file", "salvage", "--max-rejects", "1"], output=output)
        assert done.code == 0
        assert [json.loads(line)["id"] for line in done.lines] == [str(i) for i in range(30)]
        assert done.rejects == []
        assert "line 32: a quote mark is opened" in done.report["bad_shards"][str(path)]


def test_a_cut_off_row_of_compressed_csv_is_not_taken_for_a_whole_one(run, tmp_path):
    import gzip

    path = write(tmp_path / "pool.csv.gz", gzip.compress(HEADER + lines(5000))[:-9])
    done = run(path, options=["--on-bad-file", "salvage", "--max-rejects", "1"])
    texts = [json.loads(line)["text"] for line in done.lines]
    assert texts == [f"a line of text {i}" for i in range(len(texts))]
    assert len(texts) > 1000
    assert done.report["bad_shards"][str(path)].startswith("truncated")


@pytest.mark.parametrize("open_writer", [pa.ipc.new_stream, pa.ipc.new_file])
@pytest.mark.parametrize("workers", [1, 2])
def test_batches_before_the_damage_are_salvaged(run, tmp_path, open_writer, workers):
    data = to_ipc(open_writer)
    path = write(tmp_path / "pool.arrow", data[: len(data) // 2])

    for output in ("first", "again"):
        done = run(
            path, options=["--on-bad-file", "salvage", "--format", "jsonl"],
            output=output, workers=workers,
        )  # fmt: skip
        rows = [json.loads(line) for line in done.lines]
        assert rows == RECORDS[: len(rows)]
        assert len(rows) in (20, 30)
        assert list(done.report["bad_shards"]) == [str(path)]


@pytest.mark.parametrize("column", ["text", "beside"])
def test_a_broken_batch_is_refused_and_later_rows_keep_their_numbers(run, tmp_path, column):
    """Offsets of strings that point backwards, in the third of six batches, in any column."""
    records = [{**one, "beside": f"{one['text']}!"} for one in RECORDS]
    data = bytearray(to_ipc(pa.ipc.new_stream, records))
    place = bytes(data).find("".join(one[column] for one in records[20:22]).encode())
    offsets = b"".join(
        sum(len(one[column]) for one in records[20 : 20 + i]).to_bytes(4, "little")
        for i in range(3)
    )
    at = bytes(data).rfind(offsets, 0, place)
    data[at + 4 : at + 8] = (10**6).to_bytes(4, "little")
    path = write(tmp_path / "pool.arrow", bytes(data))

    done = run(path)
    assert done.code == 1
    assert f"{path}: damaged Arrow data in batch 2: " in done.message

    done = run(path, options=["--on-bad-file", "salvage", "--format", "jsonl"], output="rest")
    assert [json.loads(line) for line in done.lines] == records[:20] + records[30:]
    assert {(one["row"], one["reason"]) for one in done.rejects} == {
        (i, "damaged") for i in range(20, 30)
    }


def test_arrow_rows_without_a_text_are_refused_one_by_one(run, tmp_path):
    texts = [b"good", None, b"\xff", b" ", b"also good"]
    table = pa.table({"text": pa.array(texts, pa.binary())})
    broken = pa.table({"text": table["text"].chunk(0).view(pa.string()), "id": [0, 1, 2, 3, 4]})
    with pa.OSFile(str(tmp_path / "pool.arrow"), "wb") as sink:
        with pa.ipc.new_stream(sink, broken.schema) as writer:
            writer.write_table(broken)

    done = run(tmp_path / "pool.arrow", options=["--max-rejects", "3", "--format", "parquet"])

    assert pq.read_table(done.output / "subset-00000.parquet").to_pylist() == [
        {"text": "good", "id": 0}, {"text": "also good", "id": 4}
    ]  # fmt: skip
    assert [(one["row"], one["reason"]) for one in done.rejects] == [
        (1, "null"), (2, "invalid-utf8"), (3, "empty")
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["pool.csv", "pool.arrow"])
def test_a_file_that_changes_between_the_passes_is_told_of(run, tmp_path, name, monkeypatch):
    from zipsel.selection import selector

    data = HEADER + lines(20) if name.endswith("csv") else STREAM
    path = write(tmp_path / name, data)
    gather = selector.gather

    def change_and_gather(*arguments, **options):
        write(path, data[:-20])
        return gather(*arguments, **options)

    monkeypatch.setattr(selector, "gather", change_and_gather)
    done = run(path)
    assert done.code == 1
    assert "changed while it was being read" in done.message


def test_columns_that_csv_does_not_have(run, tmp_path):
    path = write(tmp_path / "pool.csv", b"id,meta.body,a b\n1,x,y\n")
    for options, problem in (
        (["--text-field", "a.body"], "has no columns inside columns, as 'a.body' asks for"),
        (["--template", "{id} {body}"], "has no column 'body'; it has id, meta.body, a b"),
        (["--chat"], "holds no chats, only texts; its columns are id, meta.body, a b"),
    ):
        done = run(path, options=[*options, "--target-text-field", "text"])
        assert done.code == 1
        assert f"{path}: {problem}" in done.message
    options = ["--template", "{id}: {a b}", "--target-text-field", "text"]
    assert run(path, options=options).counts["n_chosen"] == 1
    assert os.listdir(tmp_path / "out")


def test_what_arrow_hides_is_not_tripped_over(run, tmp_path):
    """A null may keep bytes that are no UTF-8, and a column's name need not be any."""
    records = RECORDS[:20]
    offsets, data = [0], b""
    for i, record in enumerate(records):
        data += b"\xff\xfe" if i == 3 else record["text"].encode()
        offsets.append(len(data))
    valid = np.packbits([i != 3 for i in range(len(records))], bitorder="little")
    buffers = [pa.py_buffer(valid), pa.py_buffer(np.array(offsets, np.int32)), pa.py_buffer(data)]
    text = pa.Array.from_buffers(pa.string(), len(records), buffers)
    table = pa.table({"text": text, "id": range(len(records))})
    with pa.ipc.new_stream(tmp_path / "hidden.arrow", table.schema) as sink:
        sink.write_table(table)
    done = run(tmp_path / "hidden.arrow", options=["--max-rejects", "1"])
    assert done.code == 0
    assert done.report["counts"]["rejects"] == {"null": 1}

    stream = STREAM.replace(b"text", b"te\xffx")
    assert stream != STREAM
    done = run(write(tmp_path / "name.arrow", stream))
    assert (done.code, "a column's name is no UTF-8" in done.message) == (1, True)


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8"])
def test_what_excel_writes_is_read_by_the_options_that_messages_name(run, tmp_path, encoding):
    rows = "".join(f"{i};a line of text, “{i}”, é fine;k\r\n" for i in range(20))
    path = write(tmp_path / "pool.csv", f"id;text;kind\r\n{rows}".encode(encoding))
    options = ["--delimiter", ";", "--encoding", encoding]

    done = run(path, options=options)

    assert (done.code, done.message) == (0, "")
    texts = {json.loads(line)["text"] for line in done.lines}
    assert texts == {f"a line of text, “{i}”, é fine" for i in range(20)}
    assert run(path, output="again").code == 1


@pytest.mark.parametrize(
    "options", [["--delimiter", ";"], ["--encoding", "cp1252"], ["--no-quotes"]]
)
def test_options_of_csv_without_csv_are_refused(run, tmp_path, options):
    path = write(tmp_path / "pool.jsonl", b'{"text": "a"}\n')
    done = run(path, options=options)
    assert done.code == 2
    assert f"{options[0]} would have no effect: no input is CSV or TSV" in done.message


@pytest.mark.parametrize(
    "options", [["--delimiter", ";;"], ["--delimiter", '"'], ["--encoding", "nonsense"]]
)
def test_options_of_csv_that_no_file_can_have(run, tmp_path, options):
    path = write(tmp_path / "pool.csv", HEADER + lines(3))
    assert run(path, options=options).code == 2


def test_texts_that_begin_with_a_quote_mark_stay_whole(run, tmp_path):
    texts = ["plain", '"Hello, said she', '"Stop," she said.', "goodbye", '"Bye']
    data = "".join(f"{i}\t{text}\n" for i, text in enumerate(texts))
    path = write(tmp_path / "pool.tsv", f"id\ttext\n{data}".encode())
    done = run(path)
    assert (done.code, "line 3: a quoted field ends in line 4" in done.message) == (1, True)
    done = run(path, options=["--no-quotes"], output="again")
    assert [json.loads(line)["text"] for line in done.lines] == texts
