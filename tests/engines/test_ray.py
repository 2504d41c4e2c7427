"""A Ray cluster gives the bytes that one machine gives, whatever happens to it."""

import os
import signal
import subprocess
import sys
import time

import pytest
from engines import ray_tasks
from made_up import make_records, write_jsonl

import zipsel as package
from zipsel.commands.select import run_select
from zipsel.console.messages import Log
from zipsel.engines import open_engine
from zipsel.errors import UsageError, WorkerDied
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.selection.budgets import Budget
from zipsel.selection.settings import SelectSettings

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
ray = pytest.importorskip("ray", reason="ray is not installed")

pytestmark = pytest.mark.filterwarnings("default")

#: The least that Ray allows.
SMALL_STORE_BYTES = 80 << 20


@pytest.fixture(scope="module")
def cluster():
    from ray import cloudpickle
    from ray.cluster_utils import Cluster

    cloudpickle.register_pickle_by_value(ray_tasks)  # no test module is on the workers' path
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 2, "object_store_memory": SMALL_STORE_BYTES},
    )
    yield cluster
    cluster.shutdown()


@pytest.fixture
def engine(cluster):
    with open_engine("ray", 1, cluster.address) as engine:
        yield engine


@pytest.fixture
def many_shards(tmp_path):
    """Twelve shards, every third compressed."""
    import zstandard

    records = make_records(240)
    for i in range(12):
        path = tmp_path / "pool" / f"part-{i:02d}.jsonl"
        write_jsonl(path, records[20 * i : 20 * (i + 1)])
        if i % 3 == 0:
            data = path.read_bytes()
            path.unlink()
            path.with_suffix(".jsonl.zst").write_bytes(zstandard.compress(data))
    return tmp_path / "pool"


def settings_of(pool, target, folder):
    return (
        RunSettings(pool=(str(pool),), target=(str(target),), work_dir=str(folder / "work")),
        SelectSettings(
            budget=Budget("top_k", 50), output=str(folder / "out.jsonl"), add_field="score"
        ),
    )


def everything_in(folder):
    """The subset, the rejects and all sidecars, by name."""
    files = [folder / "out.jsonl", folder / "out.jsonl.zipsel" / "rejects.jsonl"]
    files += sorted(folder.glob("work/scores/**/*.parquet"))
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.fixture
def expected(many_shards, target, tmp_path):
    score, select = settings_of(many_shards, target, tmp_path / "local")
    with open_engine("local", 1, None) as engine:
        report = run_select(Run(score, Log(quiet=True)), select, engine)
    return everything_in(tmp_path / "local"), report.counts


def test_the_same_bytes_as_on_one_machine(many_shards, target, tmp_path, expected, engine):
    score, select = settings_of(many_shards, target, tmp_path / "ray")
    report = run_select(Run(score, Log(quiet=True)), select, engine)
    assert engine.n_workers == 2
    assert (everything_in(tmp_path / "ray"), report.counts) == expected


def test_a_node_lost_in_mid_run_changes_nothing(
    many_shards, target, tmp_path, expected, cluster, engine, monkeypatch
):
    node = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    run = engine.run
    lost = []

    def run_and_lose(function, tasks):
        for outcome in run(function, tasks):
            if not lost:
                lost.append(node)
                cluster.remove_node(node, allow_graceful=False)
            yield outcome

    monkeypatch.setattr(engine, "run", run_and_lose)
    score, select = settings_of(many_shards, target, tmp_path / "ray")
    report = run_select(Run(score, Log(quiet=True)), select, engine)
    assert lost
    assert (everything_in(tmp_path / "ray"), report.counts) == expected


def test_a_worker_that_dies_once_is_replaced(tmp_path, engine):
    paths = [str(tmp_path / name) for name in "abc"]
    results = dict(engine.run(ray_tasks.die_once, paths))
    assert results == dict(zip(paths, "abc", strict=True))


