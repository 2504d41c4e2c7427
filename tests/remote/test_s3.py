"""Pools and targets on S3, on a server of this machine, with a network that misbehaves."""

import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from made_up import make_records, write_jsonl

import zipsel as package
from zipsel import storage
from zipsel.errors import BadShards, StorageError, UsageError

s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
moto_server = pytest.importorskip("moto.server", reason="moto is not installed")

pytestmark = pytest.mark.filterwarnings("default")


class Proxy(BaseHTTPRequestHandler):
    """Passes requests on to the server and does to object reads what ``faults`` say."""

    protocol_version = "HTTP/1.1"
    upstream = ""
    faults: list[str] = []  # noqa: RUF012 - the test's own
    n_reads = 0

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) or None
        request = urllib.request.Request(
            self.upstream + self.path, body, dict(self.headers), method=self.command
        )
        try:
            answer = urllib.request.urlopen(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        data = answer.read()
        is_read = self.command == "GET" and self.headers.get("Range")
        fault = None
        if is_read:
            type(self).n_reads += 1
            fault = self.faults[0] if self.faults == ["always-cut"] else None
            if fault is None and self.faults:
                fault = self.faults.pop(0)
        if fault == "throttle":
            data = b"<Error><Code>SlowDown</Code><Message>slow down</Message></Error>"
            self.send_response(503)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
        else:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            size = answer.headers.get("Content-Length") if self.command == "HEAD" else len(data)
            self.send_header("Content-Length", str(size))
            self.end_headers()
        if fault in ("cut", "always-cut"):
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_HEAD = do_POST = handle_any

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def server():
    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def faults(server, monkeypatch):
    """A bucket behind the proxy; the list of what happens to the next reads."""
    proxy = type("ThisProxy", (Proxy,), {"upstream": server, "faults": [], "n_reads": 0})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), proxy)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{httpd.server_port}",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setattr(storage, "_wait", lambda _seconds: None)
    s3fs.S3FileSystem.clear_instance_cache()
    yield proxy.faults
    s3fs.S3FileSystem.clear_instance_cache()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def direct(faults, server):
    """The bucket's server without the proxy between."""
    return s3fs.S3FileSystem(endpoint_url=server, use_listings_cache=False)


@pytest.fixture
def bucket(direct, tmp_path, target):
    """The pool and the target in a bucket, and the same pool in a directory."""
    records = make_records(600)
    pool = tmp_path / "pool"
    write_jsonl(pool / "a.jsonl", records[:200])
    packed = write_jsonl(tmp_path / "b.jsonl", records[200:400]).read_bytes()
    (pool / "b.jsonl.zst").write_bytes(zstandard.compress(packed))
    pq.write_table(pa.Table.from_pylist(records[400:]), pool / "c.parquet", row_group_size=50)
    (pool / "_SUCCESS").touch()
    direct.mkdir("bucket")
    for file in [*pool.iterdir()]:
        direct.pipe_file(f"bucket/pool/{file.name}", file.read_bytes())
    direct.pipe_file("bucket/target.jsonl", target.read_bytes())
    yield pool
    direct.rm("bucket", recursive=True)


def select(pool, target, output, **options):
    return package.select(
        pool, target=target, output=output, top_k=60, workers=1, format="jsonl",
        work_dir=output.with_suffix(".work"), **options,
    )  # fmt: skip


@pytest.fixture
def expected(bucket, target, tmp_path):
    result = select(bucket, target, tmp_path / "local")
    return b"".join(Path(file).read_bytes() for file in result.files)


@pytest.mark.parametrize(
    "troubles",
    [[], ["throttle", "cut", "cut", "throttle"], ["cut"] * 4 + ["pass"] + ["throttle"] * 4],
)
def test_the_same_subset_as_from_a_directory(bucket, expected, tmp_path, faults, troubles):
    faults.extend(troubles)
    result = select("s3://bucket/pool", "s3://bucket/target.jsonl", tmp_path / "remote")
    assert b"".join(Path(file).read_bytes() for file in result.files) == expected
    assert result.n_rows == 600
    assert not faults


def test_patterns_and_single_objects(bucket, target, tmp_path):
    result = select(["s3://bucket/pool/*.jsonl*", "s3://bucket/pool/c.parquet"], target,
                    tmp_path / "remote")  # fmt: skip
    assert [shard.path for shard in result.report.shards] == [
        "s3://bucket/pool/a.jsonl",
        "s3://bucket/pool/b.jsonl.zst",
        "s3://bucket/pool/c.parquet",
    ]


def test_a_network_that_goes_on_failing_is_no_bad_file(bucket, target, tmp_path, faults):
    faults.append("always-cut")
    with pytest.raises(StorageError, match=r"s3://bucket/pool/.*failed 5 times"):
        select("s3://bucket/pool", target, tmp_path / "remote", on_bad_file="skip")
    assert not (tmp_path / "remote").exists()


def test_missing_buckets_and_objects_are_named(bucket, target, tmp_path):
    with pytest.raises(BadShards, match="no such object or bucket") as caught:
        select(["s3://nowhere/pool", "s3://bucket/none.jsonl"], target, tmp_path / "remote")
    assert [error.shard for error in caught.value.errors] == [
        "s3://nowhere/pool",
        "s3://bucket/none.jsonl",
    ]
    assert "made-up-secret" not in str(caught.value)


def test_an_object_that_was_replaced_is_scored_again(bucket, direct, target, tmp_path):
    first = select("s3://bucket/pool/a.jsonl", target, tmp_path / "remote")
    changed = write_jsonl(tmp_path / "new.jsonl", make_records(250, seed=5))
    direct.pipe_file("bucket/pool/a.jsonl", changed.read_bytes())
    second = select("s3://bucket/pool/a.jsonl", target, tmp_path / "remote")
    assert (first.n_rows, second.n_rows) == (200, 250)


@pytest.mark.parametrize("place", ["output", "work_dir"])
def test_what_must_be_a_directory_says_so(pool, target, tmp_path, place):
    options = {"output": tmp_path / "out", "work_dir": tmp_path / "work", place: "s3://bucket/x"}
    with pytest.raises(UsageError, match=r"s3://bucket/x: pools and targets may be URLs"):
        package.select(pool, target=target, top_k=1, **options)
