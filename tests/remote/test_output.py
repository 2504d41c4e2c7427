"""Subsets, scores and profiles written to S3, over a network that misbehaves."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import pytest
from made_up import make_records, write_jsonl

import zipsel as package
from zipsel.errors import OutputError, ProfileError, StorageError, UsageError
from zipsel.output.place import Output
from zipsel.output.subset_file import OutputFile
from zipsel.storage.staging import staged_files

pytestmark = pytest.mark.filterwarnings("default")

SIDE_FILES = {"manifest.json", "report.json", "rejects.jsonl", "leaks.jsonl", "chosen.feather"}


def select(pool, target, output, work_dir, **options):
    options = {"top_k": 100, "workers": 1, "format": "jsonl", **options}
    if not str(output).endswith((".jsonl", ".gz")):
        options.setdefault("shard_size", 6000)
    return package.select(pool, target=target, output=output, work_dir=work_dir, **options)


@pytest.fixture
def expected(bucket, target, tmp_path):
    """The subset's files by name, as a directory gets them."""
    result = select(bucket, target, tmp_path / "local", tmp_path / "work")
    files = {Path(file).name: Path(file).read_bytes() for file in result.files}
    assert len(files) > 2
    assert max(map(len, files.values())) > 4096  # of several parts
    return files


def objects_below(direct, prefix):
    # A prefix that nothing stands below is found as itself.
    names = [name for name in direct.find(prefix) if name != prefix]
    return {name.rpartition("/")[2]: direct.cat_file(name) for name in names}


def assert_whole(direct, prefix, expected):
    found = objects_below(direct, prefix)
    assert {name: data for name, data in found.items() if name in expected} == expected
    assert found.keys() - expected.keys() >= SIDE_FILES
    assert not [name for name in found if "tmp" in name or "probe" in name]


@pytest.mark.parametrize(
    "troubles",
    [
        [],
        ["throttle", "cut", "pass", "cut", "pass", "lost", "throttle", "throttle"],
        [*["pass", "lost"] * 30],
    ],
)
def test_a_directory_on_s3(bucket, target, tmp_path, expected, direct, proxy, troubles):
    proxy.write_faults.extend(troubles)
    result = select(bucket, target, "s3://bucket/out", tmp_path / "work")
    assert_whole(direct, "bucket/out", expected)
    assert [file.rpartition("/")[2] for file in result.files] == sorted(expected)
    assert result.files[0].startswith("s3://bucket/out/")
    puts = [line for line in proxy.written if not line.startswith("DELETE")]
    assert "manifest.json" in puts[-1]


def test_one_file_on_s3(bucket, target, tmp_path, direct):
    select(bucket, target, tmp_path / "local.jsonl.gz", tmp_path / "work", format=None)
    result = select(bucket, target, "s3://bucket/one.jsonl.gz", tmp_path / "work", format=None)
    assert result.files == ("s3://bucket/one.jsonl.gz",)
    local = (tmp_path / "local.jsonl.gz").read_bytes()
    assert direct.cat_file("bucket/one.jsonl.gz") == local
    assert objects_below(direct, "bucket/one.jsonl.gz.zipsel").keys() >= SIDE_FILES


def test_a_report_is_read_from_where_the_subset_is(
    bucket, command, target, tmp_path, direct, capsys
):
    for name, budget in (("a", 9), ("b", 12)):
        select(bucket, target, f"s3://bucket/{name}", tmp_path / "work", top_k=budget)
    command("report", "s3://bucket/a", "s3://bucket/b")
    assert "s3://bucket/b" in capsys.readouterr().out
    direct.rm_file("bucket/a/README.md")
    command("report", "s3://bucket/a")
    assert direct.cat_file("bucket/a/README.md").startswith(b"---")


def test_what_is_up_to_date_is_not_written_again(bucket, target, tmp_path, proxy, direct):
    first = select(bucket, target, "s3://bucket/out", tmp_path / "work")
    proxy.written.clear()
    again = select(bucket, target, "s3://bucket/out", tmp_path / "work")
    assert proxy.written == []
    assert (again.files, again.threshold) == (first.files, first.threshold)
    direct.rm_file("bucket/out/subset-00001.jsonl")
    select(bucket, target, "s3://bucket/out", tmp_path / "work")
    assert direct.exists("bucket/out/subset-00001.jsonl")
    proxy.written.clear()
    select(bucket, target, "s3://bucket/out", tmp_path / "work", force=True)
    assert proxy.written != []


