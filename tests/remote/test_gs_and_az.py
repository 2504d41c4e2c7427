"""GCS and Azure's store: emulators of both, behind a network that misbehaves."""

import asyncio
import base64
import re
import subprocess
import sys
from pathlib import Path

import pytest
from remote.proxy import proxy_to

import zipsel as package
from zipsel.errors import BadShards, OutputError, StorageError, UsageError
from zipsel.storage import network

fsspec = pytest.importorskip("fsspec", reason="needs the extra remote")
pytest.importorskip("gcsfs", reason="needs the extra remote")
pytest.importorskip("adlfs", reason="needs the extra remote")
pytestmark = pytest.mark.filterwarnings("default")

AZURITE = Path(sys.prefix) / "azurite" / "node_modules" / ".bin" / "azurite-blob"
ACCOUNT, KEY = "devstoreaccount1", base64.b64encode(b"made-up-secret").decode()


@pytest.fixture(scope="session")
def gs_server():
    emulator = pytest.importorskip("gcp_storage_emulator.server")
    server = emulator.create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    host, port = server._api._httpd.server_address
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def az_server():
    if not AZURITE.exists():
        pytest.skip("Azurite is not installed (make programs)")
    server = subprocess.Popen(
        [AZURITE, "--inMemoryPersistence", "--blobPort=0", "--skipApiVersionCheck",
         "--disableTelemetry"],
        env={"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}", "PATH": "/usr/bin:/bin:/usr/local/bin"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in server.stdout:
        if found := re.search(r"successfully listens on (http://\S+)", line):
            break
    else:
        pytest.fail("Azurite did not start")
    yield found[1]
    server.terminate()
    server.communicate(timeout=30)


def at_once(sleep):
    """Both stores' libraries wait up to half a minute between two attempts."""

    async def wait(_seconds, *arguments):
        return await sleep(0, *arguments)

    return wait


@pytest.fixture(params=["gs", "az"])
def protocol(request):
    return request.param


@pytest.fixture
def proxy(request, protocol, monkeypatch):
    """The network between this process and the server; the store has a container ``bucket``."""
    monkeypatch.setattr(network, "_wait", lambda _seconds: None)
    monkeypatch.setattr("gcsfs.retry.asyncio.sleep", at_once(asyncio.sleep))
    with proxy_to(request.getfixturevalue(f"{protocol}_server")) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        monkeypatch.setenv(
            "AZURE_STORAGE_CONNECTION_STRING",
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={proxy.url}/{ACCOUNT};",
        )
        fsspec.get_filesystem_class(protocol).clear_instance_cache()
        yield proxy
        fsspec.get_filesystem_class(protocol).clear_instance_cache()


@pytest.fixture
def store(proxy, protocol, pool, target):
    """The pool and the target in a store; its file system."""
    system = fsspec.filesystem(protocol, use_listings_cache=False)
    system.mkdir("bucket")
    for file in pool.iterdir():
        system.pipe_file(f"bucket/pool/{file.name}", file.read_bytes())
    system.pipe_file("bucket/target.jsonl", target.read_bytes())
    yield system
    system.rm("bucket", recursive=True)


def select(pool, target, output, tmp_path, **options):
    options = {"top_k": 20, "format": "jsonl", "work_dir": tmp_path / "work", **options}
    return package.select(pool, target=target, output=output, workers=1, **options)


@pytest.fixture
def expected(pool, target, tmp_path):
    """The subset as it is made of files of this machine."""
    (file,) = select(
        pool, target, tmp_path / "near", tmp_path, work_dir=tmp_path / "near-work"
    ).files
    return Path(file).read_bytes()


@pytest.mark.parametrize(
    ("reads", "writes"),
    [([], []), (["throttle", "cut", "throttle"], ["throttle", "lost", "pass", "cut"])],
)
def test_a_subset_from_a_store_to_the_store(
    store, protocol, proxy, expected, tmp_path, reads, writes
):
    proxy.faults.extend(reads)
    proxy.write_faults.extend(writes)
    here = f"{protocol}://bucket"
    for output in (f"{here}/out", f"{here}/one.jsonl"):
        select(f"{here}/pool", f"{here}/target.jsonl", output, tmp_path)
    assert store.cat_file("bucket/out/subset-00000.jsonl") == expected
    assert store.cat_file("bucket/one.jsonl") == expected
    assert "manifest.json" in {name.rpartition("/")[2] for name in store.find("bucket/out")}
    assert not [name for name in store.find("bucket") if "tmp" in name or "probe" in name]
    assert not proxy.faults
    assert not proxy.write_faults
    proxy.written.clear()
    select(f"{here}/pool", f"{here}/target.jsonl", f"{here}/out", tmp_path)
    assert proxy.written == []  # up to date


def test_a_profile_in_a_store(store, protocol, command, pool, target, tmp_path):
    profile = f"{protocol}://bucket/code.profile"
    command("fit", pool, "--target", target, "--output", profile)
    command("fit", pool, "--target", target, "--output", "code.profile")
    assert store.cat_file("bucket/code.profile") == (tmp_path / "code.profile").read_bytes()
    for name, output in ((profile, "far.jsonl"), ("code.profile", "near.jsonl")):
        command("select", pool, "--profile", name, "--top-k", 9, "--output", output)
    assert (tmp_path / "far.jsonl").read_bytes() == (tmp_path / "near.jsonl").read_bytes()


def test_machines_exchange_scores_through_a_store(
    store, protocol, proxy, command, target, tmp_path, expected
):
    here = f"{protocol}://bucket"
    arguments = (f"{here}/pool", "-t", target, "--work-dir", f"{here}/work")
    for rank in range(2):
        command("score", *arguments, "--rank", rank, "--world-size", 2, cwd=tmp_path / f"{rank}")
    assert len([name for name in store.find("bucket/work") if name.endswith(".parquet")]) == 3
    proxy.written.clear()
    command("select", *arguments, "--top-k", 20, "--output", "far.jsonl", cwd=tmp_path / "third")
    assert (tmp_path / "third" / "far.jsonl").read_bytes() == expected
    assert not [line for line in proxy.written if ".parquet" in line]


def test_what_is_missing_is_named(store, protocol, target, tmp_path):
    missing = [f"{protocol}://nowhere/pool", f"{protocol}://bucket/none.jsonl"]
    with pytest.raises(BadShards, match="no such object or bucket") as caught:
        select(missing, target, tmp_path / "out", tmp_path)
    assert [error.shard for error in caught.value.errors] == missing
    with pytest.raises(
        OutputError, match=rf"cannot write {protocol}://nowhere/.*no such object or"
    ):
        select(f"{protocol}://bucket/pool", target, f"{protocol}://nowhere/out", tmp_path)
    assert not list((tmp_path / "work").glob("scores/**/*.parquet"))


def test_a_network_that_goes_on_failing_is_no_bad_file(store, protocol, proxy, target, tmp_path):
    proxy.faults.append("always-cut")
    with pytest.raises(
        StorageError, match=rf"{protocol}://bucket/pool/.*failed \d times, last with"
    ):
        select(f"{protocol}://bucket/pool", target, tmp_path / "out", tmp_path, on_bad_file="skip")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("protocol", ["az"], indirect=True)
def test_an_account_of_azure_stays_in_the_names(store, target, tmp_path, expected):
    here = f"abfss://bucket@{ACCOUNT}.dfs.core.windows.net/pool"
    result = select(here, target, tmp_path / "far.jsonl", tmp_path)
    assert (tmp_path / "far.jsonl").read_bytes() == expected
    assert [shard.path for shard in result.report.shards] == [
        f"az://bucket@{ACCOUNT}.dfs.core.windows.net/pool/part-{i}.jsonl" for i in range(3)
    ]
    with pytest.raises(UsageError, match="would write over the input"):
        select(here, target, "az://bucket/pool/part-1.jsonl", tmp_path)


@pytest.mark.parametrize("status", [401, 403])
def test_a_store_that_refuses_names_where_credentials_are_looked_for(
    store, protocol, proxy, target, tmp_path, monkeypatch, status
):
    where = {"gs": "GOOGLE_APPLICATION_CREDENTIALS", "az": "AZURE_STORAGE_ACCOUNT_NAME"}[protocol]
    here = f"{protocol}://bucket"
    with monkeypatch.context() as network:
        network.setattr(proxy, "refusal", status)
        for pool in (f"{here}/pool", f"{here}/pool/part-0.jsonl"):
            with pytest.raises(BadShards, match=rf"refuses access.*{where}"):
                select(pool, target, tmp_path / "out", tmp_path)
        with pytest.raises(OutputError, match=rf"cannot \w+ {here}/out.*refuses access.*{where}"):
            select(tmp_path / "pool", target, f"{here}/out", tmp_path)


def test_azure_without_credentials(target, tmp_path, monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    fsspec.get_filesystem_class("az").clear_instance_cache()
    with pytest.raises(
        UsageError, match=r"az://bucket/pool: no credentials found.*AZURE_STORAGE_A"
    ):
        select("az://bucket/pool", target, tmp_path / "out", tmp_path)


def test_a_listing_tells_all_that_finding_needs(store, protocol, asked_of):
    asked, read = asked_of(f"{protocol}://bucket/pool")
    assert len(asked) == 1  # with whose answer the listing is compared
    assert read == []
