"""Files that cannot be read, or not to their end: named at once, skipped or salvaged on demand."""

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
import zstandard

from faults.faulty import compress, make_records, write_lines, write_records
from zipsel.pool.finding import find_shards

MEGABYTES_OF_LINES = b"".join(b'{"text": "line %d of a long shard"}\n' % i for i in range(60_000))


@pytest.fixture
def good(tmp_path):
    return write_records(tmp_path / "good", make_records(20), "jsonl")


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def parquet_of(path, table, **options):
    pq.write_table(table, path, **options)
    return path


def truncate(path, share=0.6):
    os.truncate(path, int(path.stat().st_size * share))
    return path


BAD_FILES = {
    "missing.jsonl": (None, "no such file, and no file matches it as a pattern"),
    "notes.doc": (
        b"a,b",
        "the suffix is none of .jsonl, .ndjson, .json, .jsonlines, .jl, .par",
    ),
    "zipped.jsonl": (gzip.compress(b"x"), "holds gzip where its suffix says text; rename it"),
    "rows.jsonl.bz2": (b"BZh9", ".bz2 compression is not read; decompress the file, or use .gz"),
    "page.jsonl": (
        b"\n<!DOCTYPE html>\n<title>404</title>",
        "holds a web page where its suffix says text; its server may have refused it; fetch it",
    ),
    "page.parquet": (b"<HTML>", "holds a web page where its suffix says Parquet; its server"),
    "error.csv.gz": (b'<?xml version="1.0"?>', "holds a web page where its suffix says gzip; its"),
    "plain.jsonl.gz": (b'{"text": "a"}', "holds text where its suffix says gzip; rename it"),
    "other.jsonl.zst": (gzip.compress(b"x"), "holds gzip where its suffix says zstd; rename it"),
    "lines.parquet": (b'{"text": "a"}', "holds text where its suffix says Parquet; rename it"),
    "table.jsonl": (b"PAR1....", "holds Parquet where its suffix says text; rename it"),
    "empty.parquet": (b"", "is empty, without Parquet data; write it again"),
    "footless.parquet": (b"PAR1" + b"x" * 50, "no readable Parquet footer: "),
    "array.json": (b' [{"text": "a"}]', "is one JSON array, not one object a line; convert it: jq"),
    "cut.jsonl.gz": (gzip.compress(b"x" * 999)[:-9], "truncated: the last gzip member has no end"),
    "bad.jsonl.gz": (b"\x1f\x8b\x08\0junk-junk-junk-junk", "corrupt gzip data: "),
    "sum.jsonl.gz": (gzip.compress(b"{}\n")[:-8] + b"\1" * 8, "corrupt gzip data: "),
    "cut.jsonl.zst": (
        zstandard.compress(b"x" * 999)[:-3],
        "truncated: the last zstd frame has no end",
    ),
    "head.jsonl.zst": (zstandard.compress(b"x")[:4], "truncated: the last zstd frame has no end"),
    "tail.jsonl.zst": (zstandard.compress(b"{}\n") + b"tail", "corrupt zstd data: "),
}


def test_all_bad_files_are_named_at_once(run, tmp_path, good):
    paths = []
    for name, (data, _) in BAD_FILES.items():
        paths.append(tmp_path / "bad" / name)
        if data is not None:
            write(paths[-1], data)
    os.mkfifo(tmp_path / "bad" / "pipe.jsonl")
    (tmp_path / "bad" / "folder").mkdir()
    (tmp_path / "bad" / "loop.jsonl").symlink_to("loop.jsonl")
    done = run(
        good, *paths, *(tmp_path / "bad" / name for name in ("pipe.jsonl", "folder", "loop.jsonl"))
    )
    assert done.code == 1
    first, *named, last = done.message.splitlines()
    assert first == f"{len(paths) + 3} input files cannot be read:"
    assert last == "Repair or remove them, or go on without them: --on-bad-file skip"
    assert len(named) == len(paths) + 3
    problems = {**{name: problem for name, (_, problem) in BAD_FILES.items()},
                "pipe.jsonl": "is a stream, not a file; pipe it to standard input",
                "folder": "no file below it ends in .jsonl",
                "loop.jsonl": "too many levels of symbolic links"}  # fmt: skip
    for name, problem in problems.items():
        assert any(line.startswith(f"  {tmp_path}/bad/{name}: {problem}") for line in named), name


