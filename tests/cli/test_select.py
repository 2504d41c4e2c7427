"""``zipsel select`` as users run it: budgets, outputs, formats, what a second run does."""

import gzip
import json
import os
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from made_up import write_jsonl


def lines_of(path):
    return Path(path).read_bytes().splitlines()


def read(path):
    return [json.loads(line) for line in lines_of(path)]


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return path


def report_of(output):
    return json.loads((Path(output) / "report.json").read_bytes())


def snapshot(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.is_file()}


def test_a_directory_gets_ranked_shards_and_side_files(tmp_path, select):
    done = select("--top-k", 10, "--output", "out")
    rows = read(tmp_path / "out" / "subset-00000.jsonl")

    assert done.stdout == b""
    assert b"10 rows" in done.stderr
    assert len(rows) == 10
    assert {row["kind"] for row in rows} == {"code"}
    names = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_file())
    assert {"manifest.json", "report.json", "rejects.jsonl"} <= set(names)
    report = report_of(tmp_path / "out")
    counts = report["counts"]
    assert counts["n_chosen"] + counts["n_passed"] + counts["n_rejected"] == counts["n_rows"] == 60
    assert report["schema_version"] >= 1
    assert {"zipsel", "python", "zstandard", "libzstd", "zlib", "pyarrow"} <= set(
        report["versions"]
    )
    assert [shown["rank"] for shown in report["best"]] == list(range(1, 11))
    assert report["best"][0]["text"] == rows[0]["text"][:200]
    assert all(shard["fingerprint"] for shard in report["shards"])


@pytest.mark.parametrize(
    ("budget", "check"),
    [
        (("--top-k", 7), lambda rows, texts: len(rows) == 7),
        (("--fraction", 0.25), lambda rows, texts: len(rows) == 15),
        (("--max-bytes", "1kB"), lambda rows, texts: 700 < sum(map(len, texts)) <= 1000),
        (("--max-tokens", 300), lambda rows, texts: 900 < sum(map(len, texts)) <= 1200),
        (("--min-alignment", 0.0), lambda rows, texts: 20 <= len(rows) <= 40),
        (("--min-alignment", 1e6), lambda rows, texts: not rows),
        (("--top-k", 1000), lambda rows, texts: len(rows) == 60),
    ],
)
def test_every_budget(tmp_path, select, budget, check):
    select(*budget, "--output", "out.jsonl", "--add-field", "score")
    rows = read(tmp_path / "out.jsonl")

    assert check(rows, [row["text"].encode() for row in rows])
    if budget[0] == "--min-alignment":
        scores = [row["score"] for row in rows]
        assert scores == sorted(scores, reverse=True)
        assert all(score >= budget[1] for score in scores)
    else:
        assert all(row["score_gain"] >= 0 for row in rows)


@pytest.mark.parametrize("budget", [(), ("--top-k", 3, "--fraction", 0.1)])
def test_exactly_one_budget(select, budget):
    assert b"exactly one of --top-k" in select(*budget, "--output", "out", code=2).stderr


@pytest.mark.parametrize(
    "budget", [("--top-k", 0), ("--fraction", 1.5), ("--max-bytes", "12 parsecs"), ("--top-k", "x")]
)
def test_a_budget_that_cannot_be_meant_is_a_usage_error(tmp_path, select, budget):
    select(*budget, "--output", "out", code=2)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("scorer", ["fused", "conditional", "ngram", "ncd"])
def test_every_scorer_finds_the_code(tmp_path, select, scorer):
    select("--scorer", scorer, "--top-k", 12, "--output", "out.jsonl")
    assert {row["kind"] for row in read(tmp_path / "out.jsonl")} == {"code"}


def test_tokens_by_a_tokenizer(tmp_path, select):
    tokenizers = pytest.importorskip("tokenizers", reason="needs the extra tokenizer")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    words.enable_truncation(8)
    words.enable_padding(length=64)
    words.save(str(tmp_path / "words.json"))
    select("--max-tokens", 400, "--tokenizer", "words.json", "--output", "out.jsonl")

    rows = read(tmp_path / "out.jsonl")
    n_words = sum(len(row["text"].split()) for row in rows)
    assert 400 - 62 < n_words <= 400  # no record has more words than 61
    assert sum(len(row["text"]) for row in rows) / 4 > 450  # a guess would have taken fewer
    report = json.loads((tmp_path / "out.jsonl.zipsel" / "report.json").read_bytes())
    assert report["counts"]["n_chosen_tokens"] == n_words


