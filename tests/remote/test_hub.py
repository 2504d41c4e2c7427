"""Data sets on a hub: a stand-in of the endpoints that ``HfFileSystem`` asks."""

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up import make_records, write_jsonl
from remote.proxy import serving

import zipsel as package
from zipsel.errors import BadShards, StorageError
from zipsel.storage import network

constants = pytest.importorskip("huggingface_hub.constants", reason="needs the extra remote")
pytestmark = pytest.mark.filterwarnings("default")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Serves the folders below ``root`` as data sets; of ``org/gated`` it gives no file.

    Each request takes the next of ``faults``, a status to answer with.
    """

    protocol_version = "HTTP/1.1"
    root: Path
    faults: list[int]
    ranges: list[str]

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        found = re.fullmatch(
            r"(?:/api)?/datasets/(org/\w+)(?:/(\S+?)/(main|[0-9a-f]{40})(?:/(.*))?)?", unquote(path)
        )
        if self.faults:
            status = self.faults[0] if self.faults[0] < 0 else self.faults.pop(0)
            self.say(abs(status), {"error": "later"})
        elif found is None or not (self.root / found[1]).is_dir():
            self.refuse(401, "RepoNotFound")
        else:
            self.answer(self.root / found[1], found[2] or "revision", found[4] or "", body, query)

    def answer(self, folder, what, name, body, query):
        if what == "resolve":
            self.send_range(folder, name)
        elif what == "paths-info":
            asked = (
                json.loads(body)["paths"] if body[:1] == b"{" else parse_qs(body.decode())["paths"]
            )
            entries = [entry(folder, folder / one) for one in asked]
            self.say(200, [one for one in entries if one])
        elif what == "tree":
            below = parse_qs(query).get("recursive", [""])[0].lower() == "true"
            paths = sorted((folder / name).glob("**/*" if below else "*"))
            if not (folder / name).is_dir():
                self.refuse(404, "EntryNotFound")
            else:
                self.say(200, [entry(folder, one) for one in paths])
        else:
            self.say(200, {"id": f"org/{folder.name}", "sha": COMMIT, "siblings": [], "tags": []})

    def send_range(self, folder, name):
        if folder.name == "gated":
            self.refuse(403, "GatedRepo")
            return
        data = (folder / name).read_bytes()
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "bytes=0-")
        end = min(int(part[2] or len(data)), len(data) - 1)
        headers = {"ETag": f'"{len(data)}"', "Content-Range": f"bytes {part[1]}-{end}/{len(data)}"}
        self.ranges.append(f"{name} {part[0]}")
        self.say(206, data[int(part[1]) : end + 1], headers)

    def refuse(self, status, code):
        self.say(status, {"error": code}, {"X-Error-Code": code, "X-Error-Message": code})

    def say(self, status, data, headers=()):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = handle_any

    def log_message(self, *_):
        """Say nothing."""


def entry(folder, path):
    """What the hub says of a file or a folder; None if there is none."""
    if not path.exists():
        return None
    kind, data = ("directory", b"") if path.is_dir() else ("file", path.read_bytes())
    commit = {"id": COMMIT, "title": "all", "date": "2026-01-01T00:00:00.000Z"}
    name = str(path.relative_to(folder))
    oid = hashlib.sha1(data).hexdigest()
    return {"type": kind, "oid": oid, "size": len(data), "path": name, "lastCommit": commit}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    from huggingface_hub import HfFileSystem

    monkeypatch.setattr(network, "_wait", lambda _seconds: None)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _seconds: None)
    with serving(Hub, root=tmp_path / "hub", faults=[], ranges=[]) as hub:
        # As HF_ENDPOINT does, which is read once in a process.
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        HfFileSystem.clear_instance_cache()
        yield hub
        HfFileSystem.clear_instance_cache()


@pytest.fixture
def records():
    return make_records(600)


@pytest.fixture
def folder(hub, tmp_path, records, target):
    """A data set of a Parquet file and a file of lines, open and gated, and its target."""
    folder = tmp_path / "hub" / "org" / "open"
    write_jsonl(folder / "data" / "a.jsonl", records[:200])
    big = [{**record, "more": f"{i}" * 4000} for i, record in enumerate(records[200:])]
    pq.write_table(pa.Table.from_pylist(big), folder / "data" / "b.parquet", compression="none",
                   use_dictionary=False, row_group_size=50)  # fmt: skip
    (folder / "target.jsonl").write_bytes(target.read_bytes())
    (folder.parent / "gated").symlink_to(folder)
    return folder


def select(pool, target, output, **options):
    return package.select(
        pool, target=target, output=output, top_k=40, workers=1, work_dir=f"{output}.work",
        format="jsonl", **options,
    )  # fmt: skip


@pytest.mark.parametrize("faults", [[], [429, 503, 429]])
def test_the_same_subset_as_from_a_directory(hub, folder, tmp_path, faults):
    expected = tmp_path / "near.jsonl"
    select(folder / "data", folder / "target.jsonl", expected)
    hub.faults.extend(faults)
    here = "hf://datasets/org/open"
    result = select(f"{here}/data", f"{here}/target.jsonl", tmp_path / "far.jsonl")
    assert (tmp_path / "far.jsonl").read_bytes() == expected.read_bytes()
    assert [shard.path for shard in result.report.shards] == [
        f"{here}/data/a.jsonl",
        f"{here}/data/b.parquet",
    ]
    assert not hub.faults


def test_no_byte_is_fetched_far_more_often_than_once(hub, folder, tmp_path):
    """The library's files read 5 MB ahead of whatever is asked."""
    n_bytes = sum(file.stat().st_size for file in (folder / "data").iterdir())
    select("hf://datasets/org/open/data", folder / "target.jsonl", tmp_path / "far.jsonl")
    ranges = [map(int, re.search(r"(\d+)-(\d+)$", one).groups()) for one in hub.ranges]
    assert sum(end + 1 - start for start, end in ranges) < 4 * n_bytes


def test_a_profile_on_the_hub(hub, folder, tmp_path):
    scorer = package.Scorer.fit(["def f(): return 1"], ["the party shall hereby"])
    scorer.save(folder / "code.profile")
    for name, profile in (("far", "hf://datasets/org/open"), ("near", folder)):
        package.select(
            folder / "data", profile=f"{profile}/code.profile", output=tmp_path / f"{name}.jsonl",
            top_k=9, workers=1, format="jsonl",
        )  # fmt: skip
    assert (tmp_path / "far.jsonl").read_bytes() == (tmp_path / "near.jsonl").read_bytes()


def test_what_is_missing_or_gated_is_named_with_the_remedy(hub, folder, target, tmp_path):
    here = "hf://datasets/org"
    for missing in (f"{here}/none/a.jsonl", f"{here}/open/none.jsonl"):
        with pytest.raises(BadShards, match=f"{missing}: no such object or bucket"):
            select(missing, target, tmp_path / "out")
    with pytest.raises(BadShards, match=rf"{here}/gated/data/a\.jsonl: .*refuses access.*HF_TOKEN"):
        select(f"{here}/gated/data/a.jsonl", target, tmp_path / "out")


def test_a_rate_limit_that_goes_on_is_no_bad_file(hub, folder, target, tmp_path):
    hub.faults.append(-429)
    with pytest.raises(StorageError, match=r"hf://datasets/org/open/data: .*429"):
        select("hf://datasets/org/open/data", target, tmp_path / "out", on_bad_file="skip")
