"""Real signals to real processes: a run that was stopped anywhere goes on to the same bytes."""

import contextlib
import fcntl
import os
import random
import select as selecting
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from faults.faulty import assert_nothing_stands, make_records, write_records
from faults.killing import children_of, python_path, run_until, start_server

KINDS = ["jsonl", "gz", "zst", "parquet"]
#: So many small shards that some are scored together, by one task each.
MANY = 40
#: Workers, who is killed, at how many points; for each kind of shard and many, so 70 in all.
KILLS = [(1, "parent", 6), (2, "parent", 4), (2, "worker", 4)]
REPORTS = {"report.json", "report.html", "README.md"}  # hold times, the command


def make_pool(folder, kind, n_shards=3, n_records=40):
    if kind == "many":
        kind, n_shards, n_records = "jsonl", MANY, 3
    for i in range(n_shards):
        write_records(folder / f"part-{i}", make_records(n_records, seed=i), kind)
    return folder


def arguments_for(tmp_path, pool, target, name="out", workers=1):
    return [
        "select", str(pool), "--target", str(target), "--output", str(tmp_path / name),
        "--top-k", "30", "--quiet", "--workers", str(workers),
        "--work-dir", str(tmp_path / f"work-{name}"),
    ]  # fmt: skip


def content(folder):
    """Everything that a run wrote but for its reports."""
    return {
        path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name not in REPORTS
    }


def start(arguments, **options):
    options = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, **options}
    return subprocess.Popen([sys.executable, "-m", "zipsel", *arguments], **options)


@pytest.fixture(scope="module")
def server():
    process = start_server()
    yield process
    process.communicate()
    assert process.returncode == 0


@dataclass
class Runs:
    """Runs of one pool, in processes of their own.

    Attributes:
        server: Starts them.
        tmp_path: Where everything is.
        pool: The pool.
        target: The target.
    """

    server: Any
    tmp_path: Path
    pool: Path
    target: Path

    @property
    def n_seen(self):
        """Operations that the victim of the last run came to."""
        return (self.tmp_path / "counter").stat().st_size

    def run(self, name, workers, victim="parent", point=0):
        """Run to the end or the n-th operation of the victim; the exit code."""
        counter = self.tmp_path / "counter"
        counter.write_bytes(b"")
        arguments = arguments_for(self.tmp_path, self.pool, self.target, name, workers)
        return run_until(self.server, arguments, victim, point, counter)

    def assert_survives(self, workers, victim, point, clean):
        """A run that is killed, or whose worker is, ends with the bytes of one that was not.

        That of a killed worker ends so by itself; that of a killed parent is started again.
        """
        out = self.tmp_path / "out"
        code = self.run("out", workers, victim, point)
        assert self.n_seen >= point
        if victim == "parent":
            assert code == -signal.SIGKILL
            if (out / "manifest.json").exists():
                assert {*content(out)} >= {*clean}
            code = self.run("out", workers)
        assert code == 0
        assert content(out) == clean, f"{victim} of {workers} killed at operation {point}"
        assert [path for path in out.iterdir() if "tmp" in path.name] == []
        assert_nothing_stands(None, self.tmp_path / "work-out")
        shutil.rmtree(out)
        shutil.rmtree(self.tmp_path / "work-out")