def test_rows_are_the_original_bytes(tmp_path, zipsel, target):
    """Big numbers, key order, spaces, escapes, CRLF: nothing is parsed and written again."""
    rows = [
        b'{"id": 9007199254740993, "text": "def return self for", "x": 1.10}',
        b'{  "text":"def f\\u0028x) return yield" ,"b":{"a":1,"a":2}, "e":1E400}',
        b'{"text": "import class \\ud83d\\ude00 try raise", "n": NaN, "z": 123456789012345678901}',
        '{"text": "résumé def return", "ключ": "значение"}'.encode(),
    ]
    write(tmp_path / "in.jsonl", [b"\xef\xbb\xbf" + rows[0] + b"\n", rows[1] + b"\r\n", b"\n"])
    write(tmp_path / "more.jsonl", [rows[2] + b"\n", rows[3]])
    done = zipsel(
        *("select", "in.jsonl", "more.jsonl", "--target", target, "--top-k", 9),
        *("--order", "input", "--output", "-"),
    )
    assert done.stdout == rows[0] + b"\n" + rows[1] + b"\r\n" + rows[2] + b"\n" + rows[3] + b"\n"

    added = zipsel(
        *("select", "in.jsonl", "more.jsonl", "--target", target, "--top-k", 9),
        *("--order", "input", "--output", "-", "--add-field", "how close"),
    )
    for before, after in zip(rows, added.stdout.splitlines(), strict=True):
        assert after.startswith(before.rstrip()[:-1].rstrip())
        assert isinstance(json.loads(after)["how close"], float)


def test_a_field_that_exists_is_not_written_over(tmp_path, select):
    done = select("--top-k", 5, "--output", "out.jsonl", "--add-field", "kind", code=1)
    assert b"already has a field 'kind'" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_input_order_is_the_same_choice_in_pool_order(tmp_path, select):
    select("--top-k", 9, "--output", "rank.jsonl")
    select("--top-k", 9, "--output", "input.jsonl", "--order", "input")
    ranked, ordered = read(tmp_path / "rank.jsonl"), read(tmp_path / "input.jsonl")

    assert [row["id"] for row in ordered] == sorted(row["id"] for row in ranked)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet"])
