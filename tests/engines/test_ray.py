"""A Ray cluster gives the bytes that one machine gives, whatever happens to it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engines import ray_tasks
from made_up import make_records, write_jsonl

import zipsel as package
from zipsel.commands.select import run_select
from zipsel.console.messages import Log
from zipsel.engines import open_engine
from zipsel.engines.ray_signals import interruptible
from zipsel.errors import Interrupted, UsageError, WorkerDied
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.selection.budgets import Budget
from zipsel.selection.settings import SelectSettings

ray = pytest.importorskip("ray", reason="ray is not installed")

pytestmark = pytest.mark.filterwarnings("default")


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
    node = cluster.add_node()
    run = engine.run
    lost = []

    def run_and_lose(function, tasks):
        for outcome in run(function, tasks):
            if not lost:
                lost.append(node)
                cluster.lose(node)
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


@pytest.fixture
def own_view(tmp_path, monkeypatch):
    """A name of the current directory, which in each process is another one."""
    if not Path("/proc/self/cwd").exists():
        pytest.skip("needs Linux's /proc")
    monkeypatch.chdir(tmp_path)
    return "/proc/self/cwd"


def test_a_path_that_only_the_driver_sees_is_refused_before_work(
    pool, target, tmp_path, cluster, own_view
):
    with pytest.raises(UsageError, match=r"node .* does not see /proc/self/cwd/pool/part-0"):
        package.select(
            f"{own_view}/pool/part-0.jsonl",
            target=target,
            output=tmp_path / "out",
            work_dir=tmp_path / "work",
            top_k=1,
            engine="ray",
            ray_address=cluster.address,
        )
    assert not list((tmp_path / "work").glob("scores/**/*.parquet"))
    assert not ray.is_initialized()


def test_a_node_lost_since_the_cluster_listed_it_is_passed_over(
    engine, cluster, tmp_path, monkeypatch
):
    node = cluster.add_node()
    with engine:
        engine.check_paths(str(tmp_path), [])
        stale = [ray.nodes()]
        cluster.lose(node)
        nodes = ray.nodes
        monkeypatch.setattr(ray, "nodes", lambda: stale.pop() if stale else nodes())
        engine.check_paths(str(tmp_path), [])
        assert not stale


def test_a_profile_that_only_the_driver_sees_is_refused_too(
    pool, target, tmp_path, cluster, own_view
):
    package.Scorer.fit(["def f(): return 1"], ["the party shall hereby"]).save(tmp_path / "p")
    with pytest.raises(UsageError, match=r"node .* does not see /proc/self/cwd/p as"):
        package.select(
            pool,
            profile=f"{own_view}/p",
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


@pytest.fixture
def slow_pool(tmp_path):
    """Thirty shards of which a cluster of two slots scores some a second."""
    for i in range(30):
        write_jsonl(tmp_path / "pool" / f"{i:02d}.jsonl", make_records(300, seed=i))
    return "pool"


@pytest.fixture
def start(zipsel_env, slow_pool, target, tmp_path):
    """Begin a run that writes rows to standard output, in a session of its own."""

    def run(*arguments, work="work", stderr=subprocess.PIPE):
        command = ["select", slow_pool, "-t", target, "--top-k", 5, "--scorer", "ncd",
                   "--output", "-", "--work-dir", work, *arguments]  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "zipsel", *map(str, command)],
            cwd=tmp_path,
            env={**zipsel_env, "PYTHONWARNINGS": "default"},
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )

    return run


def wait_for_a_part(process, folder):
    """Wait until a run has scored something."""
    deadline = time.monotonic() + 90
    while not list(folder.glob("scores/**/*.parquet")):
        assert time.monotonic() < deadline
        try:
            process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(process.stderr.read().decode())


@pytest.mark.parametrize(
    ("signal_number", "code", "word"),
    [(signal.SIGINT, 130, b"interrupted"), (signal.SIGTERM, 143, b"terminated")],
)
def test_a_signal_ends_a_run_that_can_be_taken_up(
    start, cluster, tmp_path, signal_number, code, word
):
    on_ray = ("--engine", "ray", "--ray-address", cluster.address)
    process = start(*on_ray)
    wait_for_a_part(process, tmp_path / "work")
    os.killpg(process.pid, signal_number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors.decode()
    assert output == b""
    assert word in errors
    assert b"Traceback" not in errors
    n_before = len(list(tmp_path.glob("work/scores/**/*.parquet")))
    assert n_before < 30
    again, alone = start(*on_ray), start(work="other")
    assert again.communicate(timeout=120)[0] == alone.communicate(timeout=120)[0]
    assert (again.returncode, alone.returncode) == (0, 0)


def test_two_jobs_at_once_do_not_meet(start, cluster):
    """Rows go to standard output and nothing else does; progress goes to the terminal."""
    terminal, stderr = os.openpty()
    on_ray = ("--engine", "ray", "--ray-address", cluster.address)
    one = start(*on_ray, work="one", stderr=stderr)
    two = start(*on_ray, work="two", stderr=subprocess.DEVNULL)
    os.close(stderr)
    shown = b"".join(iter(lambda: read_terminal(terminal), b""))
    alone = start(work="alone", stderr=subprocess.DEVNULL)
    rows = [process.communicate(timeout=120)[0] for process in (one, two, alone)]
    assert rows[0] == rows[1] == rows[2]
    assert rows[0].count(b"\n") == 5
    assert b"scoring" in shown
    assert b"5 rows" in shown


def read_terminal(descriptor):
    """What stands on a terminal; nothing once no process has it open."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""


def test_a_cluster_of_this_machine_lasts_as_long_as_the_run(zipsel, pool, target):
    arguments = ("select", pool, "-t", target, "--top-k", 9, "--output", "-")
    environ = {"PYTHONWARNINGS": "default"}
    by_ray = zipsel(*arguments, "--engine", "ray", "--work-dir", "ray", env=environ)
    assert by_ray.stdout == zipsel(*arguments, "--work-dir", "local").stdout


def test_ray_that_cannot_start_is_told_with_the_remedy(zipsel, pool, target, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    process = zipsel(
        *("select", pool, "-t", target, "--top-k", 9, "--output", "-", "--engine", "ray"),
        env={"PYTHONWARNINGS": "default", "RAY_TMPDIR": str(tmp_path / "file" / "below")},
        code=2,
    )
    message = process.stderr.decode()
    assert "Ray cannot start on this machine: " in message
    assert "--engine local needs neither" in message
    assert "Traceback" not in message


def test_a_signal_while_ray_starts_is_no_exit_of_rays(monkeypatch):
    """``ray.init`` answers SIGTERM by ``sys.exit`` as soon as it has begun."""
    got = []

    def answer(number, _):
        got.append(number)
        raise Interrupted(143)

    def begin(**_):
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))
        os.kill(os.getpid(), signal.SIGTERM)
        time.monotonic()  # where Python looks for signals

    monkeypatch.setattr(ray, "init", begin)
    before = signal.signal(signal.SIGTERM, answer)
    try:
        with pytest.raises(Interrupted), open_engine("ray", 1) as engine:
            list(engine.run(len, ["a"]))
        assert got == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is answer
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_a_signal_raises_inside_ray_is_not_a_failure_of_rays():
    """Compiled code returns with the exception set, of which Python makes a ``SystemError``."""
    with pytest.raises(Interrupted), interruptible():
        raise SystemError("returned a result with an exception set") from Interrupted(130)
    with pytest.raises(SystemError, match="another"), interruptible():
        raise SystemError("another")
