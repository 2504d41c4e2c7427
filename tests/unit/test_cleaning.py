"""``zipsel clean`` frees what no run has met, and a rotated window keeps a flat work directory."""

import io
import os
from pathlib import Path
from random import Random

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up import make_records, write_jsonl

import zipsel
from zipsel.commands.clean import clean
from zipsel.commands.explain import ExplainSettings, explain
from zipsel.commands.options import Given, gather
from zipsel.commands.score import run_score
from zipsel.console.messages import Log
from zipsel.engines.local import LocalEngine
from zipsel.errors import UsageError, WorkDirLocked
from zipsel.pool import known
from zipsel.scoring.packs import read_entries
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings, ScoreOutput
from zipsel.storage.workdir import WorkDir


class InProcess(LocalEngine):
    """Runs tasks in this process, and remembers them."""

    def __init__(self):
        super().__init__(1)
        self.ran = []

    def run(self, function, tasks):
        for task in tasks:
            self.ran.append(task)
            yield task, function(task)


@pytest.fixture
def night(tmp_path, target, monkeypatch):
    """Score the pool as it is, under one profile, and say how many tasks that took."""
    monkeypatch.setattr(known, "SETTLED_SECONDS", -60)
    examples = [one["text"] for one in make_records(16, seed=1)]
    zipsel.Scorer.fit(examples, pool_sample=examples).save(tmp_path / "p.profile")
    settings = RunSettings(
        pool=(str(tmp_path / "pool"),),
        profile=str(tmp_path / "p.profile"),
        work_dir=str(tmp_path / "work"),
    )

    def run():
        engine = InProcess()
        run_score(Run(settings, Log(quiet=True)), engine, ScoreOutput(path=None))
        return len(engine.ran)

    return run


def let_a_day_pass(work):
    """Make all that the work directory remembers a day older."""
    for path in work.glob("known/*"):
        files = msgspec.msgpack.decode(path.read_bytes())
        path.write_bytes(
            msgspec.msgpack.encode({k: [*one[:2], one[2] - 1] for k, one in files.items()})
        )
    for path in work.rglob("*"):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 86_400))


def run_clean(work, log=Log(quiet=True), **options):  # noqa: B008 - has no state
    level = {name: Given(value) for name, value in {"work_dir": str(work), **options}.items()}
    clean(gather("clean", [level]), log)


def parts(work):
    return {path.name for path in Path(work).rglob("*.parquet")}


def test_a_window_of_thirty_nights_keeps_a_flat_work_directory(tmp_path, night):
    work, sizes = tmp_path / "work", []
    for number in range(30):
        write_jsonl(tmp_path / "pool" / f"{number:02}.jsonl", make_records(20, seed=number))
        if number >= 5:
            (tmp_path / "pool" / f"{number - 5:02}.jsonl").unlink()
        assert night() == 1  # the new shard alone
        run_clean(work, keep_days=3, yes=True)
        sizes.append(sum(path.stat().st_size for path in work.rglob("*") if path.is_file()))
        assert len(parts(work)) <= 5 + 4
        let_a_day_pass(work)
    assert sizes[-1] < 1.1 * sizes[10]


def test_packs_whose_shards_go_one_by_one_keep_a_flat_work_directory(tmp_path, night):
    """Sixteen small shards come each night, and of all as many go, whichever."""
    work, pool, generator, n_packed = tmp_path / "work", tmp_path / "pool", Random(0), []
    records = iter(make_records(16 * 60))
    for number in range(60):
        for i in range(16):
            write_jsonl(pool / f"{number:02}-{i:02}.jsonl", [next(records)])
        shards = sorted(pool.iterdir())
        for path in generator.sample(shards[:-16], max(0, len(shards) - 48)):
            path.unlink()
        assert night() == 1  # the new shards, together
        run_clean(work, keep_days=2, yes=True)
        n_packed.append(sum(len(read_entries(path)) for path in work.rglob("packs/*")))
        let_a_day_pass(work)
    assert max(n_packed) < 3 * 48
    assert night() == 0