def test_formats_in_and_out_by_suffix(tmp_path, zipsel, records, target, suffix):
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    pool = tmp_path / f"pool{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), pool)
    elif suffix == ".jsonl.gz":
        half = len(data) // 2
        pool.write_bytes(gzip.compress(data[:half]) + gzip.compress(data[half:]))
    elif suffix == ".jsonl.zst":
        half = len(data) // 2
        frame = zstandard.ZstdCompressor().compress
        pool.write_bytes(frame(data[:half]) + frame(data[half:]))
    else:
        pool.write_bytes(data)
    common = ("select", pool, "--target", target, "--top-k", 8, "--work-dir", "work")
    plain = zipsel(*common, "--output", "-").stdout.splitlines()

    for out in (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet"):
        zipsel(*common, "--output", f"out{out}")
        path = tmp_path / f"out{out}"
        if out == ".parquet":
            rows = pq.read_table(path).to_pylist()
        else:
            raw = path.read_bytes()
            if out == ".jsonl.gz":
                raw = gzip.decompress(raw)
            if out == ".jsonl.zst":
                raw = zstandard.ZstdDecompressor().decompressobj().decompress(raw)
            assert raw.splitlines() == plain
            rows = list(map(json.loads, raw.splitlines()))
        assert rows == list(map(json.loads, plain))
    zipsel(*common, "--output", "dir")
    names = {path.name for path in (tmp_path / "dir").glob("subset-*")}
    assert names == {"subset-00000.parquet" if suffix == ".parquet" else "subset-00000.jsonl"}


def test_parquet_rows_keep_columns_and_types(tmp_path, zipsel, records, target):
    n = len(records)
    table = pa.table(
        {
            "id": pa.array(range(n), pa.uint64()),
            "text": pa.array([record["text"] for record in records], pa.large_string()),
            "when": pa.array(range(n), pa.timestamp("us", "UTC")),
            "price": pa.array([None, *range(n - 1)], pa.decimal128(9, 2)),
            "tags": pa.array([["a"] * (i % 3) for i in range(n)], pa.list_(pa.string())),
            "meta": pa.array(
                [{"x": i, "y": None} for i in range(n)],
                pa.struct({"x": pa.int8(), "y": pa.string()}),
            ),
            "blob": pa.array([bytes([i, 255]) for i in range(n)], pa.binary()),
            "kind": pa.array(
                [record["kind"] + str(i) for i, record in enumerate(records)]
            ).dictionary_encode(),
        },
        metadata={"from": "somewhere"},
    )
    pq.write_table(table, tmp_path / "pool.parquet", row_group_size=7)
    zipsel(
        *("select", "pool.parquet", "--target", target, "--top-k", 20, "--output", "out.parquet"),
        *("--add-field", "score"),
    )
    out = pq.read_table(tmp_path / "out.parquet")

    assert out.column_names == [*table.column_names, "score", "score_gain"]
    for name in table.column_names:
        assert out.schema.field(name).type == table.schema.field(name).type, name
    rows = out.drop_columns(["score", "score_gain"]).to_pylist()
    assert rows == [table.slice(row["id"], 1).to_pylist()[0] for row in rows]
    assert all(gain >= 0 for gain in out["score_gain"].to_pylist())


def test_jsonl_to_parquet_loses_no_field(tmp_path, zipsel, target):
    rows = [
        {"text": "def return self for in", "a": 1},
        {"text": "import class yield", "b": {"c": [1, 2]}},
        {"text": "try raise not None", "a": 2.5, "d": "x"},
    ]
    write(tmp_path / "pool.jsonl", [json.dumps(row).encode() + b"\n" for row in rows])
    zipsel("select", "pool.jsonl", "--target", target, "--top-k", 3, "--output", "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet").to_pylist()

    assert len(found) == 3
    for row in found:
        wanted = next(w for w in rows if w["text"] == row["text"])
        assert {key: value for key, value in row.items() if value is not None} == wanted


def test_parquet_that_rows_do_not_fit_names_the_remedy(tmp_path, zipsel, target):
    rows = [b'{"text": "def return self", "a": 1}\n', b'{"text": "import class", "a": "one"}\n']
    write(tmp_path / "pool.jsonl", rows)
    command = ("select", "pool.jsonl", "--target", target, "--top-k", 2)
    assert b"write JSONL" in zipsel(*command, "--output", "out.parquet", code=1).stderr
    assert not (tmp_path / "out.parquet").exists()


def test_mixed_pools_share_one_ranking(tmp_path, zipsel, records, target):
    write(tmp_path / "p" / "a.jsonl", [json.dumps(r).encode() + b"\n" for r in records[:30]])
    pq.write_table(pa.Table.from_pylist(records[30:]), tmp_path / "p" / "b.parquet")
    write(tmp_path / "p" / "c.jsonl", [])
    zipsel("select", "p", "--target", target, "--top-k", 20, "--output", "mixed")
    write(tmp_path / "one.jsonl", [json.dumps(r).encode() + b"\n" for r in records])
    zipsel("select", "one.jsonl", "--target", target, "--top-k", 20, "--output", "one")

    mixed, one = (read(tmp_path / name / "subset-00000.jsonl") for name in ("mixed", "one"))
    assert mixed == one


def test_output_is_cut_into_shards_in_rank_order(tmp_path, select):
    select("--top-k", 30, "--output", "whole.jsonl")
    select("--top-k", 30, "--output", "cut", "--shard-size", "1kB")
    files = sorted((tmp_path / "cut").glob("subset-*.jsonl"))

    assert len(files) > 3
    assert b"".join(f.read_bytes() for f in files) == (tmp_path / "whole.jsonl").read_bytes()
    manifest = json.loads((tmp_path / "cut" / "manifest.json").read_bytes())
    assert [f["name"] for f in manifest["files"]] == [f.name for f in files]
    assert sum(f["n_records"] for f in manifest["files"]) == 30

    select("--top-k", 3, "--output", "cut")
    assert [f.name for f in (tmp_path / "cut").glob("subset-*")] == ["subset-00000.jsonl"]


def test_another_budget_scores_nothing(tmp_path, select):
    common = ("--work-dir", "work", "--contenders", 1, "--scorer", "fused")
    select("--fraction", 0.5, "--output", "a.jsonl", *common)
    before = snapshot(tmp_path / "work" / "scores")
    select("--top-k", 5, "--output", "b.jsonl", *common)
    after = snapshot(tmp_path / "work" / "scores")

    assert before
    assert {path: after[path] for path in before} == before
    assert lines_of(tmp_path / "a.jsonl")[:5] == lines_of(tmp_path / "b.jsonl")


@pytest.mark.parametrize(
    "change",
    [
        ("--scorer", "fused", "--level", 9),
        ("--scorer", "fused", "--sample-bytes", 1000),
        ("--scorer", "ngram"),
    ],
)
def test_another_setting_never_meets_old_scores(tmp_path, select, change):
    common = ("--top-k", 5, "--work-dir", "work")
    select(*common, "--scorer", "fused", "--output", "a.jsonl")
    before = {path.parent for path in snapshot(tmp_path / "work" / "scores")}
    select(*common, *change, "--output", "b.jsonl")
    after = {path.parent for path in snapshot(tmp_path / "work" / "scores")}

    assert len(after) > len(before)


def test_an_up_to_date_rerun_touches_nothing(tmp_path, select, pool):
    select("--top-k", 5, "--output", "out")
    before = snapshot(tmp_path / "out")
    done = select("--top-k", 5, "--output", "out")
    assert b"up to date" in done.stderr
    assert snapshot(tmp_path / "out") == before

    select("--top-k", 5, "--output", "out", "--force")
    assert snapshot(tmp_path / "out") != before

    with open(pool / "part-0.jsonl", "ab") as file:
        file.write(b'{"id": 99, "text": "def return self"}\n')
    assert b"up to date" not in select("--top-k", 5, "--output", "out").stderr


def test_a_subset_that_went_missing_is_made_again(tmp_path, select):
    select("--top-k", 5, "--output", "out.jsonl")
    before = (tmp_path / "out.jsonl").read_bytes()
    (tmp_path / "out.jsonl").unlink()
    select("--top-k", 5, "--output", "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "output", ["pool/part-0.jsonl", "pool", ".", "target.jsonl", "link.jsonl", "./pool/../pool"]
)
def test_writing_over_an_input_is_refused(tmp_path, select, pool, target, output):
    (tmp_path / "link.jsonl").symlink_to(target)
    before = {path: path.read_bytes() for path in [*pool.iterdir(), target]}
    done = select("--top-k", 5, "--output", output, code=2)

    assert b"would write over the input" in done.stderr
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("beside", [None, "manifest.json"])
def test_a_file_that_zipsel_did_not_write_is_not_written_over(tmp_path, select, beside):
    mine = write_jsonl(tmp_path / "mine.jsonl", [{"text": "mine"}])
    before = mine.read_bytes()
    if beside is not None:
        select("--top-k", 5, "--output", "other.jsonl")
        (tmp_path / "other.jsonl.zipsel").rename(tmp_path / "mine.jsonl.zipsel")
    done = select("--top-k", 5, "--output", "mine.jsonl", code=2)
    assert b"mine.jsonl is not a file that zipsel wrote" in done.stderr
    assert mine.read_bytes() == before
    mine.write_bytes(b"")
    if beside is None:
        select("--top-k", 5, "--output", "mine.jsonl")
        select("--top-k", 6, "--output", "mine.jsonl")
        assert len(mine.read_bytes().splitlines()) == 6


@pytest.mark.parametrize("field", ["tags", "typo"])
def test_a_field_that_gives_no_row_a_group_is_told(tmp_path, zipsel, target, field):
    rows = [{"text": f"def f{i}(): pass", "tags": ["a"]} for i in range(9)]
    write_jsonl(tmp_path / "tagged.jsonl", rows)
    command = ("select", "tagged.jsonl", "--target", target, "--output", "out", "--top-k", 2)
    said = f"no row has a string, a number or a boolean in the field {field}".encode()
    assert said in zipsel(*command, "--group-field", field).stderr
    for option in (("--quota", "a=1"), ("--max-per-group", 1)):
        assert said in zipsel(*command, "--group-field", field, *option, code=2).stderr


def test_a_report_does_not_write_over_an_input(tmp_path, select, target):
    before = target.read_bytes()
    done = select("--top-k", 5, "--output", "out", "--report", target, code=2)
    assert b"would write over the input" in done.stderr
    assert target.read_bytes() == before


def test_standard_output_carries_rows_only(tmp_path, select):
    done = select("--top-k", 5, "--output", "-", "--report", "report.json")
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 5
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert report["counts"]["n_chosen"] == 5
    assert b"5 rows" in done.stderr

    assert select("--top-k", 5, "--output", "-", "--quiet").stderr == b""


def test_standard_output_takes_no_other_format(select):
    done = select("--top-k", 5, "--output", "-", "--format", "parquet", code=2)
    assert b"plain JSONL" in done.stderr


@pytest.mark.parametrize("n_workers", [2, 3])
def test_workers_do_not_change_a_byte(tmp_path, zipsel, records, target, n_workers):
    data = [json.dumps(record).encode() + b"\n" for record in records]
    write(tmp_path / "p" / "a.jsonl", data[:20])
    compressed = zstandard.ZstdCompressor().compress(b"".join(data[20:40]))
    write(tmp_path / "p" / "b.jsonl.zst", [compressed])
    pq.write_table(
        pa.Table.from_pylist(records[40:]), tmp_path / "p" / "c.parquet", row_group_size=3
    )
    outputs = {}
    for n in (1, n_workers):
        for out in ("s.jsonl", "s.jsonl.zst", "s.parquet"):
            zipsel(
                *("select", "p", "--target", target, "--top-k", 25, "--workers", n),
                *("--output", f"{n}/{out}", "--work-dir", f"work-{n}"),
            )
            outputs.setdefault(out, []).append((tmp_path / str(n) / out).read_bytes())
    for out, (one, several) in outputs.items():
        assert one == several, out


def test_contenders_narrow_the_search_and_say_so(tmp_path, select):
    fused = ("--top-k", 3, "--scorer", "fused", "--strategy", "top")
    select(*fused, "--output", "all", "--contenders", 1, "--work-dir", "w1")
    select(*fused, "--output", "auto", "--work-dir", "w2")
    everything, narrowed = report_of(tmp_path / "all"), report_of(tmp_path / "auto")

    assert everything["counts"]["n_no_contenders"] == 0
    assert narrowed["counts"]["n_no_contenders"] > 0
    assert narrowed["cascade"]["fraction"] < 1
    kinds = {row["kind"] for row in read(tmp_path / "auto" / "subset-00000.jsonl")}
    assert kinds == {"code"}


def test_contenders_suffice_for_any_budget(tmp_path, select):
    """A choice of all that there is does not stop at the contenders."""
    select("--top-k", 60, "--output", "out.jsonl")
    assert len(lines_of(tmp_path / "out.jsonl")) == 60


def test_groups_are_compared(tmp_path, select):
    select("--top-k", 10, "--output", "out", "--group-field", "kind")
    groups = {group["name"]: group for group in report_of(tmp_path / "out")["groups"]}

    assert groups["code"]["n_pool"] == groups["law"]["n_pool"] == 30
    assert groups["code"]["n_chosen"] == 10


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        (lambda r: {"meta": {"body": r["text"]}}, ("--text-field", "meta.body")),
        (lambda r: {"q": r["text"][:9], "a": r["text"][9:]}, ("--template", "{q}\\n{a}")),
        (lambda r: {"messages": [{"role": "user", "content": r["text"]}]}, ("--chat",)),
        (
            lambda r: {
                "messages": [{"role": "user", "content": [{"type": "text", "text": r["text"]}]}]
            },
            ("--chat",),
        ),
        (lambda r: {"conversations": [{"from": "human", "value": r["text"]}]}, ("--chat",)),
    ],
)
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_text_from_fields_templates_and_chats(
    tmp_path, zipsel, records, target, rows, options, suffix
):
    made = [{**rows(record), "kind": record["kind"]} for record in records]
    pool = tmp_path / f"pool{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(made), pool)
    else:
        write(pool, [msgspec.json.encode(row) + b"\n" for row in made])
    zipsel(
        *("select", pool, *options, "--target", target, "--target-text-field", "text"),
        *("--top-k", 10, "--output", "out.jsonl"),
    )
    assert {row["kind"] for row in read(tmp_path / "out.jsonl")} == {"code"}