#: Found by workers; all others before any worker starts.
DAMAGED_FILES = [name for name in BAD_FILES if name.startswith(("cut", "sum", "tail", "head"))]


@pytest.mark.parametrize(
    ("name", "workers"),
    [(name, 1) for name, (data, _) in BAD_FILES.items() if data is not None]
    + [(name, 2) for name in DAMAGED_FILES],
)
def test_one_bad_file_stops_the_run_or_is_skipped_and_reported(run, tmp_path, good, name, workers):
    bad = write(tmp_path / name, BAD_FILES[name][0])
    done = run(good, bad, workers=workers)
    assert done.code == 1
    assert done.message.startswith(f"1 input file cannot be read:\n  {bad}: {BAD_FILES[name][1]}")

    done = run(good, bad, options=["--on-bad-file", "skip"], workers=workers)
    assert done.code == 0
    assert done.counts["n_rows"] == done.counts["n_chosen"] == 20
    assert done.counts["n_bad_shards"] == 1
    assert list(done.report["bad_shards"]) == [str(bad)]


def test_a_pool_of_bad_files_alone_cannot_be_skipped(run, tmp_path):
    bad = write(tmp_path / "cut.jsonl.gz", BAD_FILES["empty.parquet"][0])
    missing = tmp_path / "missing.jsonl"
    done = run(missing, options=["--on-bad-file", "skip"])
    assert (done.code, done.message.splitlines()[1]) == (
        1,
        f"  {missing}: no such file, and no file matches it as a pattern",
    )
    assert run(bad).counts["n_rows"] == 0


@pytest.mark.parametrize("kind", ["jsonl", "gz", "zst"])
def test_an_empty_file_has_no_records_and_an_empty_subset_is_no_failure(run, tmp_path, kind):
    empty = tmp_path / f"empty{'' if kind == 'jsonl' else '.jsonl'}.{kind}"
    done = run(write(empty, b""))
    assert (done.code, done.counts["n_rows"], done.counts["n_chosen"]) == (0, 0, 0)
    for _ in range(2):  # also when the output is up to date
        assert run(empty, options=["--fail-if-empty"]).code == 1


def test_an_empty_parquet_table_has_no_records(run, tmp_path):
    path = parquet_of(tmp_path / "none.parquet", pa.table({"text": pa.array([], pa.string())}))
    assert run(path).counts["n_rows"] == 0


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("workers", [1, 2])
def test_several_members_frames_and_padding_are_one_stream(run, tmp_path, kind, workers):
    records = make_records(30)
    parts = [compress(line, kind) for line in _lines(records)]
    if kind == "gz":
        parts.insert(5, b"\0" * 700)
        parts.append(b"\0" * 300_000)
    else:
        skippable = b"\x53\x2a\x4d\x18\x05\0\0\0abcde"
        parts = [skippable, *parts[:7], compress(b"", kind), skippable, *parts[7:]]
    path = write(tmp_path / f"pool.jsonl.{kind}", b"".join(parts))
    done = run(path, workers=workers)
    assert done.counts["n_chosen"] == 30
    assert [line + b"\n" for line in done.lines] == _lines(records)


def _lines(records):
    return [json.dumps(record).encode() + b"\n" for record in records]


