"""Progress counts each byte once, and what is known is no part of the work."""

import json

import pytest
from made_up import make_records, write_jsonl

from zipsel.console import messages
from zipsel.console.messages import Log, Progress
from zipsel.engines.local import LocalEngine
from zipsel.pool.finding import find_shards
from zipsel.readers.reading import Reading
from zipsel.scorers.ngram import NgramScorer
from zipsel.scorers.profile import ProfileFile
from zipsel.scoring.plan import score_pool
from zipsel.scoring.task import Job


class InProcess(LocalEngine):
    """Runs tasks in this process."""

    def run(self, function, tasks):
        for task in tasks:
            yield task, function(task)


@pytest.fixture
def pool_of_chunks(tmp_path, monkeypatch):
    """Two plain shards of many chunks, and the job of scoring them."""
    import zipsel

    monkeypatch.setattr(NgramScorer, "chunk_bytes", 4096)
    for i in range(2):
        write_jsonl(tmp_path / "pool" / f"{i}.jsonl", make_records(200, seed=i))
    texts = [one["text"] for one in make_records(8)]
    scorer = zipsel.Scorer.fit(texts, pool_sample=texts)
    scorer.save(tmp_path / "p.profile")
    file = ProfileFile(str(tmp_path / "p.profile"), scorer.digest)
    job = Job(file, Reading(), str(tmp_path / "scores"))
    return find_shards([str(tmp_path / "pool")])[0], job


def test_every_chunk_of_a_shard_counts_the_same(pool_of_chunks):
    shards, job = pool_of_chunks
    told = []
    score_pool(InProcess(1), job, shards, advance=lambda *one: told.append(one))
    total = sum(shard.n_bytes for shard in shards)
    done = [stored for rows, _, stored in told if rows]
    assert len(done) > 4
    assert 0.9 * total < sum(done) <= total
    assert max(done) < 2 * min(done)
    again = []
    score_pool(InProcess(1), job, shards, advance=lambda *one: again.append(one))
    assert 0.9 * total < sum(stored for _, _, stored in again) <= total
    assert all(rows == 0 for rows, _, _ in again)


def test_the_estimate_falls_though_most_is_known(monkeypatch, capsys):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(messages.time, "monotonic", lambda: next(clock))
    progress = Progress(Log(log_format="json"), "scoring", 1000)
    progress.advance(0, 0, 900)  # known
    for _ in range(9):
        progress.advance(5, 500, 10)
        progress._say_progress()
    progress.close()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    left = [line["seconds_left"] for line in lines]
    assert left[0] == 90  # 10 s for one of ten parts
    assert left == sorted(left, reverse=True)
    assert [line["fraction"] for line in lines] == [round(0.1 * i, 4) for i in range(1, 10)]


def test_without_a_first_result_no_time_is_promised(capsys):
    progress = Progress(Log(), "scoring", 1000)
    progress._say_progress()
    progress.close()
    assert "left" not in capsys.readouterr().err