def test_targets_of_text_files_and_globs(tmp_path, zipsel, pool):
    for i, text in enumerate(["def return self for in range", "import class yield try raise"]):
        write(tmp_path / "examples" / f"{i}.txt", [text.encode()])
    zipsel(
        "select", "pool/part-*.jsonl", "--target", "examples/*.txt", "--top-k", 9, "-o", "o.jsonl"
    )
    assert {row["kind"] for row in read(tmp_path / "o.jsonl")} == {"code"}


def test_too_many_refused_rows_are_exit_code_3(tmp_path, zipsel, target, records):
    lines = [json.dumps(record).encode() + b"\n" for record in records]
    write(tmp_path / "pool.jsonl", [*lines[:30], b'{"text": ""}\n', b"{broken\n", *lines[30:]])
    command = ("select", "pool.jsonl", "--target", target, "--top-k", 5)
    done = zipsel(*command, "--output", "out", code=3)
    assert b"pool.jsonl row 31" in done.stderr
    assert not (tmp_path / "out" / "manifest.json").exists()

    zipsel(*command, "--output", "out", "--max-rejects", "5%")
    rejects = read(tmp_path / "out" / "rejects.jsonl")
    assert [(reject["row"], reject["reason"]) for reject in rejects] == [
        (30, "empty"),
        (31, "invalid-json"),
    ]
    assert report_of(tmp_path / "out")["counts"]["rejects"] == {"empty": 1, "invalid-json": 1}
    zipsel(*command, "--output", "strict", "--max-rejects", "0", code=3)


