"""Runs that are held to account, in this process where no process matters."""

import os

import pytest

from faults.faulty import Outcome, assert_nothing_stands
from zipsel.cli.group import cli
from zipsel.errors import ZipselError


@pytest.fixture
def run(tmp_path, target, monkeypatch):
    """Run ``zipsel select`` in this process; a failed run must leave nothing behind."""
    for name in list(os.environ):
        if name.startswith("ZIPSEL_"):
            monkeypatch.delenv(name)

    def run_select(*pool, options=(), budget=("--fraction", "1"), output="out", workers=1):
        path = tmp_path / output
        arguments = ["select", *map(str, pool), "--target", str(target), "--output", str(path)]
        arguments += [*budget, "--dedup", "none", "--order", "input", "--quiet"]
        arguments += ["--keep-leaks", "--workers", str(workers), *map(str, options)]
        before = {one for one in path.rglob("*") if one.is_file()}
        try:
            result = cli.main(arguments, prog_name="zipsel", standalone_mode=False)
        except ZipselError as error:
            assert_nothing_stands(path, work_dir=tmp_path / ".zipsel", before=before)
            return Outcome(error.exit_code, str(error), path)
        return Outcome(result or 0, "", path)

    return run_select
