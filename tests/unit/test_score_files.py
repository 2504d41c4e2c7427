"""What ``zipsel score`` writes reads each shard once."""

import gzip
import io
import json

import pytest
from made_up import make_records, write_jsonl

from zipsel.commands.score import run_score
from zipsel.console.messages import Log
from zipsel.engines.local import LocalEngine
from zipsel.readers import jsonl
from zipsel.scorers.ngram import NgramScorer
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings, ScoreOutput


@pytest.mark.parametrize("kind", ["parquet", "dolma", "lines"])
def test_a_compressed_shard_of_many_parts_is_fetched_from_once(tmp_path, monkeypatch, kind, target):
    monkeypatch.setattr(NgramScorer, "chunk_bytes", 2000)
    records = [{"id": str(i), **record} for i, record in enumerate(make_records(80))]
    plain = write_jsonl(tmp_path / "plain.jsonl", records).read_bytes()
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "a.jsonl.gz").write_bytes(gzip.compress(plain))
    taken = []
    take = jsonl.READER.take
    monkeypatch.setattr(jsonl.READER, "take", lambda *call: taken.append(call) or take(*call))
    settings = RunSettings(
        pool=(str(tmp_path / "pool"),), target=(str(target),), work_dir=str(tmp_path / "work")
    )
    stdout = io.BytesIO()
    output = ScoreOutput(
        path="-" if kind == "lines" else str(tmp_path / "out"),
        format="dolma" if kind == "dolma" else "parquet",
    )
    scores = run_score(Run(settings, Log(quiet=True), stdout=stdout), LocalEngine(1), output)
    assert len(scores.parts) > 5
    assert len(taken) == (0 if kind == "parquet" else 1)
    if kind == "lines":
        assert [json.loads(line)["id"] for line in stdout.getvalue().splitlines()] == [
            record["id"] for record in records
        ]
    if kind == "dolma":
        lines = gzip.decompress((tmp_path / "out" / "a.jsonl.gz").read_bytes()).splitlines()
        assert [json.loads(line)["id"] for line in lines] == [record["id"] for record in records]
