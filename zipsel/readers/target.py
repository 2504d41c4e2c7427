"""Target files → examples by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from zipsel.errors import BadShards, NoTextError, ShardError, UsageError
from zipsel.pool.finding import find_shards
from zipsel.pool.formats import STDIN
from zipsel.pool.shards import Shard
from zipsel.readers.json_rows import RowParser
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import cut_lines
from zipsel.readers.reading import Reading
from zipsel.readers.remedies import advise, name_text
from zipsel.readers.rows import Reason, RowBatch
from zipsel.readers.shard import iter_shard
from zipsel.readers.stdin import STDIN_NAME, read_stdin
from zipsel.texts import TextBatch


def read_target(patterns: Sequence[str], reading: Reading) -> TextBatch:
    """Read all target examples.

    A target is small and every example counts, so a row without usable text is an error here.

    Raises:
        BadShards: If a file cannot be read, or a row has no usable text.
        UsageError: If there is no example at all.
    """
    shards: list[Shard] = []
    errors: list[ShardError] = []
    examples = _Examples(reading)
    if list(patterns) == [STDIN]:
        examples.take(STDIN_NAME, _iter_lines(read_stdin(), reading))
    else:
        shards, errors = find_shards(patterns, for_target=True)
    for shard in shards:
        try:
            examples.take(shard.path, iter_shard(shard, reading))
        except ShardError as error:
            errors.append(error)
    errors += examples.list_refused()
    if errors:
        remedy = "Every example of a target counts, so none is left out."
        if any(isinstance(error, NoTextError) for error in errors):
            remedy += f" To find them, {name_text(reading.text, '', 'target-')}."
        raise BadShards(errors, remedy, "target")
    if not examples.texts and list(patterns) == [STDIN]:
        raise UsageError("standard input, which is to be the target, is empty")
    if not examples.texts:
        raise UsageError(f"the target {' '.join(patterns)} has no example")
    return TextBatch.from_encoded(examples.texts)


def _iter_lines(data: bytes, reading: Reading) -> Iterator[RowBatch]:
    parser = RowParser(reading.text)
    for chunk in cut_lines([data], reading.max_row_bytes):
        yield from iter_rows(chunk, parser, reading)


#: Numbers of refused rows that an error lists.
_N_SHOWN = 5


class _Examples:
    """Gathers examples, and the rows that are none by file and reason."""

    def __init__(self, reading: Reading) -> None:
        self.texts: list[bytes] = []
        self._text = reading.text
        self._rows: dict[tuple[str, Reason], list[int]] = {}
        self._snippets: dict[tuple[str, Reason], bytes] = {}
        self._found: dict[str, str] = {}

    def take(self, path: str, batches: Iterable[RowBatch]) -> None:
        """Take the rows of a file."""
        first_row = 0
        for rows in batches:
            for i, (reason, snippet) in rows.rejects.items():
                self._rows.setdefault((path, reason), []).append(first_row + i)
                self._snippets.setdefault((path, reason), snippet)
            if rows.found:
                self._found.setdefault(path, rows.found)
            self.texts.extend(rows.texts.iter_encoded())
            first_row += rows.n_rows

    def list_refused(self) -> list[ShardError]:
        """One error for each file and reason."""
        return [
            ShardError(path, self._describe(path, reason, rows))
            for (path, reason), rows in self._rows.items()
        ]

    def _describe(self, path: str, reason: Reason, rows: list[int]) -> str:
        noun, place = ("1 row is", "row") if len(rows) == 1 else (f"{len(rows):,} rows are", "rows")
        numbers = ", ".join(map(str, rows[:_N_SHOWN])) + ", …" * (len(rows) > _N_SHOWN)
        begins = self._snippets[path, reason].decode(errors="replace")[:60]
        advice = advise(reason, self._text, self._found.get(path, ""), "target-")
        return f"{noun} refused as {reason} ({place} {numbers}: {begins}); {advice}"
