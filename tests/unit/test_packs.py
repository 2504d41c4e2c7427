"""Pools of many small shards, whose parts stand together in packs."""

import gzip
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up import make_records, write_jsonl

import zipsel
from zipsel.commands.score import run_score
from zipsel.console.messages import Log
from zipsel.engines.local import LocalEngine
from zipsel.errors import BadShards, ShardError
from zipsel.pool import known
from zipsel.scorers.fused import FusedScorer
from zipsel.scoring import pending, small_shards
from zipsel.scoring.cleaning import find_leftovers
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings, ScoreOutput
from zipsel.scoring.small_shards import SmallShardsTask
from zipsel.storage.workdir import WorkDir

RECORDS = make_records(1000)


class InProcess(LocalEngine):
    """Runs tasks in this process, and remembers them."""

    def __init__(self, n_workers=1):
        super().__init__(1)
        self.n_workers, self.ran = n_workers, []

    def run(self, function, tasks):
        for task in tasks:
            self.ran.append(task)
            try:
                yield task, function(task)
            except ShardError as error:
                yield task, error

    @property
    def sizes(self):
        """Shards of each task, the largest first."""
        return sorted((len(task.shards) for task in self.ran), reverse=True)


def write_small(folder, first, end):
    """One shard of one to three records for each number, of several formats; a third is gzip."""
    for i in range(first, end):
        records = RECORDS[3 * i : 3 * i + 1 + i % 3]
        path = folder / f"{i:03}.jsonl"
        write_jsonl(path, records)
        if i % 5 in (1, 4):
            path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        elif i % 5 == 2:
            pq.write_table(pa.Table.from_pylist(records), path.with_suffix(".parquet"))
        elif i % 5 == 3:
            rows = [f'"{one["text"]}",{one["kind"]}\n' for one in records]
            path.with_suffix(".csv").write_text("text,kind\n" + "".join(rows))
        if i % 5:
            path.unlink()


@pytest.fixture
def pool(tmp_path):
    """Forty-two small shards, among them an empty one and some with rows that are refused."""
    write_small(tmp_path / "pool", 0, 40)
    (tmp_path / "pool" / "empty.jsonl").write_bytes(b"")
    with open(tmp_path / "pool" / "005.jsonl", "ab") as file:
        file.write(b'\n{"text": 3}\n[]\n{"text": "the last line has no newline"}')
    with open(tmp_path / "pool" / "010.jsonl", "ab") as file:
        file.write(b'{"no": "text"}\r\n')
    return tmp_path / "pool"


@pytest.fixture
def score(tmp_path, target, monkeypatch):
    """Score the pool; returns the engine and the scores, and leaves files of scores in a folder."""
    monkeypatch.setattr(known, "SETTLED_SECONDS", -60)
    examples = [one["text"] for one in make_records(16, seed=1)]
    zipsel.Scorer.fit(examples, pool_sample=examples).save(tmp_path / "p.profile")

    def run(output=None, work="work", n_workers=1, force=False, **options):
        settings = RunSettings(
            pool=(str(tmp_path / "pool"),),
            profile=str(tmp_path / "p.profile"),
            work_dir=str(tmp_path / work),
            **{"max_rejects": 10, **options},
        )
        engine = InProcess(n_workers)
        output = ScoreOutput(path=None if output is None else str(tmp_path / output))
        found = run_score(Run(settings, Log(quiet=True), force=force), engine, output)
        return engine, found

    return run


