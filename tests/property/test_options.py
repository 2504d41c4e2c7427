"""Any value for any option, through all four doors: taken alike, or refused alike by name."""

import json
from unittest.mock import patch

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zipsel.cli.parameters import chosen
from zipsel.cli.select import command as select_command
from zipsel.commands.option_table import COMMANDS, options_of, variable_of
from zipsel.commands.options import Given, gather, read_environment, read_file
from zipsel.commands.rules import flag
from zipsel.commands.settings import run_settings, select_settings
from zipsel.errors import UsageError

#: Every option of select that takes a value.
VALUED = [
    param.name
    for param in select_command.params
    if isinstance(param, click.Option) and not param.is_flag and param.name != "config"
]

FLAGS = [
    param.name
    for param in select_command.params
    if isinstance(param, click.Option) and param.is_flag
]

BASE = {"pool": ("p",), "target": ("t",), "output": "o"}

TEXTS = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "1", "5.5", "nan", "inf", "1e400", "1e-400", "99999999999999999999", "true",
         "auto", "400kB", "a=0.5", "1%", "101%", "top", "sample", "{a}", "a..b", "jsonl", "x y"]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"),
            max_size=12),
)  # fmt: skip

VALUES = st.one_of(
    TEXTS,
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.lists(st.one_of(st.integers(), TEXTS), max_size=2),
    st.dictionaries(st.text(max_size=3), st.floats(), max_size=2),
)


def verdict(command, levels):
    """None if the options are taken, or the message."""
    try:
        options = gather(command, levels)
        if command == "select":
            run_settings(options)
            select_settings(options)
    except UsageError as error:
        message = str(error)
    else:
        return None
    assert "\n" not in message
    return message


def in_python(given):
    return [{name: Given(value) for name, value in given.items()}]


def on_the_line(given):
    words = list(given["pool"])
    for name, value in given.items():
        for one in value if isinstance(value, tuple) else (value,):
            if name != "pool":
                words.append(f"{flag(name)}={one}")
    found = []
    with patch("zipsel.cli.parameters.gather", lambda command, levels: found.append(levels)):
        with patch.object(select_command, "callback", lambda **_: chosen()):
            with patch.dict("os.environ", clear=True):
                select_command.main(words, standalone_mode=False)
    return found[0]


def in_the_environment(given):
    variables = {
        variable_of("select", name): "\n".join(value) if isinstance(value, tuple) else value
        for name, value in given.items()
    }
    return [read_environment("select", variables)]


def in_a_file(given, path):
    lines = [f"{name.replace('_', '-')} = {json.dumps(value)}" for name, value in given.items()]
    path.write_text("\n".join(lines))
    return [read_file(str(path))]


def bare(message):
    """A message without the place that it names."""
    return None if message is None else message.replace(" (PLACE)", "")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("options") / "c.toml"


@pytest.mark.parametrize("name", VALUED)
@settings(max_examples=25)
@given(text=TEXTS)
def test_every_door_says_the_same_of_a_text(path, name, text):
    given = {**BASE, "top_k": "5", name: text}
    if "\r" in text or len(text.splitlines()) > 1:
        return
    said = {
        "python": verdict("select", in_python(given)),
        "line": verdict("select", on_the_line(given)),
        "file": verdict("select", in_a_file(given, path)),
    }
    if text:  # an empty variable is one that is not set
        said["environment"] = verdict("select", in_the_environment(given))
    plain = {
        message and message.replace(f" ({path})", "").replace(f" ({variable_of('select', n)})", "")
        for message in said.values()
        for n in [name]
    }
    assert len(plain) == 1, said
    (message,) = plain
    assert (
        message is None
        or any(flag(one) in message for one in (name, "top_k", "target"))
        or ("template" in name or "field" in name)
    ), message


@pytest.mark.parametrize("name", [*VALUED, *FLAGS])
@settings(max_examples=25)
@given(value=VALUES)
def test_no_value_of_any_type_is_a_traceback(name, value):
    message = verdict("select", in_python({**BASE, "top_k": 5, name: value}))
    assert message is None or "--" in message or "text field" in message or "template" in message


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--top-k", "1e400"), "--top-k"),
        (("--top-k", "5", "--quota", "a=0.5"), "--group-field"),
        (("--top-k", "5", "--facets", "2", "--scorer", "ncd"), "--scorer fused"),
        (("--top-k", "5", "--template", "{a"), "template"),
        (("--top-k", "5", "--strateg", "top"), "--strategy"),
        (("--top-k", "5", "--max-bytes", "1kB"), "--max-bytes"),
        (("--top-k", "5", "--workers", "x\udcff"), "--workers"),
        ((), "--top-k"),
    ],
)
def test_the_program_refuses_in_one_line_with_code_2(select, options, named):
    """The whole way, of which other tests here take the check alone."""
    done = select("--output", "out", *options, code=2)
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("zipsel: error: ")
    assert named in line


@pytest.mark.parametrize("command", [one for one in COMMANDS if one != "select"])
@settings(max_examples=25)
@given(value=VALUES)
def test_no_value_for_another_command_is_a_traceback(command, value):
    for name in options_of(command):
        verdict(command, in_python({name: value}))
