"""The work directory's locks, and what is removed under them."""

import fcntl
import os
import subprocess

import pytest

from zipsel.errors import OutputError, WorkDirLocked
from zipsel.storage.staging import TEMPORARY_MARK, write_atomically
from zipsel.storage.workdir import WorkDir


@pytest.fixture
def work(tmp_path):
    return WorkDir(str(tmp_path / "work"))


@pytest.fixture
def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return str(process.pid)


@pytest.mark.parametrize(("first", "second"), [(False, False), (False, True), (True, False)])
def test_a_run_keeps_every_other_out(work, first, second):
    with (
        work.locked("wait", shared=first),
        pytest.raises(WorkDirLocked, match="--lock wait"),
        work.locked("fail", shared=second),
    ):
        pytest.fail("two runs hold the lock")
    with work.locked("fail"):  # it is free again
        pass


def test_ranks_share_the_directory_and_leave_each_other_alone(work, dead):
    with work.locked("wait", shared=True):
        spool = work.spool()
        temporary = os.path.join(work.path, f".part{TEMPORARY_MARK}{dead}-2")
        with open(temporary, "x"):
            pass
        with work.locked("fail", shared=True):
            assert os.path.exists(spool)
        assert os.path.exists(temporary)
    assert os.path.exists(temporary)
    with work.locked("fail"):
        assert not os.path.exists(temporary)
        assert not os.path.exists(spool)


def test_a_run_leaves_what_another_is_writing_before_it_has_the_lock(work):
    with write_atomically(os.path.join(work.path, "profiles", "key")) as file:
        with work.locked("wait"):
            pass
        file.write(b"whole")
    with open(os.path.join(work.path, "profiles", "key"), "rb") as file:
        assert file.read() == b"whole"


def test_a_run_removes_what_a_worker_of_a_killed_run_has_begun(work):
    left = os.path.join(work.path, f".part{TEMPORARY_MARK}{os.getpid()}-2")
    os.makedirs(work.path)
    with open(left, "x"):
        pass
    with work.locked("wait"):
        assert not os.path.exists(left)


def test_of_several_ranks_one_fits_a_profile(work):
    with work.alone("key"), work.alone("another"):
        lock = os.open(os.path.join(work.path, "profiles", "key.lock"), os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(lock)


def test_copies_of_standard_input_go_with_their_run(work, dead):
    os.makedirs(os.path.join(work.path, "stdin", f"{dead}-1"))
    with work.scratch("stdin") as folder:
        os.makedirs(os.path.join(work.path, "stdin", f"{dead}-2"))
        with work.locked("wait"):
            assert os.listdir(os.path.join(work.path, "stdin")) == [os.path.basename(folder)]
    assert os.listdir(os.path.join(work.path, "stdin")) == []


def test_a_directory_that_cannot_be_used_is_told_with_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match=r"cannot use work directory .*--work-dir DIR"),
        WorkDir(str(tmp_path / "file" / "work")).locked("wait"),
    ):
        pass
