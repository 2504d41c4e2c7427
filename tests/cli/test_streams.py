"""Standard input obeys the rules of files: as a filter of lines, and as a copy that is a pool."""

import gzip
import io
import json
import shlex
import subprocess
import sys
import threading
from collections import Counter

import pytest
import zstandard
from made_up import make_records

from zipsel.cli.group import cli
from zipsel.commands.stream import StreamCounts, fit_on_head
from zipsel.commands.stream_task import StreamResult
from zipsel.readers.lines import LineChunk
from zipsel.scorers.fit import FitSettings
from zipsel.scoring.rejects import Refusals, Reject
from zipsel.scoring.settings import RunSettings


def encode(records):
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@pytest.fixture
def profile(tmp_path, pool, target):
    path = tmp_path / "code.profile"
    cli.main(
        ["fit", str(pool), "--target", str(target), "--output", str(path), "--quiet"],
        standalone_mode=False,
    )
    return path


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
    options = ("--profile", profile, "--top-k", 7, "--output", "-", "--strategy", "top")
    streamed = zipsel("select", "-", *options, stdin=data).stdout
    assert streamed == zipsel("select", pool, *options).stdout
    assert len(streamed.splitlines()) == 7


#: Option sets of which both ways have to give the same rows.
FILTERED = ["", "--dedup none", "--keep-leaks", "--exclude-overlap bench.jsonl", "--add-field a"]
KEPT = [
    "--min-alignment 0 --dedup near",
    "--min-alignment 0 --group-field kind --max-per-group 5",
    "--min-alignment 0 --report report.json",
    "--top-k 9",
    "--top-k 9 --dedup none --keep-leaks",
    "--top-k 9 --order input --add-field a",
    "--top-k 9 --exclude-overlap bench.jsonl --leak-ngram 8",
    "--top-k 9 --strategy sample --seed 3",
    "--top-k 9 --strategy stratified",
    "--top-k 9 --strategy cover",
    "--top-k 9 --group-field kind --quota code=0.5,*=0.5",
    "--fraction 0.2",
    "--max-bytes 4kB",
    "--max-tokens 1000",
]


@pytest.fixture
def messy(tmp_path, target, records):
    """A pool with leaks, copies of another rank, a benchmark's items and a refused row."""
    bench = [record for record in make_records(20, seed=5) if record["kind"] == "code"]
    (tmp_path / "bench.jsonl").write_bytes(encode(bench))
    data = target.read_bytes() + encode(records[:40]) + b"{broken\n" + encode(records[10:])
    data += encode(bench)
    path = tmp_path / "messy.jsonl"
    path.write_bytes(data)
    return path