@pytest.mark.parametrize("workers", [1, 2])
def test_long_windows_are_an_option(run, tmp_path, workers):
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=28)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = stream.compress(b"".join(_lines(make_records(10)))) + stream.flush()
    path = write(tmp_path / "long.jsonl.zst", data)
    done = run(path, workers=workers)
    assert done.code == 1
    assert "its zstd window is larger than 128 MiB; allow it (and its memory): --long" in (
        done.message
    )
    assert run(path, options=["--long"], workers=workers).counts["n_chosen"] == 10


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("n_streams", [1, 5])
def test_what_stands_before_the_damage_is_salvaged(run, tmp_path, good, kind, workers, n_streams):
    """With one stream this process cuts it for the workers; five are a task each."""
    cut = truncate(write_lines(tmp_path / "cut", MEGABYTES_OF_LINES, kind))
    others = [
        write_records(tmp_path / f"whole-{i}", make_records(20, i + 1), kind)
        for i in range(n_streams - 1)
    ]
    for output in ("first", "again"):  # the second run meets the sidecars of the first
        done = run(
            good, cut, *others,
            options=["--on-bad-file", "salvage"], output=output, workers=workers,
        )  # fmt: skip
        counts = done.counts
        assert done.code == 0
        n_whole = 20 * n_streams
        assert counts["n_rows"] > n_whole + 5000
        assert counts["n_chosen"] == counts["n_rows"] - counts["n_rejected"]
        assert counts["n_rejected"] <= 1
        n_salvaged = counts["n_chosen"] - n_whole
        assert done.lines[20 : 20 + n_salvaged] == MEGABYTES_OF_LINES.splitlines()[:n_salvaged]
        assert done.report["bad_shards"].keys() == {str(cut)}
        assert done.report["bad_shards"][str(cut)].startswith("truncated")


def damage_middle_group(path, name="text"):
    """Spoil a column of the second row group."""
    group = pq.read_metadata(path).row_group(1)
    columns = (group.column(i) for i in range(group.num_columns))
    column = next(column for column in columns if column.path_in_schema == name)
    data = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + column.total_compressed_size // 2] = b"\xff" * (
        column.total_compressed_size // 2
    )
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_a_damaged_row_group_is_refused_row_by_row_and_later_rows_keep_their_numbers(
    run, tmp_path, workers
):
    records = make_records(48)
    path = damage_middle_group(write_records(tmp_path / "pool", records, "parquet"))
    done = run(path, workers=workers)
    assert done.code == 1
    assert f"{path}: damaged Parquet data: " in done.message

    done = run(path, options=["--on-bad-file", "salvage"], workers=workers)
    assert done.code == 0
    assert done.counts["rejects"] == {"damaged": 16}
    assert [reject["row"] for reject in done.rejects] == list(range(16, 32))
    written = pq.read_table(done.output / "subset-00000.parquet")
    assert written.to_pylist() == records[:16] + records[32:]
    assert done.report["bad_shards"][str(path)].startswith("row group 1: damaged Parquet data")


@pytest.mark.parametrize("workers", [1, 2])
def test_damage_where_scoring_does_not_look_leaves_the_file_out_and_chooses_again(
    run, tmp_path, workers
):
    """Found when rows are copied, after they were chosen."""
    paths = [write_records(tmp_path / f"{i}", make_records(48, i), "parquet") for i in range(3)]
    bad = damage_middle_group(paths[1], "id")
    budget = ("--top-k", "60")
    done = run(*paths, workers=workers, budget=budget)
    assert done.code == 1
    assert done.message.startswith(f"1 input file cannot be read:\n  {bad}: damaged Parquet data: ")
    assert done.message.endswith("or go on without them: --on-bad-file skip")

    skip = ["--on-bad-file", "skip"]
    done = run(*paths, options=skip, workers=workers, budget=budget)
    assert done.code == 0
    counts = done.counts
    assert (counts["n_rows"], counts["n_chosen"], counts["n_bad_shards"]) == (96, 60, 1)
    assert done.report["bad_shards"].keys() == {str(bad)}
    assert done.report["bad_shards"][str(bad)].startswith("damaged Parquet data: ")
    rows = pq.read_table(done.output / "subset-00000.parquet").to_pylist()
    assert len(rows) == 60
    assert all(row in make_records(48) + make_records(48, 2) for row in rows)

    done = run(bad, options=skip, output="alone", workers=workers)
    assert (done.code, done.message.splitlines()[1][: len(str(bad)) + 2]) == (1, f"  {bad}")

    salvage = ["--on-bad-file", "salvage"]
    done = run(*paths, options=salvage, output="salvaged", workers=workers)
    assert done.counts["rejects"] == {"damaged": 16}
    assert (done.counts["n_chosen"], done.counts["n_bad_shards"]) == (128, 1)


