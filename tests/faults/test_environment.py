"""A machine that lacks what a run needs: the run works all the same, or one sentence says what."""

import errno
import multiprocessing.synchronize
import subprocess
import sys

import pytest

from zipsel.engines.local import LocalEngine
from zipsel.errors import UsageError


def test_a_long_temporary_directory_is_no_obstacle(zipsel, pool, target, tmp_path):
    """Jobs on clusters have such; the address of a socket holds 107 characters."""
    long = tmp_path / ("t" * 120)
    long.mkdir()
    arguments = ["select", pool, "-t", target, "--top-k", 5, "--workers", 2, "-o"]
    zipsel(*arguments, "long", env={"TMPDIR": str(long)})
    zipsel(*arguments, "short")
    subsets = [(tmp_path / name / "subset-00000.jsonl").read_bytes() for name in ("long", "short")]
    assert subsets[0] == subsets[1]
    assert list(long.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_without_shared_memory_the_remedy_is_named(monkeypatch, number):
    def refuse(*_):
        raise OSError(number, "no")

    monkeypatch.setattr(multiprocessing.synchronize._multiprocessing, "SemLock", refuse)
    with pytest.raises(UsageError, match=r"/dev/shm .*--shm-size.*--workers 1"):
        list(LocalEngine(2).run(len, ["a", "b"]))
    assert dict(LocalEngine(1).run(len, ["ab"])) == {"ab": 2}


def test_a_current_directory_that_was_removed_is_named(pool, target, tmp_path, zipsel_env):
    (tmp_path / "gone").mkdir()
    command = 'cd gone; rmdir ../gone; exec "$@"'
    arguments = ["select", pool, "-t", target, "-o", tmp_path / "out", "--top-k", "5"]
    done = subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, "-m", "zipsel", *map(str, arguments)],
        capture_output=True, check=False, cwd=tmp_path, env=zipsel_env, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("zipsel: error: the current directory cannot be used")
    assert len(done.stderr.splitlines()) == 1