@pytest.fixture
def rows_of_both(tmp_path, monkeypatch):
    """What is written of a file and of standard input, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(path, pool, options):
        stdout = io.TextIOWrapper(io.BytesIO())
        with open(path) as stdin, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            patch.setattr(sys, "stdout", stdout)
            arguments = ["select", pool, "--max-rejects=1", "--output=-", "--workers=1"]
            cli.main([*arguments, *shlex.split(options)], standalone_mode=False)
        return stdout.buffer.getvalue().splitlines()

    return lambda path, options: (run(path, str(path), options), run(path, "-", options))


@pytest.mark.parametrize("options", FILTERED)
def test_a_filter_passes_on_what_a_pool_of_files_gives(rows_of_both, profile, messy, options):
    of_file, streamed = rows_of_both(messy, f"--profile {profile} --min-alignment 0 {options}")
    assert len(streamed) > 5
    assert sorted(streamed) == sorted(of_file)


@pytest.mark.parametrize("options", KEPT)
def test_a_kept_stream_gives_what_a_pool_of_files_gives(rows_of_both, profile, messy, options):
    if "near" in options:
        pytest.importorskip("rensa", reason="needs the extra dedup")
    of_file, streamed = rows_of_both(messy, f"--profile {profile} {options}")
    assert len(streamed) > 3
    assert streamed == of_file


def test_a_stream_and_a_file_are_fitted_alike(rows_of_both, target, messy):
    of_file, streamed = rows_of_both(messy, f"--target {target} --top-k 9 --facets 2")
    assert streamed == of_file


def test_a_filter_refuses_leaks_and_copies_and_counts_them(zipsel, profile, target, messy):
    options = ("--profile", profile, "--min-alignment", -100, "--max-rejects", 1, "-o", "-")
    done = zipsel("select", "-", *options, "--log-format", "json", stdin=messy.read_bytes())
    counts = json.loads(done.stderr.splitlines()[-2])
    examples = target.read_bytes().splitlines()
    assert not set(examples) & set(done.stdout.splitlines())
    assert (counts["n_leaks"], counts["n_duplicates"]) == (len(examples), 30)
    assert counts["rejects"] == {"invalid-json": 1}
    assert counts["n_chosen"] == len(done.stdout.splitlines()) == len(set(done.stdout.splitlines()))
    assert counts["n_rows"] == len(examples) + 30 + 1 + counts["n_chosen"]


@pytest.mark.parametrize("command", [("score",), ("select", "--min-alignment", -99)])
def test_a_filter_says_what_of_its_chats_no_text_holds(zipsel, profile, command):
    turn = {"role": "assistant", "content": "Yes.", "tool_calls": [{"name": "f", "arguments": "1"}]}
    row = json.dumps({"messages": [{"role": "user", "content": "Is it?"}, turn]}).encode()
    name, *budget = command
    done = zipsel(name, "-", "--profile", profile, "--output", "-", *budget, "--chat",
                  "--chat-parts", "user,assistant", stdin=row + b"\n")  # fmt: skip
    assert b"parts of chats that no text holds: 1 calls" in done.stderr
    done = zipsel(name, "-", "--profile", profile, "--output", "-", *budget, "--text-field",
                  "body,text", stdin=b'{"text": "a text"}\n{"body": "another"}\n')  # fmt: skip
    assert b"texts by field: 1 text, 1 body" in done.stderr


def test_the_least_alignment_itself_is_passed_on(zipsel, profile, records):
    data = encode(records)
    scored = zipsel("score", "-", "--profile", profile, "--output", "-", stdin=data).stdout
    alignments = sorted(json.loads(line)["alignment"] for line in scored.splitlines())
    options = ("--profile", profile, "--output", "-", "--min-alignment", repr(alignments[-3]))
    assert len(zipsel("select", "-", *options, stdin=data).stdout.splitlines()) == 3


def test_what_makes_a_filter_wait_for_the_end_is_named(zipsel, profile, records):
    pytest.importorskip("rensa", reason="needs the extra dedup")
    options = ("--profile", profile, "--min-alignment", 0, "--output", "-", "--dedup", "near")
    done = zipsel("select", "-", *options, stdin=encode(records))
    assert b"--dedup near needs all of standard input" in done.stderr


def test_fit_reads_standard_input(tmp_path, zipsel, target, records):
    pool = tmp_path / "one.jsonl"
    pool.write_bytes(encode(records))
    for argument, name in ((pool, "file.profile"), ("-", "stream.profile")):
        data = pool.read_bytes()
        zipsel("fit", argument, "--target", target, "--output", name, stdin=data)
    assert (tmp_path / "file.profile").read_bytes() == (tmp_path / "stream.profile").read_bytes()


def test_scores_of_a_kept_stream_are_those_of_a_file(tmp_path, zipsel, profile, messy):
    options = ("--profile", profile, "--max-rejects", 1)
    zipsel("score", messy, *options, "--output", "of-file")
    zipsel("score", "-", *options, "--output", "streamed", stdin=messy.read_bytes())
    (streamed,) = (tmp_path / "streamed").glob("*.parquet")
    (of_file,) = (tmp_path / "of-file").glob("*.parquet")
    assert streamed.read_bytes() == of_file.read_bytes()


@pytest.mark.parametrize(
    "command",
    [
        ("select", "-", "--top-k", 5, "--output", "out"),
        ("select", "-", "--min-alignment", 0, "--output", "-"),
        ("select", "-", "--auto", "--output", "-"),
        ("score", "-", "--output", "scores"),
        ("fit", "-", "--output", "new.profile"),
    ],
)
def test_a_stream_leaves_nothing_in_the_work_directory(tmp_path, zipsel, target, records, command):
    if "--auto" in command:
        pytest.importorskip("pyppmd", reason="the judge needs the extra eval")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    work_dir = tmp_path / (".zipsel" if command[0] == "fit" else "work")
    left_over = work_dir / "stdin" / str(dead.pid) / "stdin.jsonl"
    left_over.parent.mkdir(parents=True)
    left_over.touch()
    options = () if command[0] == "fit" else ("--work-dir", work_dir)
    zipsel(*command, "--target", target, *options, stdin=encode(records))
    left = {path.name for path in work_dir.rglob("*") if path.is_file()}
    assert left == set()


def test_only_a_stream_that_needs_a_work_directory_asks_for_one(zipsel, profile, target, records):
    nowhere = ("--work-dir", target / "below-a-file", "--output", "-")
    data = encode(records)
    filtered = ("--profile", profile, "--min-alignment", 0)
    for command in (("select", "-", *filtered), ("score", "-", "--profile", profile)):
        assert zipsel(*command, "--output", "-", stdin=data).stdout
        assert b"--work-dir needs" in zipsel(*command, *nowhere, code=2, stdin=data).stderr
    done = zipsel("select", "-", "--profile", profile, "--top-k", 5, *nowhere, code=1, stdin=data)
    assert b"below-a-file" in done.stderr
    assert b"--work-dir" in done.stderr


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_compressed_streams_are_decompressed(zipsel, profile, target, messy, compress):
    options = ("--max-rejects", 1, "--output", "-")
    for budget in (("--min-alignment", 0), ("--top-k", 5, "--strategy", "top")):
        command = ("select", "-", "--profile", profile, *budget, *options)
        plain = zipsel(*command, stdin=messy.read_bytes()).stdout
        assert zipsel(*command, stdin=compress(messy.read_bytes())).stdout == plain
    command = ("select", messy, "--target", "-", "--top-k", 5, *options)
    plain = zipsel(*command, stdin=target.read_bytes()).stdout
    assert zipsel(*command, stdin=compress(target.read_bytes())).stdout == plain


@pytest.mark.parametrize("budget", ["--min-alignment=-100", "--top-k=60"])
def test_a_damaged_compressed_stream_is_refused_or_salvaged(zipsel, profile, records, budget):
    data = gzip.compress(encode(make_records(4000)))[:-20_000]
    command = ("select", "-", "--profile", profile, budget, "--output", "-", "--keep-leaks")
    said = zipsel(*command, code=1, stdin=data).stderr
    assert b"standard input: truncated" in said
    assert b"skip" not in said
    done = zipsel(*command, "--on-bad-file", "salvage", "--max-rejects", 1, stdin=data)
    assert len(done.stdout.splitlines()) >= 60
    assert b"truncated" in done.stderr


@pytest.mark.parametrize(
    ("records", "code", "named"),
    [
        ([{"a": 1}], 1, b"  standard input: its only row is refused"),
        ([*make_records(20), {"a": 1}], 3, b"    standard input row 20 (byte "),
    ],
)
def test_refused_rows_of_a_kept_stream_are_rows_of_standard_input(
    zipsel, profile, records, code, named
):
    command = ("select", "-", "--profile", profile, "--top-k", 5, "--output", "-")
    said = zipsel(*command, "--max-rejects", 0, code=code, stdin=encode(records)).stderr
    assert named in said
    assert b".zipsel" not in said
    assert b"skip" not in said


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        ('{"text": "a"}\n'.encode("utf-16"), b"iconv -f UTF-16 -t UTF-8"),
        ('{"text": "a"}\n'.encode("utf-32"), b"iconv -f UTF-32 -t UTF-8"),
        (b"BZh91AY&SY", b"bzip2 -dc"),
        (b"PAR1\x15\x04\x15", b"name the file"),
        (b' [{"text": "a"}]', b"jq -c '.[]'"),
    ],
)
def test_streams_of_other_kinds_are_refused_with_a_remedy(zipsel, profile, pool, data, remedy):
    for budget in ("--min-alignment=0", "--top-k=5"):
        command = ("select", "-", "--profile", profile, budget, "--output", "-")
        assert remedy in zipsel(*command, code=2, stdin=data).stderr
    command = ("select", pool, "--target", "-", "--top-k", 5, "--output", "-")
    assert remedy in zipsel(*command, code=2, stdin=data).stderr


COMMANDS = [
    "select - --target target.jsonl --top-k 5 --output -",
    "select - --target target.jsonl --min-alignment 0 --output -",
    "select pool --target - --top-k 5 --output out",
    "score - --target target.jsonl --output -",
    "score - --target target.jsonl --output scores",
    "fit - --target target.jsonl --output new.profile",
    "fit pool --target - --output new.profile",
    "explain --target target.jsonl -",
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("pool", "target")
def test_closed_standard_input_is_said(tmp_path, zipsel_env, command):
    code = f"{shlex.quote(sys.executable)} -m zipsel {command} <&-"
    done = subprocess.run(
        ["sh", "-c", code], capture_output=True, cwd=tmp_path, env=zipsel_env, check=False
    )
    assert done.returncode == 2
    assert b"standard input is closed" in done.stderr
    assert done.stdout == b""


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.usefixtures("pool", "target")
def test_closed_descriptors_do_not_matter_to_runs_on_files(tmp_path, zipsel_env, closed):
    command = "select pool --target target.jsonl --top-k 5 --output out --workers 2"
    code = f"{shlex.quote(sys.executable)} -m zipsel {command} {closed}"
    subprocess.run(["sh", "-c", code], cwd=tmp_path, env=zipsel_env, check=True)
    assert len((tmp_path / "out" / "subset-00000.jsonl").read_bytes().splitlines()) == 5


@pytest.mark.usefixtures("pool", "target")
def test_closed_standard_output_is_an_error_of_who_writes_to_it(tmp_path, zipsel_env, records):
    command = "select - --target target.jsonl --min-alignment -100 --output -"
    code = f"{shlex.quote(sys.executable)} -m zipsel {command} >&-"
    done = subprocess.run(
        ["sh", "-c", code], input=encode(records), stderr=subprocess.PIPE, cwd=tmp_path,
        env=zipsel_env, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert b"standard output" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "select - --target - --top-k 5 --output -",
        "select - --target - --min-alignment 0 --output -",
        "select - --target code=- --target law=target.jsonl --top-k 5 --output -",
        "select - --target target.jsonl --exclude-overlap - --top-k 5 --output -",
        "score - --target - --output -",
        "fit - --target - --output new.profile",
        "explain --target - -",
    ],
)
def test_standard_input_is_read_by_one_option(zipsel, target, records, command):
    done = zipsel(*command.split(), code=2, stdin=encode(records))
    assert b"both name standard input" in done.stderr
    assert done.stdout == b""


def test_a_target_on_standard_input_serves_every_stage(zipsel, pool, target):
    """``--auto`` and the search for leaks read the target again."""
    pytest.importorskip("pyppmd", reason="the judge needs the extra eval")
    options = ("--auto", "--exclude-overlap", target, "--output", "-")
    of_file = zipsel("select", pool, "--target", target, *options).stdout
    streamed = zipsel("select", pool, "--target", "-", *options, stdin=target.read_bytes()).stdout
    assert streamed == of_file != b""


@pytest.mark.parametrize(
    "command",
    [
        "cat {pool}/*.jsonl | {zipsel} /dev/stdin --target {target}",
        "{zipsel} <(cat {pool}/*.jsonl) --target {target}",
        "{zipsel} {pool} --target /dev/fd/0 < {target}",
    ],
)
def test_streams_with_a_name_are_refused_with_a_remedy(tmp_path, zipsel_env, pool, target, command):
    zipsel = f"{shlex.quote(sys.executable)} -m zipsel select --top-k 5 --output -"
    code = command.format(zipsel=zipsel, pool=pool, target=target)
    done = subprocess.run(
        ["bash", "-c", code], capture_output=True, cwd=tmp_path, env=zipsel_env, check=False
    )
    assert done.returncode == 1
    assert b"pipe it to standard input and write -" in done.stderr


def test_a_profile_on_a_stream_is_refused(tmp_path, zipsel_env, profile, pool):
    code = f"{shlex.quote(sys.executable)} -m zipsel select {pool} --top-k 5 -o - --profile "
    done = subprocess.run(
        ["bash", "-c", f"{code} <(cat {profile})"], capture_output=True, cwd=tmp_path,
        env=zipsel_env, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert b"is a stream or a directory; name a file" in done.stderr


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


def test_refused_rows_of_a_stream_are_counted(zipsel, profile, records):
    data = encode(records[:5]) + b"{broken\n" + encode(records[5:10])
    command = ("select", "-", "--profile", profile, "--min-alignment", -100, "--output", "-")
    done = zipsel(*command, stdin=data, code=3)
    assert len(done.stdout.splitlines()) == 10
    assert b"row 5 " in done.stderr
    assert b"invalid-json" in done.stderr
    assert zipsel(*command, "--max-rejects", 1, stdin=data).stdout == done.stdout


def test_too_many_refused_rows_end_a_stream_at_once(profile, start):
    """Where no later row can mend it, the run does not wait for one."""
    options = ("--profile", profile, "--output", "-", "--max-rejects", 0)
    process = start("score", "-", *options, "--workers", 1)
    process.stdin.write(b"{broken\n")
    process.stdin.flush()
    assert process.wait(timeout=60) == 3
    assert b"row 0 " in process.stderr.read()


def test_a_percentage_of_refused_rows_is_judged_at_the_end(zipsel, profile, records):
    options = ("--profile", profile, "--output", "-", "--max-rejects", "10%")
    data = b"{broken\n" + encode(records[:9])
    assert len(zipsel("score", "-", *options, stdin=data).stdout.splitlines()) == 9
    assert len(zipsel("score", "-", *options, stdin=data * 2 + b"{\n", code=3).stdout)


def test_refused_rows_are_numbered_across_chunks():
    counts = StreamCounts()
    counts.add(StreamResult([b""] * 2, refusals=Refusals(3, Counter({"empty": 1}))), 2)
    first = [Reject("-", 1, 30, "empty", "")]
    counts.add(StreamResult(refusals=Refusals(2, Counter({"empty": 1}), first)), 0)
    assert [reject.row for reject in counts.refusals.first] == [4]
    assert (counts.n_rejected, counts.n_chosen, counts.n_low) == (2, 2, 1)


def test_the_sample_of_a_stream_is_as_long_as_asked(target):
    """It takes chunks until they hold --sample-bytes, and gives all of them back."""
    lines = [encode([record]) for record in make_records(60)]
    chunks = [LineChunk(0, 0, line) for line in lines]
    fit = FitSettings(sample_bytes=sum(map(len, lines[:20])))
    settings = RunSettings(pool=("-",), target=(str(target),), fit=fit)
    profile, rest = fit_on_head(settings, iter(chunks))
    assert profile.origin["n_sample_records"] == 20
    assert list(rest) == chunks


def test_lines_after_one_that_is_too_long_are_passed_on_whole(rows_of_both, profile, messy):
    long = json.dumps({"text": "x" * 3000}).encode() + b"\n"
    data = messy.read_bytes()
    messy.write_bytes(data[:400] + data[400:].replace(b"\n", b"\n" + long, 1))
    options = f"--profile {profile} --min-alignment 0 --max-row-bytes 2000 --max-rejects 2"
    of_file, streamed = rows_of_both(messy, options)
    assert sorted(streamed) == sorted(of_file)
    assert set(streamed) <= set(data.splitlines())


def test_standard_input_stands_alone(zipsel, pool, target):
    command = ("select", "-", pool, "--target", target, "--top-k", 5, "--output", "-")
    assert b"cannot be combined" in zipsel(*command, code=2).stderr


@pytest.mark.parametrize("budget", ["--min-alignment=0", "--top-k=5"])
def test_an_empty_stream_is_an_empty_subset_and_says_so(zipsel, profile, budget):
    done = zipsel("select", "-", "--profile", profile, "--output", "-", budget)
    assert done.stdout == b""
    assert b"standard input is empty" in done.stderr


def test_an_empty_target_stream_is_refused(zipsel, pool):
    done = zipsel("select", pool, "--target", "-", "--top-k", 5, "--output", "-", code=2)
    assert b"standard input, which is to be the target, is empty" in done.stderr


@pytest.mark.parametrize("command", [("score",), ("select", "--min-alignment", "0")])
def test_a_stream_is_not_written_to_what_it_reads(tmp_path, zipsel_env, pool, target, command):
    line = [sys.executable, "-m", "zipsel", *command, "-", "--target", target, "--output", "-"]
    part = pool / "part-0.jsonl"
    for written in (target, part):
        before = written.read_bytes()
        with open(part, "rb") as source, open(written, "ab") as sink:
            done = subprocess.run(
                line, stdin=source, stdout=sink, stderr=subprocess.PIPE, env=zipsel_env, timeout=120
            )
        assert done.returncode == 2
        assert b"would write over the input" in done.stderr
        assert written.read_bytes() == before


@pytest.mark.parametrize("command", [("score",), ("select", "--min-alignment", "0")])
def test_options_of_csv_have_no_effect_on_a_stream(zipsel, target, command):
    options = ("-", "--target", target, "--output", "-", "--delimiter", ";")
    assert b"no input is CSV or TSV" in zipsel(*command, *options, code=2).stderr