def test_every_bad_file_is_named(tmp_path, select, pool):
    (pool / "part-9.jsonl").write_bytes(gzip.compress(b"{}"))
    (pool / "part-8.parquet").write_bytes(b"PAR1 and nothing else")
    done = select("missing.jsonl", "--top-k", 5, "--output", "out", code=1)
    for name in (b"part-9.jsonl", b"missing.jsonl"):
        assert name in done.stderr
    assert not (tmp_path / "out" / "manifest.json").exists()

    select("missing.jsonl", "--top-k", 5, "--output", "out", "--on-bad-file", "skip")
    assert report_of(tmp_path / "out")["counts"]["n_bad_shards"] == 3


def test_gzip_level_0_is_refused_with_the_reason(select):
    done = select("--scorer", "ncd", "--level", 0, "--top-k", 5, "--output", "out", code=2)
    assert b"stores without compressing" in done.stderr


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (("--scorer", "ngram", "--level", 3), b"--level needs --scorer"),
        (("--codec", "lz4"), b"--codec needs --scorer"),
        (("--scorer", "ncd", "--codec", "zstd", "--level", 99), b"zstd takes --level 1 to 22"),
        (("--workers", 0), b"--workers takes"),
        (("--max-rejects", "many"), b"--max-rejects"),
        (("--template", "{a"), b"template"),
        (("--chat", "--text-field", "x"), b"give exactly one of --text-field"),
        (("--tokenizer", "t.json"), b"--tokenizer needs --max-tokens"),
    ],
)
def test_contradictions_are_usage_errors_before_work(tmp_path, select, options, hint):
    done = select("--top-k", 5, "--output", "out", *options, code=2)
    assert hint in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_empty_subset_is_no_error_unless_asked(tmp_path, select):
    select("--min-alignment", 1e6, "--output", "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == b""
    again = select("--min-alignment", 1e6, "--output", "out.jsonl", "--fail-if-empty", code=1)
    assert b"up to date" in again.stderr
    select("--min-alignment", 1e6, "--output", "o2.jsonl", "--fail-if-empty", code=1)


def test_nothing_is_left_behind(tmp_path, select):
    select("--top-k", 5, "--output", "out", "--workers", 2)
    left = [p for p in tmp_path.rglob("*") if "tmp" in p.name or "spool" in p.name]
    assert [path for path in left if path.is_file()] == []
    assert not list(Path(os.path.join(tmp_path, ".zipsel", "spool")).glob("*"))
