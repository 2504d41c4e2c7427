"""A shard is known by its content: its path, its times and its inode only save reading it again."""

import os
import shutil
from pathlib import Path

import pytest
from made_up import make_records, write_jsonl

from zipsel.errors import ShardError
from zipsel.pool import known as known_module
from zipsel.pool.known import KnownFile, KnownFiles
from zipsel.pool.shards import check_unchanged, open_shard, read_content


@pytest.fixture
def shard_path(tmp_path):
    """A file larger than what is read of it to tell its format."""
    return write_jsonl(tmp_path / "a.jsonl", make_records(2000))


@pytest.fixture
def settled(monkeypatch):
    """Files are remembered however young they are."""
    monkeypatch.setattr(known_module, "SETTLED_SECONDS", -60)


def fingerprint(path):
    return read_content(open_shard(str(path), 0)).fingerprint


def test_the_fingerprint_follows_the_content_wherever_it_is(shard_path, tmp_path):
    first = fingerprint(shard_path)
    moved = tmp_path / "elsewhere" / "b.jsonl"
    moved.parent.mkdir()
    shutil.copy(shard_path, moved)
    os.utime(moved, (1, 1))
    (tmp_path / "link.jsonl").symlink_to(moved)
    os.link(moved, tmp_path / "hard.jsonl")
    assert {fingerprint(path) for path in tmp_path.rglob("*.jsonl")} == {first}


def test_a_byte_in_the_middle_makes_another_fingerprint(shard_path):
    before, status = fingerprint(shard_path), shard_path.stat()
    content = bytearray(shard_path.read_bytes())
    content[len(content) // 2] ^= 1
    with open(shard_path, "r+b") as file:
        file.write(content)
    os.utime(shard_path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fingerprint(shard_path) != before


def test_the_same_bytes_in_another_format_are_another_shard(tmp_path):
    for name in ("a.csv", "a.tsv"):
        (tmp_path / name).write_bytes(b"text\nabc\n")
    assert fingerprint(tmp_path / "a.csv") != fingerprint(tmp_path / "a.tsv")


def test_a_known_file_is_not_opened(shard_path, tmp_path, settled, monkeypatch):
    known = KnownFiles(str(tmp_path / "work"))
    shard = open_shard(str(shard_path), 0)
    content = read_content(shard)
    known.note(shard.mark, KnownFile(content.fingerprint, shard.format), content.changed_ns)
    known.save()
    monkeypatch.setattr("builtins.open", lambda *_: pytest.fail("the file was opened"))
    again = KnownFiles.__new__(KnownFiles)
    again.__dict__ = known.__dict__
    assert open_shard(str(shard_path), 0, known=again).fingerprint == content.fingerprint


def test_a_file_rewritten_under_its_old_times_is_not_taken_for_known(shard_path, tmp_path, settled):
    known = KnownFiles(str(tmp_path / "work"))
    shard, status = open_shard(str(shard_path), 0), shard_path.stat()
    content = read_content(shard)
    known.note(shard.mark, KnownFile(content.fingerprint, shard.format), content.changed_ns)
    data = shard_path.read_bytes()
    with open(shard_path, "r+b") as file:
        file.write(data[::-1])
    os.utime(shard_path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not open_shard(str(shard_path), 0, known=known).is_identified


def test_a_file_that_may_still_change_unseen_is_not_remembered(shard_path, tmp_path):
    known = KnownFiles(str(tmp_path / "work"))
    shard = open_shard(str(shard_path), 0)
    content = read_content(shard)
    known.note(shard.mark, KnownFile(content.fingerprint, shard.format), content.changed_ns)
    assert known.find(shard.mark, content.changed_ns) is None


def test_runs_side_by_side_lose_nothing(tmp_path):
    work = str(tmp_path / "work")
    runs = [KnownFiles(work) for _ in range(3)]
    for number, run in enumerate(runs):
        run.note(f"mark-{number}", KnownFile(f"{number}", "jsonl"))
        run.save()
    after = KnownFiles(work)
    assert [after.find(f"mark-{n}").fingerprint for n in range(3)] == ["0", "1", "2"]
    after.save()
    assert len(list(Path(work, "known").iterdir())) == 1


def test_what_no_run_met_for_days_is_forgotten(tmp_path, monkeypatch):
    work = str(tmp_path / "work")
    known = KnownFiles(work)
    known.note("old", KnownFile("1", "jsonl"))
    known.note("met", KnownFile("2", "jsonl"))
    known.save()
    today = known_module.time.time()
    monkeypatch.setattr(known_module.time, "time", lambda: today + 10 * 86_400)
    later = KnownFiles(work)
    assert later.find("met") is not None
    later.save(keep_days=5)
    left = KnownFiles(work)
    assert (left.find("old"), left.find("met").fingerprint) == (None, "2")


def test_a_damaged_memory_is_no_memory(tmp_path):
    folder = tmp_path / "work" / "known"
    folder.mkdir(parents=True)
    (folder / "a.msgpack").write_bytes(b"\xff\x00 nothing")
    known = KnownFiles(str(tmp_path / "work"))
    known.note("mark", KnownFile("1", "jsonl"))
    known.save()
    assert len(list(folder.iterdir())) == 1


def test_a_change_of_a_file_shows_while_it_is_read(shard_path):
    shard = open_shard(str(shard_path), 0)
    check_unchanged(shard)
    with open(shard_path, "ab") as file:
        file.write(b"\n")
    with pytest.raises(ShardError, match="changed while it was being read"):
        check_unchanged(shard)