@pytest.mark.parametrize("kind", [*KINDS, "many"])
@pytest.mark.parametrize(("workers", "victim", "n_kills"), KILLS)
def test_killed_at_any_file_operation_a_run_ends_with_the_same_bytes(
    server, tmp_path, target, kind, workers, victim, n_kills, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    runs = Runs(server, tmp_path, make_pool(tmp_path / "pool", kind), target)
    assert runs.run("clean", workers, victim) == 0
    clean = content(tmp_path / "clean")
    points = random.Random(kind).sample(range(1, runs.n_seen), n_kills)
    for point in points:
        runs.assert_survives(workers, victim, point, clean)


def until_scored(work_dir, n_parts, process):
    """Wait until so many sidecar parts stand, or the process ends."""
    end = os.pidfd_open(process.pid)
    try:
        while len(list(work_dir.glob("scores/*/*/*.parquet"))) < n_parts:
            if selecting.select([end], [], [], 0.005)[0]:
                break
    finally:
        os.close(end)


def wait_for_end(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            end = os.pidfd_open(pid)
            assert selecting.select([end], [], [], 20)[0], f"process {pid} goes on"
            os.close(end)


@pytest.fixture
def large_pool(tmp_path, request):
    kind = getattr(request, "param", "jsonl")
    return make_pool(tmp_path / "pool", kind, n_shards=15, n_records=200)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_kill_every_worker_end_the_run_by_name_and_the_next_goes_on(
    tmp_path, target, kind, monkeypatch
):
    """Workers die as they come to read their first shard, the one in its second attempt too."""
    monkeypatch.chdir(tmp_path)
    pool = make_pool(tmp_path / "pool", kind)
    arguments = arguments_for(tmp_path, pool, target, workers=2)
    program = """
from faults.counting import let_workers_die_at
from zipsel.cli import main
let_workers_die_at(-1, "counter")
main()
"""
    process = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, check=False, env={**os.environ, "PYTHONPATH": python_path()},
    )  # fmt: skip
    message = process.stderr.decode()
    assert (process.returncode, len(message.splitlines())) == (1, 1), message
    assert message.startswith(f"zipsel: error: a worker died twice at {pool}/part-")
    assert "; was it killed for memory? Try fewer --workers" in message
    assert_nothing_stands(tmp_path / "out", tmp_path / "work-out")
    process = start(arguments)
    assert process.communicate()[1] == b""
    assert process.returncode == 0


@pytest.mark.parametrize("n_parts", [0, 5])
def test_workers_that_are_killed_are_replaced(tmp_path, target, large_pool, n_parts):
    process = start(arguments_for(tmp_path, large_pool, target, "clean", workers=1))
    assert process.communicate()[1] == b""
    process = start(arguments_for(tmp_path, large_pool, target, workers=2))
    until_scored(tmp_path / "work-out", n_parts, process)
    for pid in children_of(process.pid):
        if b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes():
            for worker in children_of(pid)[:1]:
                os.kill(worker, signal.SIGKILL)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0
    assert content(tmp_path / "out") == content(tmp_path / "clean")


def test_workers_of_a_killed_run_end_and_its_lock_does_not_block(tmp_path, target, large_pool):
    arguments = arguments_for(tmp_path, large_pool, target, workers=2)
    process = start(arguments)
    until_scored(tmp_path / "work-out", 2, process)
    workers = children_of(process.pid)
    process.kill()
    process.communicate()
    wait_for_end(workers)
    assert workers
    assert not (tmp_path / "out" / "manifest.json").exists()
    process = start([*arguments, "--lock", "fail"])
    assert process.communicate()[1] == b""
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("large_pool", "workers", "number"),
    [("jsonl", 1, signal.SIGINT), ("gz", 1, signal.SIGTERM), ("zst", 1, signal.SIGINT),
     ("parquet", 1, signal.SIGTERM), ("jsonl", 2, signal.SIGTERM), ("gz", 2, signal.SIGINT),
     ("zst", 2, signal.SIGTERM), ("parquet", 2, signal.SIGINT)],
    indirect=["large_pool"],
)  # fmt: skip
def test_a_signal_ends_a_run_in_order_and_it_resumes(tmp_path, target, large_pool, number, workers):
    code, word = (130, "interrupted") if number == signal.SIGINT else (143, "terminated")
    slowly = ["--scorer", "ncd"]  # so that the signal comes before the last shard is scored
    arguments = [*arguments_for(tmp_path, large_pool, target, workers=workers), *slowly]
    process = start(arguments, start_new_session=True)
    until_scored(tmp_path / "work-out", 2, process)
    family = children_of(process.pid)
    os.killpg(process.pid, number)  # as a terminal does
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)  # and once more
    message = process.communicate(timeout=60)[1].decode()
    assert process.returncode == code, message
    assert message.splitlines()[-1] == (
        f"zipsel: {word}; what is scored stays scored: run the same command again to go on"
    )
    wait_for_end(family)
    assert_nothing_stands(tmp_path / "out", tmp_path / "work-out")
    assert list(tmp_path.glob("work-out/scores/*/*/*.parquet"))
    for name, options in (("out", []), ("clean", ["--force"])):
        process = start([*arguments_for(tmp_path, large_pool, target, name), *slowly, *options])
        assert process.communicate()[1] == b""
    assert content(tmp_path / "out") == content(tmp_path / "clean")


