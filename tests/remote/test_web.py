"""Pools on web servers: with ranges or without, failing, refusing, or not there at all."""

import gzip
import re
import socket
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

import pytest
from made_up import make_records, write_jsonl
from remote.proxy import serving

import zipsel as package
from zipsel.errors import BadShards, StorageError, UsageError
from zipsel.storage import network
from zipsel.storage.network import insist, open_system

pytest.importorskip("aiohttp", reason="needs the extra remote")
pytestmark = pytest.mark.filterwarnings("default")


class Web(BaseHTTPRequestHandler):
    """Serves ``/MODE/NAME``, with ranges unless the mode says otherwise; a query changes nothing.

    ``whole`` has no ranges, ``gzip`` neither and compresses; ``flaky`` fails two of three times,
    ``cut`` breaks off the first answer to each request, ``always-cut`` all, ``short`` sends less
    than the file and says so; ``moved`` is elsewhere, ``no-head`` answers GET alone, ``unsized``
    tells no length; a number is a status.
    """

    root: Path
    tag = "1"
    requests: list[str]
    whole_bodies: list[str]

    def handle_any(self):
        _, mode, name = self.path.partition("?")[0].split("/", 2)
        asked = self.headers.get("Range") or ""
        self.requests.append(f"{self.command} {self.path} {asked}".strip())
        n_times = self.requests.count(self.requests[-1])
        if mode == "flaky" and n_times % 3:
            mode = "503"
        if mode == "no-head" and self.command == "HEAD":
            mode = "405"
        if mode == "moved":
            self.say_status(302, f"{self.url}/ranges/{name}?signature=a")
        elif mode.isdecimal():
            self.say_status(int(mode))
        else:
            self.send_file(name, mode, asked, is_first=n_times == 1)

    def say_status(self, status, location=None):
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_file(self, name, mode, asked, is_first):
        data = (self.root / name).read_bytes()
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
        is_part = bool(part) and mode not in ("whole", "gzip", "unsized")
        body = data[int(part[1]) : int(part[2]) + 1] if is_part else data
        self.send_response(206 if is_part else 200)
        self.send_header("ETag", f'"{self.tag}"')
        if is_part:
            self.send_header("Content-Range", f"bytes {part[1]}-{part[2]}/{len(data)}")
        if mode == "gzip" and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        if mode == "short" and self.command == "GET":
            body = body[:-1000]
        if mode != "unsized":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            is_cut = mode == "always-cut" or (mode == "cut" and is_first)
            self.wfile.write(body[: len(body) // 2] if is_cut else body)
            if not is_part:
                self.whole_bodies.append(name)

    do_GET = do_HEAD = handle_any

    def handle(self):
        try:
            super().handle()
        except ConnectionError:  # the client had seen enough
            self.close_connection = True

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def web(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "_wait", lambda _seconds: None)
    with serving(Web, root=tmp_path, requests=[], whole_bodies=[]) as handler:
        yield handler


@pytest.fixture
def nobody():
    """The address of a port at which nobody listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{server.getsockname()[1]}"


def select(pool, target, output, **options):
    return package.select(
        pool, target=target, output=output, top_k=40, workers=1, format="jsonl",
        work_dir=output.with_suffix(".work"), **options,
    )  # fmt: skip


def subset_of(result):
    return b"".join(Path(file).read_bytes() for file in result.files)


@pytest.mark.parametrize("mode", ["ranges", "whole", "flaky", "gzip", "cut", "moved", "no-head"])
def test_the_same_subset_as_from_a_directory(web, target, tmp_path, mode):
    # 16 MB: more than sockets hold, so that a body counts as sent only if it was read.
    n_more = 16_000 if mode in ("ranges", "whole") else 1_000
    records = [{**record, "more": "x" * n_more} for record in make_records(1000)]
    pool = write_jsonl(tmp_path / "pool.jsonl", records)
    expected = subset_of(select(pool, target, tmp_path / "near"))
    result = select(f"{web.url}/{mode}/pool.jsonl", target, tmp_path / "far")
    assert subset_of(result) == expected
    if n_more == 16_000:
        assert web.whole_bodies == (["pool.jsonl"] if mode == "whole" else [])


@pytest.mark.parametrize("query", ["?download=true", "?X-Signature=a%2Fb.c&Expires=9"])
def test_the_query_of_an_address_is_no_part_of_its_name(web, target, tmp_path, query):
    pool = write_jsonl(tmp_path / "pool.jsonl", make_records(60))
    result = select(f"{web.url}/ranges/pool.jsonl{query}", target, tmp_path / "far")
    assert subset_of(result) == subset_of(select(pool, target, tmp_path / "near"))
    assert all(unquote(query) in unquote(request) for request in web.requests)


@pytest.mark.parametrize("mode", ["always-cut", "short", "500"])
def test_a_server_that_goes_on_failing_is_no_bad_file(web, target, tmp_path, mode):
    write_jsonl(tmp_path / "pool.jsonl", make_records(60))
    with pytest.raises(StorageError, match=rf"/{mode}/pool\.jsonl: the network .* failed 5 times"):
        select(f"{web.url}/{mode}/pool.jsonl", target, tmp_path / "out", on_bad_file="skip")
    assert not (tmp_path / "out").exists()


def test_a_server_that_tells_no_size_is_told_from_a_failure(web, target, tmp_path):
    write_jsonl(tmp_path / "pool.jsonl", make_records(60))
    with pytest.raises(BadShards, match=r"/unsized/pool\.jsonl: .* not tell its size; download it"):
        select(f"{web.url}/unsized/pool.jsonl", target, tmp_path / "out")


def test_profile_and_target_on_the_web(web, command, pool, target, tmp_path):
    command("fit", pool, "--target", f"{web.url}/ranges/target.jsonl", "--output", "far.profile")
    command("select", pool, "--target", target, "--top-k", 9, "--output", "near.jsonl")
    profile = f"{web.url}/ranges/far.profile"
    command("select", pool, "--profile", profile, "--top-k", 9, "--output", "far.jsonl")
    assert (tmp_path / "far.jsonl").read_bytes() == (tmp_path / "near.jsonl").read_bytes()


def test_a_copy_is_of_the_version_that_the_server_has(web, target, tmp_path):
    """In one process, a file of the same name and size that was replaced is read anew."""
    for kind in ("code", "prose"):
        text = make_records(800, seed=1 if kind == "code" else 2)
        data = write_jsonl(tmp_path / "new.jsonl", text).read_bytes()[:400_000]
        (tmp_path / "pool.jsonl").write_bytes(data + b" " * (400_000 - len(data)))
        web.tag = kind
        far = select(f"{web.url}/whole/pool.jsonl", target, tmp_path / f"far-{kind}")
        near = select(tmp_path / "pool.jsonl", target, tmp_path / f"near-{kind}")
        assert subset_of(far) == subset_of(near)


@pytest.mark.parametrize("path", ["pool.jsonl", "*.jsonl"])
def test_a_server_that_cannot_be_reached_is_no_bad_file(target, tmp_path, nobody, web, path):
    url = f"http://{nobody}/x/{path}"
    with pytest.raises(StorageError, match=re.escape(nobody)):
        select([f"{web.url}/404/none.jsonl", url], target, tmp_path / "out", on_bad_file="skip")
    with pytest.raises(StorageError, match=re.escape(nobody)):
        select(write_jsonl(tmp_path / "p.jsonl", make_records(9)), url, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_store_that_cannot_be_reached_is_no_bad_file(target, tmp_path, nobody, web, monkeypatch):
    s3fs = pytest.importorskip("s3fs", reason="needs the extra remote")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{nobody}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up-secret")
    s3fs.S3FileSystem.clear_instance_cache()
    for path in ("s3://bucket/a.jsonl", "s3://bucket/", "s3://bucket/*.jsonl"):
        with pytest.raises(StorageError, match=f"{re.escape(path)}.*{nobody}"):
            select(path, target, tmp_path / "out", on_bad_file="skip")
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize(
    ("status", "problem"),
    [(403, "refuses access (403); check its credentials"), (404, "no such object or bucket")],
)
def test_a_no_of_the_server_is_told_at_once(web, target, tmp_path, status, problem):
    with pytest.raises(BadShards, match=re.escape(problem)):
        select(f"{web.url}/{status}/pool.jsonl", target, tmp_path / "out")
    assert len(web.requests) <= 2


@pytest.mark.parametrize(
    ("url", "message"),
    [("s3://", "s3://BUCKET/PATH"), ("https:///", "names no file"), ("s4://b/x", "s3://, gs://")],
)
def test_an_address_that_names_nothing_is_refused_with_the_remedy(url, message):
    with pytest.raises(UsageError, match=message):
        open_system(url)


def test_the_cause_of_a_failure_is_named(monkeypatch):
    def ask():
        raise FileNotFoundError("https://x/y") from ConnectionRefusedError("nobody listens")

    monkeypatch.setattr("zipsel.storage.network._wait", lambda _: None)
    with pytest.raises(StorageError, match="last with ConnectionRefusedError: nobody listens"):
        insist("https://x/y", ask)
