"""What stands in shards, as tables on a terminal."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import IO, TYPE_CHECKING

from zipsel.console.safe_text import count_of, human_bytes, name_some, printable
from zipsel.errors import ShardError
from zipsel.readers.guess import Field
from zipsel.readers.peek import Peek

if TYPE_CHECKING:
    from rich.console import Console

_LEAST_WIDTH = 80

#: Fields of a shard that are shown, and shards of the same fields that are named.
_N_FIELDS, _N_SHARDS = 25, 3


def print_peeks(
    peeks: Sequence[Peek], errors: Sequence[ShardError], n_shards: int, file: IO[str]
) -> None:
    """Print the fields of shards, those of the same fields once, and the options to use.

    Args:
        peeks: The shards that were looked at.
        errors: Files that cannot be read.
        n_shards: Shards that there are.
        file: Takes the tables.
    """
    from rich.text import Text

    from zipsel.console.tables import TableConsole

    console = TableConsole(file=file, highlight=False)
    console.width = max(_LEAST_WIDTH, console.width)
    of_kind: dict[tuple[object, ...], list[Peek]] = {}
    for one in peeks:
        kind = (tuple(field.name for field in one.fields), str(one.options), one.problem)
        of_kind.setdefault(kind, []).append(one)
    for alike in of_kind.values():
        _print_alike(alike, console)
    for error in errors:
        console.print(Text(f"cannot be read: {error}", "bold"))
    if len(peeks) < n_shards:
        console.print(Text(f"{len(peeks):,} of {n_shards:,} shards were looked at."))
    for line in advice(peeks):
        console.print(Text(line), soft_wrap=True)


def _print_alike(peeks: Sequence[Peek], console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    first = peeks[0]
    names = name_some([one.path for one in peeks], _N_SHARDS, 60)
    n_rows = sum(one.n_rows for one in peeks)
    console.print(Text(f"{names}: {count_of(n_rows, 'row')} looked at", "bold"))
    if first.problem:
        console.print(Text(f"  {printable(first.problem)}"))
    table = Table(box=None, padding=(0, 2, 0, 0), expand=True)
    table.add_column("  field", no_wrap=True)
    for heading in ("in", "median", "longest"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("what", no_wrap=True, overflow="ellipsis", ratio=1)
    for field in first.fields[:_N_FIELDS]:
        table.add_row(*map(Text, _cells(field, first.n_rows)))
    console.print(table)
    if len(first.fields) > _N_FIELDS:
        console.print(Text(f"  and {len(first.fields) - _N_FIELDS:,} fields more"))
    refused = sum((Counter(one.refused) for one in peeks), Counter[str]())
    if refused:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in refused.items())
        console.print(Text(f"  refused would be: {reasons}"))
    console.print()


def _cells(field: Field, n_rows: int) -> list[str]:
    kinds = " or ".join(field.kinds)
    what = f"{kinds}: {printable(field.example)}" if field.example else kinds
    sizes = [
        "" if size is None else human_bytes(size)
        for size in (field.median_bytes, field.longest_bytes)
    ]
    return [f"  {printable(field.name, 40)}", f"{field.n_rows / n_rows:.0%}", *sizes, what]


def advice(peeks: Sequence[Peek]) -> list[str]:
    """The options that take a text from all shards, or from each kind of them."""
    of_options = [(one.options, one.path) for one in peeks if one.options is not None]
    if not any(one.n_rows for one in peeks):
        return ["No row could be read, so nothing can be said of their fields."]
    if not of_options:
        return ["No field holds texts: name one of another kind by --template '{field}'."]
    if not any(one.n_texts for one in peeks):
        return ["By these options no row has a text; leave them out to see which would give one."]
    plain = [one for one in peeks if one.options is not None and set(one.options) <= {"text_field"}]
    names = _joined_fields(plain)
    if names:
        joined: dict[str, str | bool] = {} if names == ["text"] else {"text_field": ",".join(names)}
        paths = {one.path for one in plain}
        of_options = [(joined if path in paths else one, path) for one, path in of_options]
    kinds = sorted(of_options, key=lambda one: str(one[0]))
    groups = [
        (dict(alike[0][0]), len(alike), alike[0][1])
        for alike in (list(group) for _, group in groupby(kinds, key=lambda one: str(one[0])))
    ]
    if len(groups) == 1:
        return [_use(groups[0][0], peeks)]
    return [
        "The shards need different options, so name them apart, or convert them to one field:",
        *(
            f"  {_spelled(options) or '(none)'}   for {count_of(n, 'shard')}, "
            f"such as {printable(path, 60)}"
            for options, n, path in groups
        ),
    ]


def _joined_fields(peeks: Sequence[Peek]) -> list[str]:
    """Fields of shards in one list by which each shard's text stays; empty where none does that.

    Of a list a row's first field counts, so those that few shards have come first.
    """
    wanted = [_fields_of(one) for one in peeks]
    had = [{field.name for field in one.fields if field.n_rows} for one in peeks]
    names = dict.fromkeys(name for fields in wanted for name in fields)
    ordered = sorted(names, key=lambda name: sum(name in fields for fields in had))
    for order in (list(names), ordered):
        if all(
            [name for name in order if name in there][: len(fields)] == fields
            for fields, there in zip(wanted, had, strict=True)
        ):
            return order
    return []


def _fields_of(one: Peek) -> list[str]:
    return str((one.options or {}).get("text_field", "text")).split(",")


def _use(options: Mapping[str, str | bool], peeks: Sequence[Peek]) -> str:
    groups = {one.group_field for one in peeks}
    group = next(iter(groups)) if len(groups) == 1 else None
    if group is not None:
        options = {**options, "group_field": group}
    spelled = _spelled(options)
    return f"Use: zipsel select ... {spelled}" if spelled else "No option is needed for the text."


def _spelled(options: Mapping[str, str | bool]) -> str:
    words = []
    for name, value in options.items():
        words.append(f"--{name.replace('_', '-')}")
        if not isinstance(value, bool):
            words.append(shlex.quote(printable(value)))
    return " ".join(words)
