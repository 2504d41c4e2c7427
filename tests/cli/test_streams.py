"""Standard input as pool: lines are answered as they come, or the best are kept."""

import json
import subprocess
import sys
import threading

import pytest


def encode(records):
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@pytest.fixture
def profile(tmp_path, zipsel, pool, target):
    zipsel("fit", pool, "--target", target, "--output", "code.profile")
    return tmp_path / "code.profile"


@pytest.fixture
def start(tmp_path, zipsel_env):
    """Start a command whose pipes stay open; it is ended if the test forgets."""
    running = []

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "zipsel", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=zipsel_env,
        )
        alarm = threading.Timer(60, process.kill)
        alarm.start()
        running.append((process, alarm))
        return process

    yield run
    for process, alarm in running:
        alarm.cancel()
        process.kill()
        process.communicate()


@pytest.mark.parametrize("n_workers", [1, 2])
@pytest.mark.parametrize(
    "command",
    [
        ("select", "-", "--min-alignment", -100, "--add-field", "alignment", "--output", "-"),
        ("score", "-", "--output", "-"),
    ],
)
def test_a_line_is_answered_before_the_next_is_written(profile, start, records, command, n_workers):
    process = start(*command, "--profile", profile, "--workers", n_workers)
    for record in records[:4]:
        process.stdin.write(encode([record]))
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        assert isinstance(answer.pop("alignment"), float)
        assert answer == record
    rest, _ = process.communicate(encode(records[4:6]), timeout=60)
    assert len(rest.splitlines()) == 2
    assert process.returncode == 0


def test_scores_of_a_stream_are_those_of_files(zipsel, profile, pool, records):
    data = encode(records)
    streamed = zipsel("score", "-", "--profile", profile, "--output", "-", stdin=data).stdout
    of_files = zipsel("score", pool, "--profile", profile, "--output", "-").stdout
    assert streamed == of_files
    for line, record in zip(streamed.splitlines(), records, strict=True):
        assert line.startswith(json.dumps(record).encode()[:-1])


def test_without_a_profile_the_head_is_the_sample(zipsel, target, records):
    done = zipsel("score", "-", "--target", target, "--output", "-", stdin=encode(records))
    rows = list(map(json.loads, done.stdout.splitlines()))
    assert len(rows) == 60
    code = [row["alignment"] for row in rows if row["kind"] == "code"]
    law = [row["alignment"] for row in rows if row["kind"] == "law"]
    assert min(code) > max(law)


def test_the_best_of_a_stream_are_the_best_of_files(zipsel, profile, pool, records):
    data = encode(records[:20]) + encode(records)  # every text of the first shard twice
    options = ("--profile", profile, "--top-k", 7, "--output", "-", "--contenders", 1)
    streamed = zipsel("select", "-", *options, stdin=data).stdout
    assert streamed == zipsel("select", pool, *options).stdout
    assert len(streamed.splitlines()) == 7


@pytest.mark.parametrize("option", [("--dedup", "none"), ("--order", "input")])
def test_what_needs_the_whole_stream_gets_it(zipsel, profile, pool, records, option):
    data = encode(records[:20]) + encode(records)
    options = ("--profile", profile, "--top-k", 9, *option, "--output", "-")
    streamed = zipsel("select", "-", *options, stdin=data).stdout
    rows = [json.loads(line)["id"] for line in streamed.splitlines()]
    assert len(rows) == 9
    if option == ("--order", "input"):
        assert rows == sorted(set(rows))
    else:
        assert len(set(rows)) < 9


def test_lines_pass_through_unchanged(zipsel, profile):
    lines = [b'{"id": 9007199254740993, "text": "def return"}\r\n', b'{ "text":"class" }\n']
    data = b"\xef\xbb\xbf" + lines[0] + b"\n" + lines[1] + b'{"text": "last one"}'
    options = ("--profile", profile, "--min-alignment", -100, "--output", "-")
    done = zipsel("select", "-", *options, stdin=data)
    assert done.stdout == lines[0] + lines[1] + b'{"text": "last one"}\n'


def test_a_stream_into_a_directory_has_a_report(tmp_path, zipsel, target, records):
    data = encode(records)
    zipsel("select", "-", "--target", target, "--top-k", 5, "--output", "out", stdin=data)
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert report["counts"]["n_rows"] == 60
    assert not list((tmp_path / ".zipsel").rglob("stdin.jsonl"))


def test_refused_rows_of_a_stream_are_counted(zipsel, profile, records):
    data = encode(records[:5]) + b"{broken\n" + encode(records[5:10])
    command = ("select", "-", "--profile", profile, "--min-alignment", -100, "--output", "-")
    done = zipsel(*command, stdin=data, code=3)
    assert len(done.stdout.splitlines()) == 10
    assert b"row 5 " in done.stderr
    assert b"invalid-json" in done.stderr
    assert zipsel(*command, "--max-rejects", 1, stdin=data).stdout == done.stdout


def test_standard_input_stands_alone(zipsel, pool, target):
    command = ("select", "-", pool, "--target", target, "--top-k", 5, "--output", "-")
    assert b"cannot be combined" in zipsel(*command, code=2).stderr


def test_an_empty_stream_is_an_empty_subset(zipsel, profile):
    command = ("select", "-", "--profile", profile, "--output", "-")
    assert zipsel(*command, "--min-alignment", 0).stdout == b""
    assert zipsel(*command, "--top-k", 5).stdout == b""