def test_a_missing_column_is_answered_with_those_there_are(run, tmp_path):
    path = parquet_of(tmp_path / "a.parquet", pa.table({"body": ["x"], "id": [1]}))
    done = run(path)
    assert done.code == 1
    assert f"  {path}: has no column 'text'; it has body, id" in done.message
    double = pa.table([["x"], ["y"]], names=["text", "text"])
    path = parquet_of(tmp_path / "b.parquet", double)
    assert f"  {path}: has 2 columns named 'text'" in run(path).message
    double = pa.table([["x"], ["y"], ["z"]], names=["text", "id", "id"])
    path = parquet_of(tmp_path / "c.parquet", double)
    done = run(path, options=["--format", "jsonl"])
    assert f"  {path}: has 2 columns named 'id'; name each its own" in done.message


@pytest.mark.parametrize("workers", [1, 2])
def test_neighbours_of_another_schema_are_refused_for_parquet_and_fine_for_lines(
    run, tmp_path, workers
):
    first = parquet_of(tmp_path / "a.parquet", pa.table({"text": ["one"], "id": [1]}))
    wider = parquet_of(tmp_path / "b.parquet", pa.table({"text": ["two"], "id": [2.5], "x": ["y"]}))
    other = parquet_of(tmp_path / "c.parquet", pa.table({"text": ["three"], "id": ["3"]}))

    assert run(first, wider, workers=workers).counts["n_chosen"] == 2
    done = run(first, wider, other, output="a", workers=workers)
    assert done.code == 1
    assert (
        f"{other}: its column 'id' is string where {first} has int64; "
        "make them agree, or write JSONL: --format jsonl"
    ) in done.message
    done = run(first, wider, other, options=["--on-bad-file", "skip"], output="b", workers=workers)
    assert (done.counts["n_chosen"], done.counts["n_bad_shards"]) == (2, 1)
    done = run(first, wider, other, options=["--format", "jsonl"], output="c", workers=workers)
    assert done.counts["n_chosen"] == 3


