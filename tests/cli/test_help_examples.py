"""Every command's help has examples, and every example runs as it stands there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from zipsel.cli.group import cli
from zipsel.commands.option_table import COMMANDS

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
    assert run(ask.format("zipsel select po", 2)).stdout.split() == ["file,po"]
    assert run(ask.format("zipsel select pool --target tar", 4)).stdout.split() == ["file,tar"]


def test_completion_completes_fields_of_the_shards_that_are_named(run):
    ask = "COMP_WORDS='{}' COMP_CWORD={} _ZIPSEL_COMPLETE=bash_complete zipsel"
    run("""echo '{"content": "a", "meta": {"lang": "en"}}' > a.jsonl""")
    for line, at in (
        ("zipsel select a.jsonl --text-field m", 4),
        ("zipsel select a.jsonl -o x --group-field m", 6),
        ("zipsel fit pool -t a.jsonl --target-text-field m", 6),
        ("zipsel peek a.jsonl --text-field m", 4),
    ):
        assert run(ask.format(line, at)).stdout.split() == ["plain,meta.lang"], line
    assert run(ask.format("zipsel select nowhere.jsonl --text-field ", 4)).stdout.strip() == ""


@pytest.mark.parametrize("name", sorted(set(cli.list_commands(None)) & set(COMMANDS)))
def test_help_all_shows_every_option_and_help_the_usual_ones(name):
    def shown(flag):
        text = CliRunner().invoke(cli, [name, flag]).output
        return set(re.findall(r"^  (?:-\w, )?--([a-z-]+)", text, re.MULTILINE))

    command = cli.get_command(None, name)
    usual = shown("--help")
    assert len(usual) <= 38
    every = {
        next(n for n in param.opts if n.startswith("--"))[2:]
        for param in command.params
        if isinstance(param, click.Option)
    }
    assert every <= (shown("--help-all") if "help-all" in usual else usual)


@pytest.mark.parametrize("name", sorted(set(cli.list_commands(None)) & set(COMMANDS)))
def test_every_help_text_is_a_sentence_of_its_own(name):
    for param in cli.get_command(None, name).params:
        if isinstance(param, click.Option):
            said = param.help.partition(" [default")[0]
            assert re.fullmatch(r"[A-Z].*\.", said), (param.name, said)
            assert len(said.split()) > 3 or said == "Print errors only.", (param.name, said)
            assert said.split()[0] not in {"Of", "In", "As", "A", "The"}, (param.name, said)