def files_below(folder):
    return {path.name: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_scores_of_small_shards_are_those_of_each_by_itself(tmp_path, pool, score, monkeypatch):
    engine, together = score("together")
    assert engine.sizes == [41]
    assert all(isinstance(task, SmallShardsTask) for task in engine.ran)
    assert len(list((tmp_path / "work" / "scores").rglob("*.parquet"))) == 1
    monkeypatch.setattr(pending, "LEAST_SHARDS", 1000)
    engine, alone = score("alone", work="other")
    assert engine.sizes == [1] * 41
    assert files_below(tmp_path / "together") == files_below(tmp_path / "alone")
    assert (together.n_rows, together.n_rejected, together.n_bytes) == (
        alone.n_rows, alone.n_rejected, alone.n_bytes
    )  # fmt: skip
    assert (together.histogram.n_records == alone.histogram.n_records).all()
    assert (together.histogram.n_bytes == alone.histogram.n_bytes).all()
    assert (together.lengths == alone.lengths).all()


def test_small_shards_are_shared_out_among_workers_and_known_however_they_were(
    tmp_path, pool, score
):
    write_small(pool, 40, 200)
    engine, _ = score("many", n_workers=4)
    assert max(engine.sizes) <= 16
    assert sum(engine.sizes) == 201
    (pool / "elsewhere").mkdir()
    (pool / "000.jsonl").rename(pool / "elsewhere" / "moved.jsonl")
    for again in (score("again"), score("again", n_workers=3)):
        assert again[0].ran == []
        assert again[1].scored == set()
    assert score(force=True)[0].sizes[0] > 16


def test_of_a_pool_that_turns_over_new_shards_alone_are_scored(tmp_path, pool, score):
    score()
    for path in sorted(pool.iterdir())[:10]:
        path.unlink()
    write_small(pool, 300, 320)
    engine, found = score("grown")
    assert sum(engine.sizes) == 20
    assert len(found.scored) == 20
    engine, fresh = score("fresh", work="other")
    assert sum(engine.sizes) == 51
    assert files_below(tmp_path / "grown") == files_below(tmp_path / "fresh")
    assert (found.histogram.n_records == fresh.histogram.n_records).all()
    assert (found.lengths == fresh.lengths).all()


def test_a_small_shard_that_cannot_be_read_takes_no_other_with_it(tmp_path, pool, score):
    for name in ("006.jsonl.gz", "011.jsonl.gz"):
        (pool / name).write_bytes((pool / name).read_bytes()[:-12])
    with pytest.raises(BadShards, match="2 input files cannot be read") as raised:
        score()
    assert [Path(error.shard).name for error in raised.value.errors] == [
        "006.jsonl.gz", "011.jsonl.gz"
    ]  # fmt: skip
    engine, found = score("some", on_bad_file="skip")
    assert len(found.bad_shards) == 2
    assert engine.sizes == [1, 1]  # of the others all are known
    assert len(found.parts) == 39


def test_a_small_shard_that_changes_while_it_is_scored_leaves_no_scores(pool, score, monkeypatch):
    check = small_shards.check_unchanged

    def change_and_check(shard):
        if shard.path.endswith("020.jsonl"):
            os.utime(shard.path, (0, 0))
        check(shard)

    monkeypatch.setattr(small_shards, "check_unchanged", change_and_check)
    with pytest.raises(BadShards, match=r"020\.jsonl: changed while it was being read"):
        score()
    engine, _ = score()
    assert [Path(task.shards[0].path).name for task in engine.ran] == ["020.jsonl"]


def test_packs_go_when_no_run_has_met_any_of_their_shards(tmp_path, pool, score):
    score()
    work = WorkDir(str(tmp_path / "work"))

    def score_days_later():
        for path in (tmp_path / "work").rglob("*.parquet"):
            os.utime(path, (0, 0))
        for path in (tmp_path / "work" / "known").iterdir():
            path.unlink()
        score()

    (pack,) = (tmp_path / "work" / "scores").rglob("*.parquet")
    for path in sorted(pool.iterdir())[1:]:
        path.unlink()
    score_days_later()  # meets one shard of the pack
    assert [one.is_part for one in find_leftovers(work, 1)] == [True]
    (pool / "000.jsonl").unlink()
    write_small(pool, 300, 301)
    score_days_later()
    assert [(one.path, one.is_part) for one in find_leftovers(work, 1)] == [(str(pack), False)]


def test_a_lower_threshold_finishes_what_an_earlier_run_began(tmp_path, pool, target, monkeypatch):
    calls = []
    for name in ("score", "finish"):
        plain = getattr(FusedScorer, name)

        def counting(self, *args, plain=plain, name=name):
            if self.threshold > -np.inf:  # not where the report explains a record
                calls.append(name)
            return plain(self, *args)

        monkeypatch.setattr(FusedScorer, name, counting)

    def select(work, top_k, output):
        zipsel.select(
            pool, target=target, output=tmp_path / output, top_k=top_k, scorer="fused",
            strategy="top", work_dir=tmp_path / work, workers=1, max_rejects=10,
        )  # fmt: skip
        return files_below(tmp_path / output)["chosen.feather"]

    select("work", 1, "few")
    calls.clear()
    more = select("work", 30, "more")
    assert set(calls) == {"finish"}
    assert more == select("other", 30, "other-more")
    assert select("work", 1, "few-again") == select("other", 1, "other-few")