def test_a_pack_that_is_written_again_serves_as_the_old_one_did_and_beside_it(tmp_path, night):
    work, pool = tmp_path / "work", tmp_path / "pool"
    for i, record in enumerate(make_records(20)):
        write_jsonl(pool / f"{i:02}.jsonl", [record] * (1 + i % 3))
    night()
    (old,) = work.rglob("packs/*")
    content = old.read_bytes()
    for i in range(11):
        (pool / f"{i:02}.jsonl").unlink()
    night()
    for _ in range(3):
        let_a_day_pass(work)
    assert night() == 0
    run_clean(work, keep_days=1)
    assert old.exists()
    run_clean(work, keep_days=1, yes=True)
    (new,) = work.rglob("packs/*")
    rows, kept = pq.read_table(new), pq.read_table(pa.BufferReader(content))
    assert rows.equals(kept.slice(len(kept) - len(rows)))
    assert len(read_entries(new)) == 9
    assert night() == 0
    old.write_bytes(content)  # as after a kill between writing and removing
    assert night() == 0


def test_nothing_goes_without_yes_and_nothing_young_goes(tmp_path, night):
    work = tmp_path / "work"
    write_jsonl(tmp_path / "pool" / "a.jsonl", make_records(20))
    night()
    before = parts(work)
    run_clean(work, keep_days=1, yes=True)
    assert parts(work) == before
    for _ in range(3):
        let_a_day_pass(work)
    run_clean(work, keep_days=1)
    assert parts(work) == before
    run_clean(work, keep_days=1, yes=True)
    assert parts(work) == set()
    assert night() == 1


def test_what_was_freed_is_what_is_gone(tmp_path, night, capsys):
    def size():
        return sum(path.stat().st_size for path in work.rglob("*") if path.is_file())

    work = tmp_path / "work"
    for number in range(40):  # what is known of so many files takes some bytes too
        write_jsonl(tmp_path / "pool" / f"{number}.jsonl", make_records(2, seed=number))
    night()
    for _ in range(3):
        let_a_day_pass(work)
    before = size()
    run_clean(work, Log(log_format="json"), keep_days=1, yes=True)
    told = [msgspec.json.decode(line) for line in capsys.readouterr().err.splitlines()]
    assert [one["n_bytes"] for one in told if one["event"] == "cleaned"] == [before - size()]


def test_rows_that_python_gave_go_when_no_run_is_given_them_any_more(tmp_path, target):
    given, kept = make_records(20), tmp_path / ".zipsel" / "rows"

    def choose(top_k):
        zipsel.select(given, target=target, output=tmp_path / "out", top_k=top_k, workers=1)

    choose(1)
    (path,) = kept.iterdir()
    n_seconds = 3 * 86_400
    os.utime(path, (path.stat().st_atime - n_seconds, path.stat().st_mtime - n_seconds))
    choose(2)  # which uses them again
    run_clean(tmp_path / ".zipsel", keep_days=1, yes=True)
    assert path.exists()
    os.utime(path, (path.stat().st_atime - n_seconds, path.stat().st_mtime))
    run_clean(tmp_path / ".zipsel", keep_days=1, yes=True)
    assert not path.exists()


def test_a_running_job_is_left_alone(tmp_path, night):
    write_jsonl(tmp_path / "pool" / "a.jsonl", make_records(20))
    night()
    with WorkDir(str(tmp_path / "work")).locked("fail"), pytest.raises(WorkDirLocked):
        run_clean(tmp_path / "work", yes=True, lock="fail")


def test_a_folder_that_is_no_work_directory_is_refused(tmp_path):
    (tmp_path / "scores").mkdir()
    with pytest.raises(UsageError, match="is no work directory"):
        run_clean(tmp_path, yes=True)
    assert (tmp_path / "scores").exists()


def test_the_report_has_the_size_of_the_work_directory(tmp_path, pool, target):
    zipsel.select(pool, target=target, output=tmp_path / "out", top_k=5, workers=1)
    report = msgspec.json.decode((tmp_path / "out" / "report.json").read_bytes())
    files = [path for path in (tmp_path / ".zipsel").rglob("*") if path.is_file()]
    kept = sum(path.stat().st_size for path in files if path.name not in ("lock", "CACHEDIR.TAG"))
    assert report["work_dir_bytes"] == kept > 10_000


def test_a_profile_that_explain_reads_is_in_use(tmp_path, pool, target):
    work = tmp_path / "work"
    run = tmp_path / "out"
    zipsel.select(pool, target=target, output=run, work_dir=work, top_k=5, workers=1)
    for _ in range(9):
        let_a_day_pass(work)
    explain(ExplainSettings(run=str(run), top=1), io.StringIO())
    run_clean(work, keep_days=3, yes=True)
    explain(ExplainSettings(run=str(run), top=1), io.StringIO())