def test_files_of_an_earlier_run_go(bucket, target, tmp_path, direct):
    first = select(bucket, target, "s3://bucket/out", tmp_path / "work")
    second = select(bucket, target, "s3://bucket/out", tmp_path / "work", top_k=5)
    assert len(second.files) == 1 < len(first.files)
    subsets = [name for name in objects_below(direct, "bucket/out") if "subset" in name]
    assert subsets == ["subset-00000.jsonl"]


def write_run(tmp_path, run, texts):
    """Write files named like a subset's, as ``select`` does."""
    with staged_files(tmp_path) as staging:
        files = []
        for i, text in enumerate(texts):
            name = f"subset-{i:05}.jsonl"
            with staging.open(f"s3://bucket/out/{name}") as file:
                file.write(text)
            files.append(OutputFile(name, 1, len(text)))
        Output("s3://bucket/out").finish({"run": run}, files, None, staging)


def test_no_reader_of_the_manifest_sees_a_mixture(bucket, tmp_path, direct, proxy):
    """The network ends before the first write of the second run, before its second, and so on."""
    runs = {"first": [b"a", b"b", b"c"], "second": [b"d", b"e"]}
    seen = []
    for n_writes in range(20):
        write_run(tmp_path, "first", runs["first"])
        proxy.write_faults[:] = ["pass"] * n_writes + ["always-cut"]
        with suppress(StorageError):
            write_run(tmp_path, "second", runs["second"])
        is_done = proxy.write_faults.pop(0) == "pass"
        proxy.write_faults.clear()
        found = objects_below(direct, "bucket/out")
        manifest = json.loads(found.get("manifest.json", "null"))
        run = manifest and manifest["made_from"]["run"]
        if run is not None:
            assert [found[file["name"]] for file in manifest["files"]] == runs[run]
        seen.append(run)
        if is_done:
            assert sorted(found) == ["manifest.json", "subset-00000.jsonl", "subset-00001.jsonl"]
            break
    assert [run for run, _ in groupby(seen)] == ["first", None, "second"]


@pytest.mark.parametrize("output", ["s3://nowhere/out", "s3://nowhere/out.jsonl"])
def test_a_missing_bucket_is_found_before_the_work(bucket, target, tmp_path, output):
    with pytest.raises(OutputError, match=r"cannot write s3://nowhere/.*no such object or bucket"):
        select(bucket, target, output, tmp_path / "work")
    assert not list((tmp_path / "work").glob("scores/**/*.parquet"))


def test_missing_credentials_are_found_before_the_work(bucket, target, tmp_path, monkeypatch, s3fs):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(OutputError, match=r"no credentials found"):
        select(bucket, target, "s3://bucket/out", tmp_path / "work")
    assert not list((tmp_path / "work").glob("scores/**/*.parquet"))


@pytest.mark.parametrize("output", ["s3://bucket/pool", "s3a://bucket/pool/a.jsonl", "s3://bucket"])
def test_an_output_is_no_input(bucket, target, tmp_path, output, direct):
    with pytest.raises(UsageError, match=r"would write over the input s3://bucket/pool/a\.jsonl"):
        select("s3://bucket/pool", target, output, tmp_path / "work")
    assert len(direct.find("bucket/pool")) == 4


@pytest.mark.parametrize("url", ["hf://datasets/a/b", "https://example.org/x", "file:///tmp/x"])
def test_what_cannot_be_written_whole_is_refused(pool, target, tmp_path, url):
    with pytest.raises(UsageError, match=rf"--output {url}: can be read but not written"):
        select(pool, target, url, tmp_path / "work")


