"""Workers that die are replaced; a task that kills twice ends the run by name; nothing hangs."""

import os

import pytest

from faults.engine_tasks import Mishap, meet, work
from zipsel.engines import local
from zipsel.engines.local import LocalEngine
from zipsel.errors import WorkerDied


def results(method, tasks):
    with LocalEngine(2) as engine:
        if method == "run_ordered":
            return list(engine.run_ordered(work, tasks))
        return sorted(result for _, result in engine.run(work, tasks))


@pytest.mark.parametrize("method", ["run", "run_ordered"])
@pytest.mark.parametrize("what", ["kill", "memory", "half"])
def test_a_task_whose_worker_dies_is_tried_again(tmp_path, monkeypatch, method, what):
    monkeypatch.setattr(local, "_WATCH_SECONDS", 0.3)
    tasks = [
        Mishap(i, what if i in (0, 7) else "nothing", str(tmp_path / f"{i}")) for i in range(20)
    ]
    assert results(method, tasks) == list(range(20))


def test_a_task_beside_one_that_is_out_of_memory_is_not_lost(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    tasks = [(0, str(tmp_path)), (1, str(tmp_path))]
    with LocalEngine(2) as engine:
        assert sorted(result for _, result in engine.run(meet, tasks)) == [0, 1]


@pytest.mark.parametrize("method", ["run", "run_ordered"])
@pytest.mark.parametrize("what", ["kill", "memory"])
def test_a_task_that_kills_twice_ends_the_run_and_is_named(method, what):
    tasks = [Mishap(i, what if i == 5 else "nothing") for i in range(20)]
    with pytest.raises(WorkerDied) as caught:
        results(method, tasks)
    assert str(caught.value) == (
        "a worker died twice at pool.jsonl, rows of chunk 5; was it killed for memory? "
        "Try fewer --workers, or look for an enormous row there"
    )


def test_memory_that_runs_out_without_workers_is_tried_again_too(tmp_path):
    engine = LocalEngine(1)
    once = [Mishap(3, "memory", str(tmp_path / "once"))]
    assert [result for _, result in engine.run(work, once)] == [3]
    with pytest.raises(WorkerDied, match="rows of chunk 4"):
        list(engine.run(work, [Mishap(4, "memory")]))
