"""Every command of the README runs, in order, in one folder, as a reader would run them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()

#: Commands that set an environment up; .ci/run and `make` itself are their test.
SETUP = re.compile(r"^(pip install|git clone|cd )")


def shell_blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def python_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Commands of all blocks; a line that ends in a backslash goes on."""
    joined = "\n".join(shell_blocks()).replace("\\\n", " ")
    lines = [line.split("  #")[0].strip() for line in joined.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def test_the_readme_can_be_read_in_one_sitting():
    assert len(README.splitlines()) <= 300


def test_make_targets_of_the_readme_exist():
    targets = [
        target for line in commands() if line.startswith("make ") for target in line.split()[1:]
    ]
    assert {"demo", "test"} <= set(targets)
    for target in targets:
        made = subprocess.run(
            ["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True
        )
        assert made.returncode == 0, made.stderr.decode()


@pytest.fixture(scope="module")
def reader_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "configs", folder / "configs")
    return folder


def test_commands_and_code_of_the_readme_run(reader_folder):
    pytest.importorskip("pyppmd", reason="zipsel eval needs the extra eval")
    run = [line for line in commands() if not SETUP.match(line) and not line.startswith("make ")]
    assert len(run) > 10
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for line in run:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=reader_folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"

    blocks = python_blocks()
    assert blocks
    for block in blocks:
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=reader_folder, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{block}\n{done.stderr}"
