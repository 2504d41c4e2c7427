"""Pools of many sources: texts under several names, chats of many parts."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
from made_up import make_records, write_jsonl


def test_the_first_field_that_a_row_has_is_its_text_and_the_report_says_which(zipsel, tmp_path):
    records = make_records(12)
    texts = [record["text"] for record in records]
    write_jsonl(tmp_path / "pool" / "a.jsonl", [{"text": text} for text in texts[:4]])
    rows = [{"text": None, "doc": {"body": text}} for text in texts[4:7]]
    write_jsonl(tmp_path / "pool" / "b.jsonl", [*rows, {"text": "", "doc.body": texts[7]}])
    pq.write_table(
        pa.table({"text": [None, texts[8]], "doc.body": [texts[9], "other"]}),
        tmp_path / "pool" / "c.parquet",
    )
    (tmp_path / "pool" / "d.csv").write_text("id,doc.body\n1,a b c\n")
    write_jsonl(tmp_path / "few.jsonl", [{"text": text} for text in texts])
    zipsel("select", "pool", "--target", "few.jsonl", "--text-field", "text, doc.body",
           "--output", "out", "--top-k", 99, "--keep-leaks", "--format", "jsonl",
           "--dedup", "none")  # fmt: skip
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert {shard["path"]: shard["fields"] for shard in report["shards"]} == {
        "pool/a.jsonl": {"text": 4},
        "pool/b.jsonl": {"doc.body": 4},
        "pool/c.parquet": {"text": 1, "doc.body": 1},
        "pool/d.csv": {"doc.body": 1},
    }
    assert "5 of text in 2 files" in (tmp_path / "out" / "README.md").read_text()
    assert report["ran_out"]
    write_jsonl(tmp_path / "other.jsonl", [{"body": "x", "title": "y"}])
    said = zipsel("select", "other.jsonl", "--target", "few.jsonl", "--text-field",
                  "text,doc.body", "--target-text-field", "text", "--top-k", 1, "--output", "o",
                  code=1).stderr  # fmt: skip
    assert b"no field 'text,doc.body'; the first has body, title" in said


def test_what_no_text_of_a_chat_holds_is_counted(zipsel, tmp_path):
    picture = {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}
    rows = [
        {"messages": [{"role": "user", "content": [{"type": "text", "text": text}, picture]},
                      {"role": "assistant", "reasoning": "Hm.", "content": text}]}
        for text in ("one two three", "four five six", "seven eight nine")
    ]  # fmt: skip
    write_jsonl(tmp_path / "pool.jsonl", rows)
    zipsel("select", "pool.jsonl", "--target", "pool.jsonl", "--chat", "--chat-parts",
           "user, assistant", "--output", "out", "--top-k", 2, "--keep-leaks")  # fmt: skip
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert report["counts"]["left_out"] == {"image": 3, "reasoning": 3}
    assert "user: " in report["target_examples"][0]
