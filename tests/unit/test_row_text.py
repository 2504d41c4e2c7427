"""What text is taken from a row, and why a row is refused."""

import copy
import json

import pytest

from zipsel.errors import UsageError
from zipsel.readers.json_rows import RowParser
from zipsel.readers.reading import TextSpec
from zipsel.readers.row_text import group_name, take_text
from zipsel.readers.rows import Reason, RowError, Taken

FIELD = TextSpec()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": ""}', Reason.EMPTY),
        (b'{"text": " \\n\\u00a0"}', Reason.EMPTY),
        (b'{"text": null}', Reason.NULL),
        (b'{"text": 1}', Reason.WRONG_TYPE),
        (b'{"text": ["x"]}', Reason.WRONG_TYPE),
        (b'{"txt": "x"}', Reason.MISSING_FIELD),
        (b'"text"', Reason.NOT_AN_OBJECT),
        (b"[]", Reason.NOT_AN_OBJECT),
        (b'{"text": "x"', Reason.TRUNCATED),
        (b'{"text": "x', Reason.TRUNCATED),
        (b"{'text': 'x'}", Reason.INVALID_JSON),
        (b'{"text": "\\ud800"}', Reason.INVALID_UTF8),
        (b'{"text": "\xff"}', Reason.INVALID_UTF8),
        (b'{"text": "x", "n": ' + b"[" * 5000 + b"]" * 5000 + b"}", Reason.TOO_DEEP),
    ],
)
def test_a_refused_row_has_a_reason(line, reason):
    with pytest.raises(RowError) as refused:
        RowParser(FIELD).parse(line)
    assert refused.value.reason == reason


def nested(depth):
    return b'{"text": "x", "flat": [], "n": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_rows_of_five_hundred_levels_are_read_and_of_more_are_refused():
    assert RowParser(FIELD).parse(nested(500)) == ("x", None)
    with pytest.raises(RowError) as refused:
        RowParser(FIELD).parse(nested(501))
    assert refused.value.reason == Reason.TOO_DEEP


@pytest.mark.parametrize("text", ["", " \n\u00a0"])
@pytest.mark.parametrize("spec", [TextSpec("template", "{text}"), TextSpec("field", "a.text")])
def test_a_text_of_white_space_is_empty_wherever_it_comes_from(spec, text):
    with pytest.raises(RowError) as refused:
        take_text({"text": text, "a": {"text": text}}, spec)
    assert refused.value.reason == Reason.EMPTY


@pytest.mark.parametrize(
    "line",
    [
        b'{"text": "x", "n": NaN, "m": -Infinity}',
        b'{"text": "x", "n": 123456789012345678901234567890}',
        b'{"n": 1e999, "text": "x"}',
        b'{"text": "y", "text": "x"}',
        b'  {"text" : "x"}\r',
        b'{"n": ' + b"9" * 5000 + b', "text": "x"}',
    ],
)
def test_what_python_writes_is_read(line):
    assert RowParser(FIELD).parse(line) == ("x", None)


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("a.b", "deep"),
        ("a.c", Reason.MISSING_FIELD),
        ("n.b", Reason.NULL),
        ("s.b", Reason.WRONG_TYPE),
        ("a", Reason.WRONG_TYPE),
    ],
)
def test_dotted_paths_reach_into_objects(path, outcome):
    row = {"a": {"b": "deep"}, "n": None, "s": "text"}
    parser = RowParser(TextSpec("field", path))
    if isinstance(outcome, Reason):
        with pytest.raises(RowError) as refused:
            parser.parse(json.dumps(row).encode())
        assert refused.value.reason == outcome
    else:
        assert parser.parse(json.dumps(row).encode()) == (outcome, None)


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(UsageError, match="dotted path"):
        TextSpec("field", path)


@pytest.mark.parametrize(
    ("value", "name"),
    [("web", "web"), (3, "3"), (2.5, "2.5"), (True, "true"), (None, None), ([1], None), ({}, None)],
)
def test_groups_are_scalars(value, name):
    assert group_name(value) == name
    row = json.dumps({"text": "x", "meta": {"group": value}, "group": value}).encode()
    assert RowParser(FIELD, "group").parse(row) == ("x", name)
    assert RowParser(FIELD, "meta.group").parse(row) == ("x", name)


def test_a_group_that_is_missing_refuses_nothing():
    assert RowParser(FIELD, "group").parse(b'{"text": "x"}') == ("x", None)
    assert RowParser(FIELD, "text").parse(b'{"text": "x"}') == ("x", "x")


@pytest.mark.parametrize("path", ["meta.text", "a.b.c"])
def test_a_key_of_the_very_name_comes_before_a_path(path):
    row = {path: "the key", "meta": {"text": "nested"}, "a": {"b": {"c": "nested"}}}
    assert take_text(row, TextSpec("field", path)) == "the key"
    assert take_text(row, TextSpec("template", f"<{{{path}}}>")) == "<the key>"
    del row[path]
    assert take_text(row, TextSpec("field", path)) == "nested"


@pytest.mark.parametrize("name", ['say "hi"', "back\\slash", "two\nlines", "tab\t", "half\ud800"])
def test_any_name_of_a_field_is_found(name):
    line = json.dumps({name: "a text", "group": "g"}).encode()
    assert RowParser(TextSpec("field", name), "group").parse(line) == ("a text", "g")
    line = json.dumps({"text": "a text", name: "g"}).encode()
    assert RowParser(TextSpec(), name).parse(line) == ("a text", "g")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"m": {"a.b": "x"}}, "x"),
        ({"m": {"a": {"b": "x"}, "a.b": "y"}}, "x"),
        ({"m.a.b": "x", "m": {"a.b": "y"}}, "x"),
        ({"m": {"a": {"b": "x"}}}, "x"),
    ],
)
def test_a_key_with_dots_is_found_below_others_too(row, text):
    assert take_text(row, TextSpec(value="m.a.b")) == text


def test_a_parser_that_threads_share_keeps_nothing_of_a_row():
    parser = RowParser(TextSpec("field", "text,body"))
    before, taken = copy.deepcopy(vars(parser)), Taken()
    assert parser.parse(b'{"body": "x"}') == parser.parse(b'{"body": "x"}', taken) == ("x", None)
    assert vars(parser) == before
    assert taken.fields == {"body": 1}