TEXTS = ["one text", "an other", None, "the last"]
COLUMNS = {
    "string": pa.array(TEXTS, pa.string()),
    "large_string": pa.array(TEXTS, pa.large_string()),
    "string_view": pa.array(TEXTS, pa.string_view()),
    "dictionary": pa.array(TEXTS, pa.string()).dictionary_encode(),
    "large_dictionary": pa.array(TEXTS, pa.large_string()).dictionary_encode(),
    "binary": pa.array(TEXTS).cast(pa.binary()),
    "large_binary": pa.array(TEXTS).cast(pa.large_binary()),
    "fixed": pa.array([t and t.encode() for t in TEXTS], pa.binary(8)),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("nested", [False, True])
def test_text_columns_of_every_type_are_read(run, tmp_path, name, nested):
    column = COLUMNS[name]
    options = []
    if nested:
        column = pa.StructArray.from_arrays([column, pa.array(range(4))], ["body", "n"])
        options = ["--text-field", "text.body", "--target-text-field", "text"]
    try:
        path = parquet_of(tmp_path / "a.parquet", pa.table({"text": column}))
    except pa.ArrowNotImplementedError:
        pytest.skip("this pyarrow writes no views to Parquet")
    done = run(path, options=["--max-rejects", 1, *options])
    assert done.code == 0
    assert done.counts["rejects"] == {"null": 1}
    assert done.counts["n_chosen"] == 3
    written = pq.read_table(done.output / "subset-00000.parquet")
    kept = pq.read_schema(path).field("text").type
    assert written.schema.field("text").type == kept or "view" in str(kept)


@pytest.mark.parametrize(("column", "workers"), [([["a", "b"]], 1), ([17], 2), ([{"a": "b"}], 2)])
def test_a_text_column_of_no_text_is_of_the_wrong_type(run, tmp_path, good, column, workers):
    path = parquet_of(tmp_path / "a.parquet", pa.table({"text": column}))
    done = run(path, good, options=["--on-bad-file", "skip"], workers=workers)
    assert done.counts["n_chosen"] == 20
    (problem,) = done.report["bad_shards"].values()
    assert problem.startswith("its only row is refused (1 wrong-type); ")


USELESS = {
    "notes.jsonl": (b"some notes\nand more\nof them\n",
                    "all of its 3 rows are refused (3 invalid-json); repair the file"),
    "other.jsonl": (b'{"id": 1, "body": "a"}\n{"id": 2}\n',
                    "all of its 2 rows are refused (2 missing-field); they have no field 'text'; "
                    "the first has id, body; name the text: --text-field NAME or --template"),
    "chats.jsonl": (b'{"messages": [{"role": "user", "content": "a"}]}\n',
                    "its only row is refused (1 missing-field); they have no field 'text'; the "
                    "first has messages; name the text: --text-field NAME or --template, or its "
                    "turns: --chat"),
    "objects.jsonl.zst": (zstandard.compress(b'{"text": {"body": "a"}}\n' * 3),
                          "all of its 3 rows are refused (3 wrong-type); their field 'text' is no "
                          "string; name the text"),
}  # fmt: skip


@pytest.mark.parametrize("name", USELESS)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_of_which_nothing_can_be_used_is_a_bad_file(run, tmp_path, name, workers):
    many = write_records(tmp_path / "many", make_records(1000), "jsonl")
    useless = write(tmp_path / name, USELESS[name][0])
    done = run(many, useless, workers=workers)
    assert done.code == 1
    assert done.message.startswith(f"1 input file cannot be read:\n  {useless}: {USELESS[name][1]}")
    done = run(many, useless, options=["--on-bad-file", "skip"], workers=workers)
    assert done.counts["n_rows"] == done.counts["n_chosen"] == 1000
    assert done.report["bad_shards"][str(useless)].startswith(USELESS[name][1])
    done = run(useless, options=["--on-bad-file", "skip"], output="alone", workers=workers)
    assert done.code == 1
    assert USELESS[name][1] in done.message


def test_examples_of_refused_rows_come_from_different_files(run, tmp_path):
    paths = []
    for i in range(4):
        records = [{"body": "x"}] * 5 + make_records(300, seed=i)
        paths.append(write_records(tmp_path / f"part-{i}", records, "jsonl"))
    done = run(*paths, options=["--max-rejects", "5%"])
    shown = [example["shard"] for example in done.report["reject_examples"]]
    assert shown == [str(path) for path in paths[:3]]
    done = run(*paths, output="none")
    assert done.code == 3
    _, advice, *lines = done.message.splitlines()
    assert advice == (
        "  20 missing-field: they have no field 'text'; the first has body; "
        "name the text: --text-field NAME or --template"
    )
    assert [sum(str(path) in line for line in lines) for path in paths] == [5, 3, 1, 1]


def test_target_rows_of_one_reason_are_one_line(run, good, target):
    rows = [{"question": f"q {i}"} for i in range(661)] + [{"text": ""}, {"text": None}]
    target.write_text("\n".join(map(json.dumps, rows)))
    done = run(good)
    assert done.code == 1
    first, *lines = done.message.splitlines()
    assert first == "1 target file cannot be read:"
    assert lines == [
        f"  {target}: 661 rows are refused as missing-field (rows 0, 1, 2, 3, 4, …: "
        '{"question": "q 0"}); they have no field \'text\'; the first has question; '
        "name the text: --target-text-field NAME or --target-template "
        "(else the pool's --text-field or --template counts)",
        f'  {target}: 1 row is refused as empty (row 661: {{"text": ""}}); remove them',
        f'  {target}: 1 row is refused as null (row 662: {{"text": null}}); remove them',
        "Every example of a target counts, so none is left out.",
    ]


def test_a_target_table_without_the_column_names_the_option(run, good, target):
    table = parquet_of(target.with_suffix(".parquet"), pa.table({"body": ["x"]}))
    target.unlink()
    done = run(good, options=["--target", table])
    assert "has no column 'text'; it has body" in done.message
    assert done.message.endswith(
        "To find them, name the text: --target-text-field NAME or --target-template, "
        "or its turns: --target-chat (else the pool's --text-field or --template counts)."
    )


def test_a_list_of_turns_is_a_chat(run, tmp_path):
    turns = [[{"role": "user", "content": "why"}, {"role": "assistant", "content": "so"}]]
    path = parquet_of(tmp_path / "a.parquet", pa.table({"messages": turns}))
    done = run(path, options=["--chat", "--target-text-field", "text"])
    assert done.counts["n_chosen"] == 1


def test_a_value_that_json_cannot_hold_is_an_error_and_no_crash(run, tmp_path):
    broken = pa.array([b"\xff"], pa.binary()).view(pa.string())
    path = parquet_of(tmp_path / "a.parquet", pa.table({"text": ["fine"], "other": broken}))
    assert run(path).counts["n_chosen"] == 1
    done = run(path, options=["--format", "jsonl"], output="lines")
    assert done.code == 1
    assert done.message.startswith(f"{path} row 0 cannot be written as jsonl: its column 'other'")
    assert "--format parquet" in done.message


def test_a_value_that_parquet_cannot_hold_is_an_error_and_no_crash(run, tmp_path):
    far = pa.array([0, 2**55], pa.timestamp("s"))
    path = tmp_path / "a.arrow"
    feather.write_feather(pa.table({"text": ["one text", "two texts"], "at": far}), str(path))
    done = run(path, output="rows", options=["--format", "parquet"])
    assert done.code == 1
    assert done.message.startswith(f"{path} row 1 cannot be written as parquet: Casting from")
    assert "--format jsonl" in done.message


def test_bytes_that_are_text_are_text_in_jsonl(run, tmp_path):
    texts = [record["text"] for record in make_records(3)]
    table = pa.table({"text": pa.array(texts).cast(pa.binary()), "raw": [b"url", b"\xff", None]})
    done = run(parquet_of(tmp_path / "a.parquet", table), options=["--format", "jsonl"])
    rows = [json.loads(line) for line in done.lines]
    assert rows == [
        {"text": text, "raw": raw} for text, raw in zip(texts, ["url", "/w==", None], strict=True)
    ]


UNWRITABLE = {
    "interval": pa.array([pa.MonthDayNano([1, 2, 3])] * 2),
    "union": pa.UnionArray.from_sparse(
        pa.array([0, 1], pa.int8()), [pa.array([7, 8]), pa.array(["a", "b"])]
    ),
    "empty objects": pa.array([{}] * 2, pa.struct([])),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_a_column_without_a_parquet_type_is_named_before_the_work(run, tmp_path, name):
    texts = [record["text"] for record in make_records(2)]
    batch = pa.record_batch([pa.array(texts), UNWRITABLE[name]], ["text", "odd"])
    with pa.ipc.new_file(tmp_path / "a.arrow", batch.schema) as file:
        file.write_batch(batch)
    done = run(tmp_path / "a.arrow")
    assert done.code == 1
    assert "no type for the column 'odd'" in done.message
    assert "write JSONL: --format jsonl" in done.message
    assert not (tmp_path / ".zipsel" / "scores").exists()
    done = run(tmp_path / "a.arrow", options=["--format", "jsonl"])
    odd = {"interval": [[1, 2, 3]] * 2, "union": [7, "b"], "empty objects": [{}, {}]}
    assert [json.loads(line)["odd"] for line in done.lines] == odd[name]


@pytest.mark.parametrize("format_name", ["parquet", "jsonl"])
def test_views_and_runs_are_written_as_plain_values(run, tmp_path, format_name):
    texts = [record["text"] for record in make_records(2)]
    columns = {
        "text": pa.array(texts),
        "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), ["a", "b"]),
        "map": pa.array([[("k", "v")]] * 2, pa.map_(pa.string_view(), pa.string_view())),
    }
    batch = pa.record_batch(list(columns.values()), list(columns))
    with pa.ipc.new_file(tmp_path / "a.arrow", batch.schema) as file:
        file.write_batch(batch)
    done = run(tmp_path / "a.arrow", options=["--format", format_name])
    assert done.code == 0
    if format_name == "jsonl":
        assert [json.loads(line)["runs"] for line in done.lines] == ["a", "b"]
    else:
        written = pq.read_table(done.output / "subset-00000.parquet")
        assert written["runs"].to_pylist() == ["a", "b"]
        assert written["map"].to_pylist() == [[("k", "v")]] * 2


@pytest.mark.parametrize("name", ["out.csv", "out.arrow", "out.jsonl.bz2", "out.parquet.gz"])
def test_an_output_in_a_format_that_is_not_written_is_refused(run, good, name):
    done = run(good, output=name)
    assert done.code == 2
    assert "read, not written; name a .jsonl" in done.message


def test_symlink_loops_end_and_nothing_in_a_directory_is_passed_over(tmp_path):
    pool = tmp_path / "pool"
    write_records(pool / "a" / "one", make_records(2), "jsonl")
    (pool / "a" / "up").symlink_to(pool)
    (pool / "a" / "here").symlink_to(".")
    write(pool / "b.jsonl.bz2", b"BZh")
    write(pool / "report.json", b"{}")
    write(pool / "README.md", b"#")
    (pool / "gone.jsonl").symlink_to("nowhere")
    shards, errors = find_shards([str(pool)])
    assert [shard.path for shard in shards] == [str(pool / "a" / "one.jsonl")]
    assert sorted(Path(error.shard).name for error in errors) == ["b.jsonl.bz2", "gone.jsonl"]


def test_a_directory_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    write_records(tmp_path / "pool" / "open" / "one", make_records(2), "jsonl")
    (tmp_path / "pool" / "closed").mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    shards, errors = find_shards([str(tmp_path / "pool")])
    assert len(shards) == 1
    assert [str(error) for error in errors] == [f"{tmp_path}/pool/closed: permission denied"]


def test_names_that_would_command_a_terminal_or_fit_no_report_are_harmless(run, tmp_path):
    hostile = write(tmp_path / "a\x1b[2J\n.doc", b"")
    nameless = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jsonl")
    with open(nameless, "wb") as file:
        file.write(b'{"text": "a"}\n')
    done = run(hostile, tmp_path / "*.jsonl")
    assert done.code == 1
    assert f"  {tmp_path}/a<␛>[2J .doc: the suffix is none of" in done.message
    assert f"  {tmp_path}/<U+DCFF>.jsonl: the name is no UTF-8" in done.message
    done = run(nameless)
    assert done.code == 2
    assert done.message.startswith("--pool takes text in UTF-8, which reports need, not ")
