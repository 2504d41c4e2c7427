"""The datatrove filter in a pipeline of datatrove's own executor."""

import gzip
import json

import pytest
from made_up import make_records, read_jsonl, write_jsonl

import zipsel as package

pytest.importorskip("datatrove", reason="datatrove is not installed")

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def made(tmp_path):
    """A profile, and documents in four files, one of them blank; alignments by id."""
    records = make_records(40)
    examples = [record["text"] for record in make_records(16, seed=1) if record["kind"] == "code"]
    scorer = package.Scorer.fit(examples, [record["text"] for record in records])
    scorer.save(tmp_path / "code.profile")
    rows = [{"id": str(record["id"]), "text": record["text"]} for record in records]
    for i in range(4):
        write_jsonl(tmp_path / "pool" / f"{i}.jsonl", rows[10 * i : 10 * i + 10])
    with open(tmp_path / "pool" / "3.jsonl", "a") as file:
        file.write(json.dumps({"id": "blank", "text": " "}) + "\n")
    alignment = scorer.score([row["text"] for row in rows]).tolist()
    return {row["id"]: value for row, value in zip(rows, alignment, strict=True)}


@pytest.fixture
def run(tmp_path):
    """Reader, filter and writer, in four tasks of two processes."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    from zipsel.api.datatrove import AlignmentFilter

    def run(**options):
        dropped = JsonlWriter(str(tmp_path / "dropped"), compression=None)
        profile = str(tmp_path / "code.profile")
        LocalPipelineExecutor(
            pipeline=[
                JsonlReader(str(tmp_path / "pool")),
                AlignmentFilter(profile, 0.0, batch_size=7, exclusion_writer=dropped),
                JsonlWriter(str(tmp_path / "kept")),
            ],
            tasks=4,
            workers=2,
            start_method="spawn",
            logging_dir=str(tmp_path / "logs"),
            **options,
        ).run()
        return {
            path.name: [
                json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()
            ]
            for path in sorted((tmp_path / "kept").glob("*.gz"))
        }

    return run


def test_keeps_what_is_close_in_any_task(made, run, tmp_path):
    kept = [row for rows in run().values() for row in rows]
    close = {name: value for name, value in made.items() if value >= 0}
    assert 0 < len(close) < 40
    assert {row["id"]: row["metadata"]["alignment"] for row in kept} == close
    lost = [row for path in (tmp_path / "dropped").glob("*.jsonl") for row in read_jsonl(path)]
    assert {row["id"] for row in lost} == {*made} - {*close} | {"blank"}


def test_a_task_that_failed_is_repeated_to_the_same_files(made, run, tmp_path):
    whole = run()
    completed = sorted((tmp_path / "logs" / "completions").iterdir())
    assert len(completed) == 4
    assert run() == whole  # nothing is left to do
    completed[1].unlink()
    (tmp_path / "kept" / "00001.jsonl.gz").unlink()
    assert run() == whole