def test_other_object_stores(pool, target, tmp_path):
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    local = select(pool, target, tmp_path / "local", tmp_path / "work", top_k=9)
    select(pool, target, "memory://store/out", tmp_path / "work", top_k=9)
    memory = fsspec.filesystem("memory")
    name = "subset-00000.jsonl"
    assert memory.cat_file(f"/store/out/{name}") == Path(local.files[0]).read_bytes()
    assert not [path for path in memory.find("/store") if "probe" in path]


def run_in_background(*arguments, cwd):
    """The command as a process, with small parts; its output is not looked at."""
    code = (
        "from zipsel.storage import paths; paths._PART_BYTES = 4096\n"
        "from zipsel.cli import main; main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd, env={**os.environ, "TMPDIR": str(cwd), "ZIPSEL_WORKERS": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("end", "n_before"), [(signal.SIGKILL, 2), (signal.SIGKILL, 9), (signal.SIGINT, 4)]
)
def test_stopped_in_mid_upload_a_run_is_repeated_to_the_same_bytes(
    bucket, target, tmp_path, direct, proxy, expected, end, n_before
):
    arguments = ["select", bucket, "-t", target, "-o", "s3://bucket/out", "--top-k", 100,
                 "--work-dir", "work", "--shard-size", 6000, "--format", "jsonl"]  # fmt: skip
    proxy.write_faults.extend(["pass"] * n_before + ["hold"])
    process = run_in_background(*arguments, cwd=tmp_path)
    try:
        while not proxy.held.wait(0.05):
            assert process.poll() is None, process.stderr.read().decode()
        process.send_signal(end)
        if end == signal.SIGINT:
            proxy.release.set()
        process.wait(60)
    finally:
        process.kill()
        _, errors = process.communicate()
        proxy.release.set()
    assert process.returncode == (130 if end == signal.SIGINT else -end), errors.decode()
    assert "manifest.json" not in objects_below(direct, "bucket/out")
    select(bucket, target, "s3://bucket/out", tmp_path / "work")
    assert_whole(direct, "bucket/out", expected)
    assert not list(tmp_path.rglob("zipsel-upload-*"))


def test_completed_without_hearing_so_is_completed(bucket, direct, proxy):
    """The server ends an upload, nobody hears so, and the upload is gone when asked for again."""
    proxy.write_faults.extend([*["pass"] * 4, "lost", "gone"])
    with staged_files() as staging:
        with staging.open("s3://bucket/large.bin") as file:
            file.write(b"x" * 10_000)
        staging.commit()
    assert not proxy.write_faults
    assert direct.cat_file("bucket/large.bin") == b"x" * 10_000


def test_a_profile_on_s3(bucket, command, target, tmp_path, direct):
    pool = tmp_path / "pool"
    command("fit", pool, "-t", target, "-o", "local.profile")
    command("fit", pool, "-t", target, "-o", "s3://bucket/p/code.profile")
    stored = direct.cat_file("bucket/p/code.profile")
    assert stored == (tmp_path / "local.profile").read_bytes()
    options = {"target": (), "top_k": 9, "work_dir": tmp_path / "work", "workers": 1}
    near = package.select(
        pool, output=tmp_path / "a", profile=tmp_path / "local.profile", **options
    )
    far = package.select(pool, output=tmp_path / "b", profile="s3://bucket/p/code.profile",
                         **options)  # fmt: skip
    assert far.threshold == near.threshold
    assert package.Scorer.load("s3://bucket/p/code.profile").digest
    with pytest.raises(ProfileError, match=r"s3://bucket/none: no such object or bucket"):
        package.select(pool, output=tmp_path / "c", profile="s3://bucket/none", **options)


def test_scores_on_s3(bucket, command, target, tmp_path, direct):
    write_jsonl(tmp_path / "few" / "a.jsonl", make_records(30))
    command("score", "few", "-t", target, "-o", "near")
    command("score", "few", "-t", target, "-o", "s3://bucket/scores")
    near = {path.name: path.read_bytes() for path in (tmp_path / "near").iterdir()}
    assert objects_below(direct, "bucket/scores") == near
    with pytest.raises(OutputError, match=r"cannot write s3://nowhere/x"):
        command("score", "few", "-t", target, "-o", "s3://nowhere/x")
