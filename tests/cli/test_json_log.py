"""``--log-format json``: standard error is one object a line, and the last has the exit code."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from faults.killing import children_of
from made_up import make_records, write_jsonl

JSON = ("--log-format", "json")


def read_log(errors):
    """The objects of a log, each of which must have what a collector needs."""
    lines = [json.loads(line) for line in errors.decode().splitlines()]
    for line in lines:
        assert datetime.fromisoformat(line["time"]).tzinfo is not None
        assert line["level"] in ("info", "warning", "error")
    assert len({line["run"] for line in lines}) == 1
    return lines


def test_a_run_tells_shards_rejects_and_counts(select, pool):
    with open(pool / "part-0.jsonl", "ab") as file:
        file.write(b"no JSON\n")
    log = read_log(select("-o", "out", "--top-k", 5, "--max-rejects", 1, *JSON).stderr)
    by_event = {line["event"]: line for line in log}
    assert by_event["shards"]["n_scored"] == 3
    assert by_event["rejects"]["rejects"] == {"invalid-json": 1}
    assert by_event["done"]["counts"]["n_chosen"] == 5
    assert 0 < by_event["done"]["seconds"]["score"] < by_event["done"]["seconds"]["total"]
    assert log[-1]["event"] == "exit"
    assert log[-1]["exit_code"] == 0
    again = read_log(select("-o", "out", "--top-k", 5, "--max-rejects", 1, *JSON).stderr)
    assert [line["event"] for line in again] == ["up-to-date", "exit"]


def test_skipped_files_are_named(select, pool):
    (pool / "bad.jsonl.gz").write_bytes(b"no gzip")
    log = read_log(select("-o", "out", "--top-k", 5, "--on-bad-file", "skip", *JSON).stderr)
    skipped = [line for line in log if line["event"] == "bad-file"]
    assert [line["shard"] for line in skipped] == [str(pool / "bad.jsonl.gz")]
    assert skipped[0]["level"] == "warning"


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (("-o", "out", "--top-k", 5, "nowhere.jsonl"), 1, "BadShards"),
        (("-o", "out", "--top-k", "many"), 2, "UsageError"),
        (("-o", "out", "--top-kk", 5), 2, "UsageError"),
        (("-o", "out", "--top-k", 5, "--text-field", "body"), 1, "BadShards"),
    ],
)
def test_an_error_is_one_object(select, arguments, code, kind):
    log = read_log(select(*arguments, *JSON, code=code).stderr)
    assert [(line["event"], line["exit_code"]) for line in log[-2:]] == [
        ("error", code), ("exit", code)
    ]  # fmt: skip
    assert log[-2]["kind"] == kind


def test_the_form_may_stand_in_a_file_or_the_environment(select, tmp_path):
    (tmp_path / "z.toml").write_text('log-format = "json"\ntop-k = "many"\n')
    for options in ({"env": {"ZIPSEL_LOG_FORMAT": "json"}}, {}):
        arguments = ("--top-k", "many") if options else ("--config", "z.toml")
        assert read_log(select("-o", "out", *arguments, code=2, **options).stderr)


@pytest.fixture
def long_run(tmp_path, target, zipsel_env):
    """A run over a pool that takes long enough to be disturbed, as a process."""
    for i in range(4):
        write_jsonl(tmp_path / "big" / f"part-{i}.jsonl", make_records(1500, seed=i))
    command = [
        sys.executable, "-m", "zipsel", "select", "big", "--target", target, "--scorer", "ncd",
        "--output", "out", "--top-k", "50", "--workers", "2", "--log-format", "json",
    ]  # fmt: skip
    return lambda: subprocess.Popen(
        command, cwd=tmp_path, env=zipsel_env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )


def wait_for_parts(folder, process):
    while not any((folder / ".zipsel").glob("scores/*/*/*.parquet")):
        assert process.poll() is None
        os.sched_yield()


@pytest.mark.parametrize(
    ("number", "code", "event"),
    [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")],
)
def test_a_signal_is_told_in_the_log(long_run, tmp_path, number, code, event):
    process = long_run()
    wait_for_parts(tmp_path, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    log = read_log(errors)
    assert process.returncode == code
    assert [line["event"] for line in log[-2:]] == [event, "exit"]
    assert log[-1]["exit_code"] == code


def test_a_killed_worker_leaves_a_log_of_objects(long_run, tmp_path):
    process = long_run()
    wait_for_parts(tmp_path, process)
    for pid in children_of(process.pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ends by itself
            if b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes():
                for worker in children_of(pid)[:1]:
                    os.kill(worker, signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    log = read_log(errors)
    assert log[-1]["event"] == "exit"
    assert log[-1]["exit_code"] == process.returncode


#: Warns whenever a shard is opened, and prints past Python as C libraries do.
LIBRARY = """
import os, sys, warnings

def warn(event, arguments):
    if event == "open" and str(arguments[0]).endswith("part-0.jsonl"):
        warnings.warn(f"odd, says {os.getpid()}")
        os.write(2, b"no newline")

sys.addaudithook(warn)
"""


def test_what_libraries_print_is_told_in_objects(select, tmp_path):
    (tmp_path / "libraries").mkdir()
    (tmp_path / "libraries" / "sitecustomize.py").write_text(LIBRARY)
    env = {"PYTHONPATH": str(tmp_path / "libraries"), "PYTHONWARNINGS": "always"}
    arguments = ("-o", "out", "--top-k", 5, "--workers", 2, "--quiet")
    log = read_log(select(*arguments, *JSON, env=env).stderr)
    assert {line["event"] for line in log} == {"stderr"}
    said = " ".join(line["message"] for line in log)
    assert "no newline" in said
    assert len(set(re.findall(r"odd, says (\d+)", said))) > 1  # the command and its worker
    log = read_log(select(*arguments[:-1], "--force", *JSON, env=env).stderr)
    assert log[-1]["event"] == "exit"


@pytest.mark.parametrize(
    ("arguments", "code", "event"), [((), 2, "stderr"), (("demo", "--output", "demo"), 0, "done")]
)
def test_help_and_demo_are_objects_too(zipsel, arguments, code, event):
    log = read_log(zipsel(*arguments, code=code, env={"ZIPSEL_LOG_FORMAT": "json"}).stderr)
    assert event in {line["event"] for line in log}
    assert (log[-1]["event"], log[-1]["exit_code"]) == ("exit", code)


def test_a_log_that_nobody_reads_ends_the_run_as_text_does(pool, target, tmp_path, zipsel_env):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "zipsel", "select", pool, "--target", target, "--top-k", "5"]
    with os.fdopen(writer, "wb") as unread:
        done = subprocess.run(
            [*command, "-o", "out", *JSON], cwd=tmp_path, env=zipsel_env, stderr=unread, timeout=60
        )
    assert done.returncode == 141
