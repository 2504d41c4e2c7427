"""Outputs that cannot be written and inputs that change: an error, and nothing half-done."""

import os
import resource
import shutil
import subprocess
import sys

import pytest

from faults.faulty import assert_nothing_stands, make_records, write_records
from zipsel.output.place import Output
from zipsel.output.subset import SubsetWriter
from zipsel.selection.ranking import Ranking

KINDS = ["jsonl", "gz", "zst", "parquet"]


@pytest.fixture(params=KINDS)
def pool(request, tmp_path):
    for i in range(3):
        write_records(tmp_path / "pool" / f"part-{i}", make_records(20, seed=i), request.param)
    return tmp_path / "pool"


def process_of(arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "zipsel", *map(str, arguments)],
        capture_output="stdout" not in options, check=False, timeout=100, **options,
    )  # fmt: skip


@pytest.mark.parametrize("workers", [1, 2])
def test_standard_output_that_is_full_is_an_error(tmp_path, pool, target, workers):
    message = b"zipsel: error: cannot write standard output: No space left on device\n"
    for command in (["select", pool, "--top-k", 30], ["score", pool]):
        with open("/dev/full", "wb") as full:
            process = process_of(
                [*command, "-t", target, "-o", "-", "-q",
                 "--work-dir", tmp_path / "work", "--workers", workers],
                stdout=full, stderr=subprocess.PIPE,
            )  # fmt: skip
        assert process.returncode == 1
        assert process.stderr == message


@pytest.mark.parametrize(
    ("kind", "workers", "limit"),
    [("jsonl", 1, 1_500_000), ("jsonl", 2, 1_500_000), ("parquet", 1, 380_000),
     ("parquet", 2, 380_000)],
)  # fmt: skip
def test_a_disk_that_fills_up_leaves_no_file(tmp_path, target, kind, workers, limit):
    """A limit on file sizes stands for the disk: the subset is larger than any other file."""
    n_shards = 2 if kind == "jsonl" else 8  # candidates of small shards of lines share a file
    for i in range(n_shards):
        records = make_records(16_000 // n_shards, seed=i)
        write_records(tmp_path / "pool" / f"part-{i}", records, kind)
    process = process_of(
        ["select", tmp_path / "pool", "-t", target, "-o", tmp_path / "out", "--fraction", 1,
         "-q", "--workers", workers, "--sample-bytes", "100kB", "--keep-leaks"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert process.returncode == 1
    name = tmp_path / "out" / f"subset-00000.{kind}"
    message = f"zipsel: error: cannot write {name}: File too large\n"
    assert process.stderr.decode() == message
    assert_nothing_stands(tmp_path / "out")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_is_full_in_the_work_directory_is_named(tmp_path, pool, target, workers):
    process = process_of(
        ["select", pool, "-t", target, "-o", tmp_path / "out", "--top-k", 1, "-q",
         "--workers", workers],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)),
    )  # fmt: skip
    assert process.returncode == 1
    message = process.stderr.decode()
    assert message.startswith(f"zipsel: error: cannot write {tmp_path}/.zipsel/")
    assert message.endswith(": File too large\n")
    assert_nothing_stands(tmp_path / "out")


@pytest.mark.parametrize("output", ["/proc/zipsel", "file/out", "file/out.jsonl"])
def test_an_output_that_cannot_be_made_is_found_before_the_work(run, tmp_path, pool, output):
    (tmp_path / "file").write_bytes(b"")
    work_dir = tmp_path / "work"
    done = run(pool, output=output, options=["--work-dir", work_dir])
    path = output if output.startswith("/") else f"{tmp_path}/{output}"
    assert done.code == 1
    assert done.message.startswith(f"cannot write {path}: ")
    assert not (work_dir / "scores").exists()


def test_an_output_directory_that_vanishes_is_an_error(run, tmp_path, pool, monkeypatch):
    write_files = SubsetWriter.write_files

    def write_and_lose(*arguments):
        files = write_files(*arguments)
        shutil.rmtree(tmp_path / "out")
        return files

    monkeypatch.setattr(SubsetWriter, "write_files", write_and_lose)
    done = run(pool)
    assert done.code == 1
    assert done.message.startswith(f"cannot write {tmp_path / 'out'}/")
    assert done.message.endswith(": No such file or directory")


def test_an_output_that_fails_leaves_the_one_before_as_it_was(run, tmp_path, pool, monkeypatch):
    run(pool, budget=["--top-k", "5"])
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Output, "finish", fail)
    arguments = ["select", str(pool), "--target", str(tmp_path / "target.jsonl"), "--quiet",
                 "--output", str(tmp_path / "out"), "--top-k", "9"]  # fmt: skip
    from zipsel.cli.group import cli
    from zipsel.errors import OutputError

    with pytest.raises(OutputError, match="No space left on device"):
        cli.main(arguments, standalone_mode=False)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_an_output_never_goes_where_data_or_inputs_are(run, tmp_path, pool):
    done = run(pool, output="pool")
    assert done.code == 2
    assert "would write over the input" in done.message
    assert len(list(pool.iterdir())) == 3


def test_an_output_that_is_up_to_date_is_left_alone_until_forced(run, tmp_path, pool):
    run(pool, workers=2)
    os.utime(tmp_path / "out" / "manifest.json", ns=(1, 1))
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert run(pool).code == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == times
    run(pool, options=["--force"])
    assert (tmp_path / "out" / "manifest.json").stat().st_mtime_ns > 1


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("how", ["append", "touch", "remove"])
def test_an_input_that_changes_between_the_passes_is_never_mixed(
    run, pool, monkeypatch, workers, how
):
    victim = sorted(pool.iterdir())[1]
    rank = Ranking.__init__

    def change_and_rank(self, *arguments, **options):
        if how == "append":
            with open(victim, "ab") as file:
                file.write(b"\n")
        elif how == "touch":
            os.utime(victim, ns=(1, 1))
        else:
            victim.unlink()
        rank(self, *arguments, **options)

    monkeypatch.setattr(Ranking, "__init__", change_and_rank)
    done = run(pool, workers=workers)
    assert done.code == 1
    assert f"1 input file cannot be read:\n  {victim}: changed while it was being read" in (
        done.message
    )


def test_what_a_killed_run_left_in_the_output_goes(run, tmp_path, pool):
    """The temporary of a process that is gone; that of one that lives stays."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "out").mkdir()
    left = tmp_path / "out" / f".subset-00000.jsonl.zipsel-tmp-{gone.pid}-00000000"
    alive = tmp_path / "out" / f".subset-00000.jsonl.zipsel-tmp-{os.getpid()}-00000000"
    left.write_bytes(b"")
    alive.write_bytes(b"")
    run(pool)
    assert (left.exists(), alive.exists()) == (False, True)
