"""``zipsel peek`` names the fields, the options to use and what would be refused."""

import gzip
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up import make_records, write_jsonl

CHAT = [{"messages": [{"role": "user", "content": f"question {i}"}]} for i in range(5)]

#: File → content, and the options that take its texts.
SHARDS = {
    "text.jsonl": (make_records(5), {}),
    "content.jsonl": ([{"id": "1", "content": "a b c", "text": None}] * 5, "content"),
    "below.jsonl": ([{"doc": {"body": "one text", "n": 1}, "url": "u"}] * 5, "doc.body"),
    "longest.jsonl": ([{"title": "t", "story": "once upon a time"}] * 5, "story"),
    "mixed.jsonl": ([{name: f"the words of text {i}", "kind": "ab"[i % 2]}
                     for i in range(4) for name in ("content", "body", "story")],
                    "content,body,story"),
    "comma.jsonl": ([{"a,b": "the words of a text"}] * 5, {"template": "{a,b}"}),
    "chat.jsonl": (CHAT, {"chat": True}),
    "qa.jsonl": ([{"question": "1 + 1?", "answer": "2"}] * 5,
                 {"template": r"{question}\n{answer}"}),
}  # fmt: skip


def peeked(zipsel, *arguments):
    return [json.loads(line) for line in zipsel("peek", *arguments, "--json").stdout.splitlines()]


@pytest.mark.parametrize("name", SHARDS)
def test_the_options_are_those_that_select_needs(zipsel, tmp_path, name):
    rows, options = SHARDS[name]
    options = {"text_field": options} if isinstance(options, str) else options
    write_jsonl(tmp_path / name, rows)
    (found,) = peeked(zipsel, name)
    assert found["options"] == options
    assert found["n_rows"] == found["n_texts"] == len(rows)
    words = [
        word
        for option, value in options.items()
        for word in ([f"--{option.replace('_', '-')}"] + [value] * (value is not True))
    ]
    zipsel("select", name, "--target", name, *words, "--top-k", 2, "--output", "out")


def test_rows_that_would_be_refused_are_counted_as_select_counts_them(zipsel, tmp_path):
    lines = [json.dumps(record) for record in make_records(20)]
    lines[3], lines[5], lines[9] = "no json", '{"text": ""}', '{"text": 7}'
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (found,) = peeked(zipsel, "a.jsonl.gz")
    write_jsonl(tmp_path / "t.jsonl", make_records(5))
    zipsel("select", "a.jsonl.gz", "--target", "t.jsonl", "--max-rejects", 9, "--top-k", 2,
           "--output", "out", "--keep-leaks")  # fmt: skip
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert found["refused"] == report["counts"]["rejects"]
    assert (found["n_rows"], found["options"]) == (19, {})


def test_tables_are_looked_at_also_where_a_row_is_refused(zipsel, tmp_path):
    (tmp_path / "a.csv").write_text("id;story;kind\n1;once upon;x\n2\n" + "3;a time;y\n" * 8)
    table = pa.table({"doc": [{"body": "a long enough text"}] * 9, "kind": ["a", "b", "c"] * 3})
    pq.write_table(table, tmp_path / "b.parquet")
    csv, parquet = peeked(zipsel, "a.csv", "b.parquet")
    assert csv["options"] == {"text_field": "story", "delimiter": ";"}
    assert csv["refused"] == {"wrong-columns": 1}
    assert [field["name"] for field in csv["fields"]] == ["id", "story", "kind"]
    assert parquet["options"] == {"text_field": "doc.body"}


def test_shards_of_several_fields_are_read_by_one_list(zipsel, tmp_path):
    for name in ("text.jsonl", "content.jsonl", "below.jsonl"):
        write_jsonl(tmp_path / "pool" / name, SHARDS[name][0])
    (tmp_path / "pool" / "bad.json").write_text('[{"a": 1}]')
    said = zipsel("peek", "pool").stdout.decode()
    (use,) = [line for line in said.splitlines() if line.startswith("Use: ")]
    fields = use.split("--text-field ")[1].split()[0]
    assert set(fields.split(",")) == {"text", "content", "doc.body"}
    assert "bad.json: is one JSON array" in said.replace("\n", " ")
    assert max(map(len, said.splitlines())) <= 100
    zipsel("select", "pool", "--target", "pool/text.jsonl", "--text-field", fields, "--top-k", 9,
           "--target-text-field", "text", "--on-bad-file", "skip", "--output", "out")  # fmt: skip


def test_shards_of_several_kinds_are_told_apart(zipsel, tmp_path):
    for name in ("text.jsonl", "chat.jsonl"):
        write_jsonl(tmp_path / "pool" / name, SHARDS[name][0])
    said = zipsel("peek", "pool").stdout.decode()
    assert "--chat   for 1 shard, such as pool/chat.jsonl" in said
    assert "(none)   for 1 shard, such as pool/text.jsonl" in said


def test_nothing_to_look_at_is_said(zipsel, tmp_path):
    (tmp_path / "empty").mkdir()
    assert b"name at least one file" in zipsel("peek", code=2).stderr
    assert b"empty" in zipsel("peek", "empty", code=1).stderr
    write_jsonl(tmp_path / "numbers.jsonl", [{"a": 1}])
    assert b"No field holds texts" in zipsel("peek", "numbers.jsonl").stdout


def test_a_list_of_fields_leaves_every_shard_its_own_text(zipsel, tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"story": "once upon a time", "title": "a tale"}] * 5)
    write_jsonl(tmp_path / "b.jsonl", [{"title": "no tale but a title"}] * 5)
    said = zipsel("peek", "b.jsonl", "a.jsonl").stdout.decode()
    assert "Use: zipsel select ... --text-field story,title" in said
    write_jsonl(tmp_path / "c.jsonl", [{"title": "a long title of a tale", "story": "one"}] * 5)
    said = zipsel("peek", "a.jsonl", "c.jsonl").stdout.decode()
    assert "--text-field story   for 1 shard" in said
    assert "--text-field title   for 1 shard" in said


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("", (), "No row could be read"),
        ('{"text": "cut', (), "No row could be read"),
        ('{"text": "whole"}', ("--text-field", "body"), "By these options no row has a text"),
        ('{"messages": [{"role": "user", "content": "a"}]}', ("--chat", "--chat-parts", "user"),
         "Use: zipsel select ... --chat --chat-parts user"),
        ('{"a": "b"}', ("--template", r"{a}\n{a}"), r"--template '{a}\n{a}'"),
    ],
)  # fmt: skip
def test_the_advice_fits_what_was_found(zipsel, tmp_path, content, options, said):
    (tmp_path / "a.jsonl").write_text(content)
    assert said in zipsel("peek", "a.jsonl", *options).stdout.decode()


def test_a_row_over_the_limit_is_too_long(zipsel, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "a" * (65 << 20)}))
    (found,) = peeked(zipsel, "a.jsonl")
    assert found["refused"] == {"too-long": 1}


def test_a_reader_that_has_gone_is_no_failure_of_its_own(zipsel_env, tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{f"field {i}": "text" for i in range(20)}])
    process = subprocess.Popen(
        [sys.executable, "-m", "zipsel", "peek", "a.jsonl"],
        cwd=tmp_path, env=zipsel_env, stdout=subprocess.PIPE,
    )  # fmt: skip
    process.stdout.close()
    assert process.wait(timeout=60) == 141
