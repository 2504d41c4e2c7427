"""The datatrove filter in a pipeline of datatrove's own executor."""

import gzip
import json

import pytest
from made_up import make_records, read_jsonl, write_jsonl

import zipsel as package

pytest.importorskip("datatrove", reason="datatrove is not installed")

pytestmark = pytest.mark.filterwarnings("default")


def test_keeps_what_is_close(tmp_path):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    from zipsel.api.datatrove import AlignmentFilter

    records = make_records(40)
    examples = [record["text"] for record in make_records(16, seed=1) if record["kind"] == "code"]
    scorer = package.Scorer.fit(examples, [record["text"] for record in records])
    scorer.save(tmp_path / "p.profile")
    rows = [{"id": str(record["id"]), "text": record["text"]} for record in records]
    write_jsonl(tmp_path / "pool" / "a.jsonl", rows[:20])
    write_jsonl(tmp_path / "pool" / "b.jsonl", [*rows[20:], {"id": "blank", "text": " "}])

    dropped = JsonlWriter(str(tmp_path / "dropped"), compression=None)
    LocalPipelineExecutor(
        pipeline=[
            JsonlReader(str(tmp_path / "pool")),
            AlignmentFilter(
                str(tmp_path / "p.profile"), 0.0, batch_size=7, exclusion_writer=dropped
            ),
            JsonlWriter(str(tmp_path / "kept")),
        ],
        tasks=2,
        workers=1,
        logging_dir=str(tmp_path / "logs"),
        skip_completed=False,
    ).run()

    kept = [
        json.loads(line)
        for path in sorted((tmp_path / "kept").glob("*.gz"))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    alignment = scorer.score([row["text"] for row in rows]).tolist()
    expected = {row["id"]: value for row, value in zip(rows, alignment, strict=True) if value >= 0}
    assert 0 < len(expected) < 40
    assert {row["id"]: row["metadata"]["alignment"] for row in kept} == expected
    lost = [row for path in (tmp_path / "dropped").glob("*.jsonl") for row in read_jsonl(path)]
    assert {row["id"] for row in lost} == {row["id"] for row in rows} - set(expected) | {"blank"}
