"""A bucket on an S3 server of this machine, behind a network that misbehaves."""

import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from made_up import make_records, write_jsonl

from zipsel.cli.group import cli
from zipsel.storage import network, paths

#: The least that this server, asked for small parts, takes.
PART_BYTES = 4096


class Proxy(BaseHTTPRequestHandler):
    """Passes requests on to the server and does to them what ``faults`` say.

    Each request for a range of an object takes the next of ``faults``, each that writes (PUT,
    POST, DELETE) the next of ``write_faults``: ``pass``, ``throttle`` (503 SlowDown), ``cut`` (half
    an answer; a request that writes is cut before the server has it), ``lost`` (the server does as
    it is told, and nobody hears so), ``gone`` (404 NoSuchUpload), ``hold`` (until the test says).
    """

    protocol_version = "HTTP/1.1"
    upstream = ""
    faults: list[str]
    write_faults: list[str]
    written: list[str]
    held: threading.Event
    release: threading.Event

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) or None
        fault = self.next_fault()
        if fault == "hold":
            self.held.set()
            self.release.wait(60)
        if self.command != "GET" and fault == "cut":
            self.close_connection = True
            return
        if fault == "throttle":
            self.say_error(503, "SlowDown")
            return
        if fault == "gone":
            self.say_error(404, "NoSuchUpload")
            return
        request = urllib.request.Request(
            self.upstream + self.path, body, dict(self.headers), method=self.command
        )
        if body is not None and not request.has_header("Content-type"):
            request.add_header("Content-Type", "binary/octet-stream")  # else urllib says: a form
        try:
            answer = urllib.request.urlopen(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        data = answer.read()
        size = answer.headers.get("Content-Length") if self.command == "HEAD" else len(data)
        if fault == "lost":
            self.close_connection = True
            return
        self.answer(answer.status, answer.headers, data, size, cut=fault == "cut")

    def say_error(self, status, code):
        data = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self.answer(status, {}, data, len(data))

    def next_fault(self):
        if self.command in ("PUT", "POST", "DELETE"):
            self.written.append(f"{self.command} {self.path}")
        if self.command == "GET" and self.headers.get("Range"):
            queue = self.faults
        elif self.command in ("PUT", "POST", "DELETE"):
            queue = self.write_faults
        else:
            return None
        if queue and queue[0].startswith("always-"):
            return queue[0].removeprefix("always-")
        return queue.pop(0) if queue else None

    def answer(self, status, headers, data, size, cut=False):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if cut:
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="session")
def s3fs():
    return pytest.importorskip("s3fs", reason="s3fs is not installed")


@pytest.fixture(scope="session")
def server():
    moto_server = pytest.importorskip("moto.server", reason="moto is not installed")
    from moto.s3 import models

    models.S3_UPLOAD_PART_MIN_SIZE = PART_BYTES
    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def proxy(server, s3fs, monkeypatch):
    """The network between this process and the server."""
    proxy = type(
        "ThisProxy",
        (Proxy,),
        {
            "upstream": server,
            "faults": [],
            "write_faults": [],
            "written": [],
            "held": threading.Event(),
            "release": threading.Event(),
        },
    )
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), proxy)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{httpd.server_port}",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(network, "_wait", lambda _seconds: None)
    monkeypatch.setattr(paths, "_PART_BYTES", PART_BYTES)
    monkeypatch.setattr(paths, "_PART_ATTEMPTS", 2)  # s3fs waits between them
    s3fs.S3FileSystem.clear_instance_cache()
    yield proxy
    proxy.release.set()
    s3fs.S3FileSystem.clear_instance_cache()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def faults(proxy):
    """What happens to the next reads."""
    return proxy.faults


@pytest.fixture
def direct(proxy, server, s3fs):
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


@pytest.fixture
def command(proxy, tmp_path, monkeypatch):
    """Run the command line in this process, in ``tmp_path`` or elsewhere, with one worker."""
    monkeypatch.setenv("ZIPSEL_WORKERS", "1")

    def run(*arguments, cwd=tmp_path):
        cwd.mkdir(exist_ok=True)
        monkeypatch.chdir(cwd)
        return cli.main(list(map(str, arguments)), prog_name="zipsel", standalone_mode=False)

    return run
