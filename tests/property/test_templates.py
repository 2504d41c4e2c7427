"""Templates know fields and braces, and mean the same however the row is held."""

import json
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipsel.errors import UsageError
from zipsel.readers.json_rows import RowParser
from zipsel.readers.reading import TextSpec, parse_template
from zipsel.readers.row_text import take_text
from zipsel.readers.rows import Reason, RowError

names = st.text(string.ascii_letters + "_é ", min_size=1, max_size=6)
paths = st.lists(names, min_size=1, max_size=3).map(".".join)
literals = st.text(st.characters(codec="utf-8"), max_size=10)
parts = st.lists(st.one_of(st.tuples(st.just(True), paths), st.tuples(st.just(False), literals)))


def merged(parts):
    """Neighbouring literals as one, as a reader of the text sees them."""
    found = []
    for is_path, text in parts:
        if not is_path and found and not found[-1][0]:
            found[-1] = (False, found[-1][1] + text)
        elif text:
            found.append((is_path, text))
    return found


@given(parts)
def test_a_written_template_parses_into_its_parts(parts):
    template = "".join(
        f"{{{text}}}" if is_path else text.replace("{", "{{").replace("}", "}}")
        for is_path, text in parts
    )
    assert merged(parse_template(template)) == merged(parts)


@given(st.text("{}ab. ", max_size=12))
def test_any_template_parses_or_names_the_character(template):
    balanced = re.fullmatch(r"(?:[ab. ]|\{\{|\}\}|\{[ab ]+(?:\.[ab ]+)*\})*", template)
    if balanced:
        parse_template(template)
        return
    with pytest.raises(UsageError, match=" at character "):
        parse_template(template)


@pytest.mark.parametrize(
    "template", ["{a", "a}", "{}", "{a.}", "{.a}", "{a{b}}", "no field", "{{a}}", ""]
)
def test_what_is_no_template_is_refused(template):
    with pytest.raises(UsageError, match="template"):
        TextSpec("template", template)


@pytest.mark.parametrize("template", ["{a.__class__}", "{a[0]}", "{a!r}", "{a:>10}"])
def test_templates_reach_into_rows_and_nothing_else(template):
    with pytest.raises(RowError) as refused:
        take_text({"a": "text"}, TextSpec("template", template))
    assert refused.value.reason in (Reason.MISSING_FIELD, Reason.WRONG_TYPE)


values = st.one_of(st.text(st.characters(codec="utf-8"), max_size=9), st.integers(), st.booleans())


@given(values, values, st.sampled_from([None, "kind"]), st.booleans())
def test_templates_of_scalars_are_filled_as_json_writes_them(a, b, group_field, nested):
    row = {"a": a, "b": {"c": b}, "kind": "k"}
    text = "".join(value if isinstance(value, str) else json.dumps(value) for value in (a, ":", b))
    parser = RowParser(TextSpec("template", "{a}:{b.c}"), group_field)
    assert parser.parse(json.dumps(row, ensure_ascii=nested).encode()) == (
        text,
        "k" if group_field else None,
    )