def test_a_worker_that_always_dies_is_reported(tmp_path, engine):
    with pytest.raises(WorkerDied, match="lost 4 times at the-task"):
        list(engine.run(ray_tasks.die_always, ["the-task"]))


def test_errors_of_tasks_are_results(engine):
    ((task, error),) = engine.run(ray_tasks.fail, ["x"])
    assert task == "x"
    assert isinstance(error, ValueError)


def test_more_than_the_object_store_holds(engine):
    def iter_tasks():
        for i in range(8):
            yield bytes([i]) * (24 << 20)

    results = list(engine.run(ray_tasks.count_bytes, iter_tasks()))
    assert [n_bytes for _, n_bytes in results] == [24 << 20] * 8


def test_no_more_than_two_tasks_a_slot_are_drawn_ahead(engine):
    drawn = []

    def iter_tasks():
        for i in range(40):
            drawn.append(i)
            yield b""

    n_done = 0
    for _ in engine.run(ray_tasks.count_bytes, iter_tasks()):
        n_done += 1
        assert len(drawn) - n_done < 2 * engine.n_workers
    assert n_done == 40


def test_a_path_that_only_the_driver_sees_is_refused_before_work(
    pool, target, tmp_path, cluster, monkeypatch
):
    monkeypatch.chdir(pool)
    with pytest.raises(UsageError, match=r"node .* does not see /proc/self/cwd/part-0\.jsonl"):
        package.select(
            "/proc/self/cwd/part-0.jsonl",
            target=target,
            output=tmp_path / "out",
            work_dir=tmp_path / "work",
            top_k=1,
            engine="ray",
            ray_address=cluster.address,
        )
    assert not list((tmp_path / "work").glob("scores/**/*.parquet"))
    assert not ray.is_initialized()


def test_a_profile_that_only_the_driver_sees_is_refused_too(
    pool, target, tmp_path, cluster, monkeypatch
):
    package.Scorer.fit(["def f(): return 1"], ["the party shall hereby"]).save(tmp_path / "p")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"node .* does not see /proc/self/cwd/p as"):
        package.select(
            pool,
            profile="/proc/self/cwd/p",
            output=tmp_path / "out",
            top_k=1,
            engine="ray",
            ray_address=cluster.address,
        )


def test_no_cluster_at_the_address(pool, target, tmp_path):
    with pytest.raises(UsageError, match=r"--ray-address 127\.0\.0\.1:1: .*is the cluster running"):
        package.select(
            pool, target=target, output=tmp_path / "o", top_k=1, engine="ray",
            ray_address="127.0.0.1:1",
        )  # fmt: skip


def test_ctrl_c_ends_a_run_that_can_be_taken_up(zipsel, zipsel_env, target, tmp_path):
    """On a cluster of this machine; standard output carries rows and nothing else."""
    for i in range(30):
        write_jsonl(tmp_path / "pool" / f"{i:02d}.jsonl", make_records(300, seed=i))
    arguments = ["select", "pool", "-t", target, "--top-k", 5, "--scorer", "ncd", "--order", "rank"]
    ray_run = [*arguments, "--work-dir", "work", "--output", "-", "--engine", "ray"]
    process = subprocess.Popen(
        [sys.executable, "-m", "zipsel", *map(str, ray_run)],
        cwd=tmp_path,
        env={**zipsel_env, "PYTHONWARNINGS": "default"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 90
    while not list(tmp_path.glob("work/scores/**/*.parquet")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read().decode()
        select_wait(process)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors.decode()
    assert output == b""
    assert b"interrupted" in errors
    n_before = len(list(tmp_path.glob("work/scores/**/*.parquet")))
    assert n_before < 30

    again = zipsel(*ray_run, env={"PYTHONWARNINGS": "default"})
    alone = zipsel(*arguments, "--work-dir", "other", "--output", "-")
    assert again.stdout == alone.stdout
    assert again.stdout.count(b"\n") == 5


def select_wait(process):
    """Wait a little, or less where the process ends."""
    try:
        process.wait(timeout=0.1)
    except subprocess.TimeoutExpired:
        return
