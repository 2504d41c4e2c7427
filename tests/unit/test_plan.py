"""How pass one shares a pool out among workers."""

import gzip
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from made_up import make_records, write_jsonl
from msgspec.structs import replace

from zipsel.api.scorer import Scorer
from zipsel.console.messages import Log
from zipsel.engines.local import LocalEngine
from zipsel.errors import ShardError
from zipsel.readers import reader_of
from zipsel.readers.reading import Reading, TextSpec
from zipsel.scorers.ngram import NgramScorer
from zipsel.scorers.profile import ProfileFile
from zipsel.scoring import plan
from zipsel.scoring.fitting import open_profile, profile_key
from zipsel.scoring.plan import score_job, score_pool
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.scoring.task import ScoreTask, score_chunks
from zipsel.storage.workdir import WorkDir


@dataclass
class Recording(LocalEngine):
    """Runs tasks in this process as if by many workers, and remembers them."""

    n_workers: int = 1
    ran: list = field(default_factory=list)

    def run(self, function, tasks):
        for task in tasks:
            self.ran.append(task)
            yield task, function(task)


def pool_of(tmp_path, target):
    """The shards of a pool, and a job of scoring them into a folder."""
    settings = RunSettings(
        pool=(str(tmp_path / "pool"),), target=(str(target),), work_dir=str(tmp_path / "work")
    )
    work_dir = WorkDir(settings.work_dir)
    run = Run(settings, Log(quiet=True))
    shards, _ = run.find_pool()
    with work_dir.locked("fail"):
        key, targets = profile_key(settings, shards)
        file, _ = open_profile(run, key, targets, shards, work_dir)

    def job(folder):
        job = score_job(settings, work_dir, file, None)
        return type(job)(**{**job.__dict__, "folder": str(tmp_path / folder)})

    return shards, job


@pytest.fixture
def stream_pool(tmp_path, target, monkeypatch):
    """One compressed shard of many chunks."""
    monkeypatch.setattr(NgramScorer, "chunk_bytes", 3000)
    lines = write_jsonl(tmp_path / "plain.jsonl", make_records(300)).read_bytes()
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    return pool_of(tmp_path, target)


@pytest.fixture
def plain_pool(pool, tmp_path, target, monkeypatch):
    """Three shards of some chunks each."""
    monkeypatch.setattr(NgramScorer, "chunk_bytes", 3000)
    return pool_of(tmp_path, target)


class Failing(Recording):
    """Cannot read the last task's shard."""

    def run(self, function, tasks):
        *others, last = tasks
        yield from super().run(function, others)
        yield last, ShardError(last.shard.path, "cannot be read")


def test_what_was_scored_of_a_bad_shard_does_not_count(plain_pool):
    shards, job = plain_pool
    scores = score_pool(Failing(1), job("work"), shards)
    assert [error.shard for error in scores.bad_shards] == [shards[-1].path]
    others = score_pool(Recording(1), job("other"), shards[:-1])
    assert scores.n_rows == 40
    assert (scores.histogram.n_records == others.histogram.n_records).all()
    assert (scores.histogram.n_bytes == others.histogram.n_bytes).all()
    assert (scores.lengths == others.lengths).all()
    assert scores.lengths.sum() == 40


def test_what_is_forced_is_scored_again(plain_pool):
    shards, job = plain_pool
    score_pool(Recording(1), job("work"), shards)
    for force, n_tasks in ((False, 0), (True, sum(1 for _ in parts_in(job("work"))))):
        engine = Recording(1)
        score_pool(engine, job("work"), shards, force=force)
        assert len(engine.ran) == n_tasks


def test_a_shard_that_changes_while_it_is_scored_leaves_no_part(plain_pool, monkeypatch):
    shards, job = plain_pool
    score = NgramScorer.score

    def score_and_change(scorer, batch):
        with open(shards[0].path, "ab") as file:
            file.write(b"{}\n")
        return score(scorer, batch)

    monkeypatch.setattr(NgramScorer, "score", score_and_change)
    with pytest.raises(ShardError, match="changed while it was being read"):
        score_chunks(ScoreTask(job("work"), shards[0], reader_of(shards[0]).plan(
            shards[0], Reading(), 3000)[0]))  # fmt: skip
    assert not list(parts_in(job("work")))


def parts_in(job):
    return Path(job.folder).rglob("*.parquet")


def parts_below(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*.parquet")}


def test_workers_share_a_stream_without_its_texts_passing_between_processes(stream_pool, tmp_path):
    shards, job = stream_pool
    alone = score_pool(Recording(1), job("alone"), shards)
    engine = Recording(3)
    together = score_pool(engine, job("together"), shards)
    assert [(task.chunk, task.turn) for task in engine.ran] == [
        (None, (0, 3)),
        (None, (1, 3)),
        (None, (2, 3)),
    ]
    assert len(alone.parts) > 6
    assert parts_below(tmp_path / "together") == parts_below(tmp_path / "alone")
    assert (together.n_rows, together.n_bytes) == (alone.n_rows, alone.n_bytes) != (0, 0)
    assert (together.lengths == alone.lengths).all()


def test_what_one_of_several_workers_has_scored_of_a_stream_is_not_scored_again(stream_pool):
    shards, job = stream_pool
    score_pool(Recording(3), job("work"), shards)
    again = Recording(3)
    scores = score_pool(again, job("work"), shards)
    assert again.ran == []
    assert (scores.scored, scores.n_scored_bytes) == (set(), 0)


def test_whatever_changes_a_score_changes_the_folder_of_the_scores(tmp_path, monkeypatch):
    settings = RunSettings(pool=("p",), target=("t",))
    work_dir, files = WorkDir("w"), []
    for name, text in (("a", "def return"), ("b", "import class"), ("c", "def return")):
        scorer = Scorer.fit([text], scorer="conditional")
        scorer.save(tmp_path / name)
        files.append(ProfileFile(str(tmp_path / name), scorer.digest))

    def folder(settings=settings, file=files[0]):
        return score_job(settings, work_dir, file, None).folder

    folders = [
        folder(),
        folder(file=files[1]),
        folder(replace(settings, on_bad_file="salvage")),
        *(
            folder(replace(settings, reading=reading))
            for reading in (
                Reading(text=TextSpec("field", "body")),
                Reading(text=TextSpec("template", "{text}")),
                Reading(group_field="kind"),
                Reading(max_row_bytes=2048),
                Reading(zstd_long=True),
            )
        ),
    ]
    monkeypatch.setattr(plan, "SIDECAR_VERSION", -1)
    folders.append(folder())
    assert len(set(folders)) == len(folders)
    assert folder(file=files[2]) == folders[-1]
