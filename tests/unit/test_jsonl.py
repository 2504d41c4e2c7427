"""Lines that look alike are parsed all at once, by the rules of a single line."""

import pytest

from zipsel.readers.json_rows import MAX_DEPTH, RowParser
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import cut_lines
from zipsel.readers.reading import Reading
from zipsel.readers.rows import Reason

READING = Reading(max_row_bytes=4096, group_field="g")


def nested(depth):
    """An object that nests so deep, itself counted."""
    return b'{"text": "deep", "x": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (nested(MAX_DEPTH), None),
        (nested(MAX_DEPTH + 1), Reason.TOO_DEEP),
        (b'{"text": "x", "other": "\xff"}', Reason.INVALID_UTF8),
        (b'{"text": "' + b"x" * 5000 + b'"}', Reason.TOO_LONG),
        (b'{"text": " "}', Reason.EMPTY),
        (b'{"body": "x", "id": 1}', Reason.MISSING_FIELD),
    ],
)
def test_one_line_among_good_ones_is_judged_as_if_alone(line, reason):
    good = [b'{"text": "row %d", "g": "%d"}' % (i, i) for i in range(6)]
    lines = [*good[:3], line, *good[3:]]
    (chunk,) = cut_lines([b"\n".join(lines) + b"\n"], READING.max_row_bytes)
    (batch,) = iter_rows(chunk, RowParser(READING.text, READING.group_field), READING)
    assert batch.n_rows == 7
    assert {i: found for i, (found, _) in batch.rejects.items()} == ({3: reason} if reason else {})
    groups = ["0", "1", "2", *([] if reason else [None]), "3", "4", "5"]
    assert batch.groups == groups
    assert [batch.lines[i] for i in range(7)] == lines
    assert batch.found == ("body, id" if reason == Reason.MISSING_FIELD else "")
