"""Every command's help has examples, and every example runs as it stands there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zipsel.cli.group import cli

#: What an example may take for granted, made by the examples before it and by ``folder``.
_ORDER = ("select", "fit", "score", "report", "explain", "completion", "demo")


def examples_of(name):
    command = cli.get_command(None, name)
    return re.findall(r"^  (zipsel .*)$", command.epilog or "", re.MULTILINE)


def all_examples():
    names = sorted(cli.list_commands(None), key=lambda name: (*_ORDER, name).index(name))
    return [(name, example) for name in names for example in examples_of(name)]


@pytest.fixture
def run(tmp_path, pool, target, zipsel_env):
    """Run a line of shell where pool/, target.jsonl, new.jsonl and text.txt are."""
    shutil.copy(pool / "part-0.jsonl", tmp_path / "new.jsonl")
    shutil.copy(target, tmp_path / "held-out.jsonl")
    shutil.copy(pool / "part-1.jsonl", tmp_path / "other.jsonl")
    (tmp_path / "text.txt").write_text("def f(self):\n    return self\n")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run_line(line):
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=tmp_path,
            env={**zipsel_env, "PATH": path},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run_line


@pytest.mark.parametrize("name", cli.list_commands(None))
def test_every_help_has_an_example(name):
    assert examples_of(name), f"zipsel {name} --help shows no example"


def test_every_example_runs(run):
    pytest.importorskip("pyppmd", reason="zipsel eval needs the extra eval")
    other = run("zipsel select pool/ --target target.jsonl --output other/ --top-k 9")
    assert other.returncode == 0, other.stderr
    for name, example in all_examples():
        done = run(example)
        assert done.returncode == 0, f"{name}: {example}\n{done.stderr}"


def test_version_names_the_libraries(run):
    lines = run("zipsel --version").stdout.splitlines()
    assert lines[0].startswith("zipsel ")
    assert {"python", "zstandard", "libzstd", "pyarrow", "numpy"} <= {
        line.split()[0] for line in lines
    }


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_the_program(run, shell):
    script = run(f"zipsel completion {shell}").stdout
    assert "_ZIPSEL_COMPLETE" in script
    if shutil.which(shell):
        assert run(f"zipsel completion {shell} > script && {shell} -n script").returncode == 0


def test_completion_completes_commands_and_options(run):
    ask = "COMP_WORDS='{}' COMP_CWORD={} _ZIPSEL_COMPLETE=bash_complete zipsel"
    assert run(ask.format("zipsel ex", 1)).stdout.split() == ["plain,explain"]
    found = run(ask.format("zipsel select --max-b", 2)).stdout.split()
    assert found == ["plain,--max-bytes"]
