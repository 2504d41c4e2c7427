"""Progress counts each byte once, and what is known is no part of the work."""

import gzip
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import make_records, write_jsonl

import zipsel
from zipsel.commands.fit import fit
from zipsel.console import progress as progress_module
from zipsel.console.messages import Log
from zipsel.console.progress import Progress
from zipsel.engines.local import LocalEngine
from zipsel.pool.finding import find_shards
from zipsel.readers.reading import Reading
from zipsel.scorers.ngram import NgramScorer
from zipsel.scorers.profile import ProfileFile
from zipsel.scoring.plan import score_pool
from zipsel.scoring.settings import RunSettings
from zipsel.scoring.task import Job, Turn, score_chunks
from zipsel.scoring.watching import WatchedRunner


class InProcess(LocalEngine):
    """Runs tasks in this process."""

    def run(self, function, tasks):
        for task in tasks:
            yield task, function(task)


@pytest.fixture
def pool_of_chunks(tmp_path, monkeypatch):
    """Two plain shards of many chunks, and the job of scoring them."""
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


def test_a_long_stream_shows_its_parts_while_one_task_cuts_it(pool_of_chunks, tmp_path):
    """Each chunk counts when it is done, though the task goes on, and once in all."""
    shards, job = pool_of_chunks
    packed = tmp_path / "packed" / "0.jsonl.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(Path(shards[0].path).read_bytes()))
    shards = find_shards([str(packed)])[0]
    progress = Progress(Log(quiet=True), "scoring", shards[0].n_bytes)
    seen = []

    class Looking(InProcess):
        def run(self, function, tasks):
            for task in tasks:
                for n_parts in range(3):
                    assert len(score_chunks(replace(task, turn=Turn(n_parts, 1000)))) == 1
                    progress._look()
                    seen.append((progress.n_rows, progress._share))
                yield task, function(replace(task, done=frozenset(range(3))))

    runner = WatchedRunner(Looking(1))
    progress.under_way = runner.under_way
    score_pool(runner, job, shards, advance=lambda *done: None)
    rows, shares = zip(*seen, strict=True)
    assert rows[0] > 0
    assert list(rows) == sorted(set(rows))
    assert list(shares) == sorted(set(shares))
    assert 0 < shares[-1] < 1
    assert runner.under_way() == (0, 0, 0)


def test_the_estimate_falls_though_most_is_known(monkeypatch, capsys):
    now = 0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
    progress = Progress(Log(log_format="json"), "scoring", 1000)
    progress.advance(0, 0, 900)  # known
    for _ in range(9):
        now += 10
        progress.advance(5, 500, 10)
        progress._say_progress()
    progress.close()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    left = [line["seconds_left"] for line in lines]
    assert left[0] == 90  # 10 s for one of ten parts
    assert left == sorted(left, reverse=True)
    assert [line["fraction"] for line in lines] == [round(0.1 * i, 4) for i in range(1, 10)]


def test_the_estimate_falls_while_a_step_goes_on_and_waits_where_it_takes_longer(monkeypatch):
    now = 0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
    progress = Progress(Log(quiet=True), "--auto", 3, "folds")
    now = 60
    progress.advance(1, 0, 1)
    assert [progress.seconds_left(at) for at in (60, 90, 120, 150)] == [120, 90, 60, 60]
    now = 150
    progress.advance(1, 0, 1)
    assert [progress.seconds_left(at) for at in (150, 180)] == [75, 45]
    progress.close()


def test_every_stage_and_each_fold_shows_how_it_goes_on(
    pool, target, tmp_path, monkeypatch, capsys
):
    """Each stage tells of its rows, up to the whole, and an estimate that ends at nothing."""
    pytest.importorskip("pyppmd", reason="the judge of --auto needs the extra eval")
    closed = []
    close = Progress.close

    def tell_and_close(progress):
        progress._say_progress()
        closed.append(progress)
        close(progress)

    monkeypatch.setattr(Progress, "close", tell_and_close)
    arguments = {"target": target, "work_dir": tmp_path / "work", "workers": 1, "quiet": False}
    settings = RunSettings(pool=(str(pool),), target=(str(target),))
    fit(settings, Log(), str(tmp_path / "p.profile"))
    assert [one.what for one in closed] == ["drawing the pool's sample"]
    zipsel.select(pool, output=tmp_path / "out", top_k=20, **arguments)
    zipsel.select(pool, output=tmp_path / "auto", auto=True, **arguments)
    shown = {one.what: one for one in reversed(closed)}  # the first of each name
    names = [
        "drawing the pool's sample",
        "scoring",
        "fetching candidates",
        "choosing",
        "writing the subset",
    ]
    for name in [*names, *(f"--auto, fold {i} of 3: {name}" for i in (1, 2, 3) for name in names)]:
        progress = shown[name]
        assert progress.n_rows > 0
        assert progress._share > 0.8  # where a guess is the whole, texts are less than files
        assert progress.seconds_left(progress._advanced) == 0
    assert shown["--auto"]._share == 1
    assert "\n--auto: 3 of 3 folds, 100%, about 0:00:00 left\n" in capsys.readouterr().err


def test_no_line_comes_after_the_end_of_a_stage(monkeypatch):
    """A line that is under way when the stage ends is out before anything else is said."""
    monkeypatch.setattr(progress_module, "_PLAIN_INTERVAL_SECONDS", 0.0)
    said, inside, begun = [], threading.Event(), threading.Event()

    class SlowLog(Log):
        def say(self, event, *_, **__):
            begun.set()
            inside.wait()
            progress._ended.wait()
            said.append(event)

    with SlowLog().progress("scoring", 1000) as progress:
        inside.set()
        begun.wait()
    assert said == ["progress"]


def test_without_a_first_result_no_time_is_promised(capsys):
    progress = Progress(Log(), "scoring", 1000)
    progress._say_progress()
    progress.close()
    assert "left" not in capsys.readouterr().err
