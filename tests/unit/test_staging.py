"""Files that appear whole: on disk before they are named, and all named once one is."""

import os

import pytest

from zipsel.errors import Interrupted
from zipsel.storage.staging import staged_files, sweep_temporaries, write_atomically


def test_bytes_are_on_disk_before_the_file_has_its_name(tmp_path, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *given, real=real, name=name: (done.append(name), real(*given))
        )
    with write_atomically(str(tmp_path / "file")) as file:
        file.write(b"all of it")
    assert done == ["fsync", "replace"]
    assert (tmp_path / "file").read_bytes() == b"all of it"


@pytest.mark.parametrize("is_renamed", [False, True])
def test_a_signal_waits_until_all_files_have_their_names(tmp_path, monkeypatch, is_renamed):
    real, calls = os.replace, []

    def replace(*given):
        calls.append(given)
        if len(calls) == 2:
            if is_renamed:
                real(*given)
            raise Interrupted(130)
        real(*given)

    monkeypatch.setattr(os, "replace", replace)
    with staged_files() as staging:
        for name in "abc":
            with staging.open(str(tmp_path / name)) as file:
                file.write(name.encode())
        with pytest.raises(Interrupted):
            staging.commit()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {n: n for n in "abc"}


def test_files_that_were_not_committed_leave_nothing(tmp_path):
    with staged_files() as staging, staging.open(str(tmp_path / "a")) as file:
        file.write(b"half")
    assert list(tmp_path.iterdir()) == []


def test_temporaries_of_this_process_stay(tmp_path):
    with staged_files() as staging:
        temporary = staging.add(str(tmp_path / "a"))
        with open(temporary, "xb"):
            pass
        sweep_temporaries(str(tmp_path))
        assert os.path.exists(temporary)
