"""Stores on this machine, behind a network that misbehaves: a bucket on an S3 server and others."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from made_up import make_records, write_jsonl
from remote.proxy import proxy_to

from zipsel.cli.group import cli
from zipsel.pool.finding import find_shards
from zipsel.pool.shards import open_shard
from zipsel.storage import network, paths, ranges, remote

#: The least that this server, asked for small parts, takes.
PART_BYTES = 4096


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
    with proxy_to(server) as proxy:
        for name, value in {
            "AWS_ENDPOINT_URL": proxy.url,
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
        s3fs.S3FileSystem.clear_instance_cache()


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
def command(tmp_path, monkeypatch):
    """Run the command line in this process, in ``tmp_path`` or elsewhere, with one worker."""
    monkeypatch.setenv("ZIPSEL_WORKERS", "1")

    def run(*arguments, cwd=tmp_path):
        cwd.mkdir(exist_ok=True)
        monkeypatch.chdir(cwd)
        return cli.main(list(map(str, arguments)), prog_name="zipsel", standalone_mode=False)

    return run


@pytest.fixture
def asked_of(monkeypatch):
    """Find the shards of a URL; the URLs that were asked about one by one, and were read so."""

    def find(url):
        asked, read = [], []
        with monkeypatch.context() as patch:
            for module, name, calls in ((remote, "describe", asked), (ranges, "open_remote", read)):
                patch.setattr(module, name, counting(getattr(module, name), calls))
            shards, errors = find_shards([url])
        assert errors == []
        # What the listing says is what each file says of itself.
        assert shards == [open_shard(shard.path, shard.index) for shard in shards]
        return asked, read

    return find


def counting(function, calls):
    def call(path, *arguments, **options):
        calls.append(path)
        return function(path, *arguments, **options)

    return call