@pytest.mark.parametrize(
    ("large_pool", "workers", "pool_is_stdin"),
    [("jsonl", 1, False), ("zst", 2, False), ("parquet", 2, False), ("jsonl", 1, True),
     ("jsonl", 2, True)],
    indirect=["large_pool"],
)  # fmt: skip
def test_a_reader_that_leaves_ends_the_run_quietly(
    tmp_path, target, large_pool, workers, pool_is_stdin
):
    arguments = ["--target", str(target), "--output", "-", "--quiet", "--workers", str(workers),
                 "--work-dir", str(tmp_path / "work")]  # fmt: skip
    if pool_is_stdin:
        data = b"".join(path.read_bytes() for path in sorted(large_pool.iterdir())) * 20
        (tmp_path / "stdin.jsonl").write_bytes(data)
        with open(tmp_path / "stdin.jsonl", "rb") as stdin:
            process = start(
                ["select", "-", "--min-alignment", "-99", *arguments,
                 "--sample-bytes", "100kB"], stdin=stdin,
            )  # fmt: skip
    else:
        process = start(["score", str(large_pool), *arguments])
    assert process.stdout.readline().startswith(b"{")
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


def test_of_two_runs_the_second_waits_or_leaves(tmp_path, target):
    pool = make_pool(tmp_path / "pool", "jsonl")
    work_dir = tmp_path / "work-out"
    work_dir.mkdir()
    arguments = [a for a in arguments_for(tmp_path, pool, target) if a != "--quiet"]
    with open(work_dir / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = start([*arguments, "--lock", "fail"])
        assert process.communicate()[1].decode() == (
            f"zipsel: error: another run is using {work_dir}; wait for it (--lock wait), "
            "or give this run its own --work-dir\n"
        )
        assert process.returncode == 1
        process = start(arguments)
        assert process.stderr.readline().decode() == (
            f"waiting for another run that is using {work_dir} (--lock fail leaves)\n"
        )
        assert process.poll() is None
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize(("kind", "workers"), [("jsonl", 1), ("gz", 2), ("parquet", 2)])
def test_standard_output_carries_data_only_whatever_is_printed(tmp_path, target, kind, workers):
    pool = make_pool(tmp_path / "pool", kind)
    program = """
import os, zipsel.commands.start as commands
from faults.engine_tasks import prepare_noisy_worker
from zipsel.cli import main
from zipsel.engines import local
local.prepare_worker = prepare_noisy_worker
select = commands.select
def noisy(*arguments, **options):
    print("noise"); os.write(1, b"noise\\n"); os.system("echo noise")
    return select(*arguments, **options)
commands.select = noisy
main()
"""
    arguments = arguments_for(tmp_path, pool, target, workers=workers)
    arguments[arguments.index("--output") + 1] = "-"
    process = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, check=True, env={**os.environ, "PYTHONPATH": python_path()},
    )  # fmt: skip
    n_noises = process.stderr.count(b"noise\n")
    assert n_noises == 3 if workers == 1 else n_noises > 3
    lines = process.stdout.splitlines()
    assert len(lines) == 30
    assert all(line.startswith(b'{"id"') for line in lines)


@pytest.mark.parametrize(
    ("closed", "code", "workers"),
    [("<&-", 0, 1), ("2>&-", 0, 1), (">&-", 1, 1), ("<&- 2>&-", 0, 1),
     ("<&-", 0, 2), (">&-", 1, 2), ("<&- 2>&-", 0, 2)],
)  # fmt: skip
def test_closed_standard_streams_are_not_taken_by_files(tmp_path, target, closed, code, workers):
    pool = make_pool(tmp_path / "pool", "jsonl")
    arguments = arguments_for(tmp_path, pool, target, workers=workers)
    arguments[arguments.index("--output") + 1] = "-"
    shell = f'exec "$0" -m zipsel "$@" {closed}'
    process = subprocess.run(
        ["bash", "-c", shell, sys.executable, *arguments], capture_output=True, check=False
    )
    assert process.returncode == code
    if code == 0:
        assert len(process.stdout.splitlines()) == 30
        assert process.stderr == b""
    else:
        assert (
            process.stderr == b"zipsel: error: cannot write standard output: Bad file descriptor\n"
        )
