"""Mutants of finding and reading shards."""

from __future__ import annotations

from mutants_lib.model import Mutant

_CHUNKS = "property/test_chunks.py"
_ROWS = "faults/test_rows.py"
_LINE = "unit/test_jsonl.py"
_FILES = "faults/test_files.py"
_BOMBS = "faults/test_bombs.py"
_ARROW = "faults/test_csv_and_arrow.py"
_CSV = "property/test_csv.py faults/test_csv_and_arrow.py"

MUTANTS = [
    Mutant(
        "readers/jsonl.py", "deep rows pass among good ones",
        "    beside = ends - starts - texts.n_bytes\n", "    return False\n", _LINE,
    ),
    Mutant(
        "readers/jsonl.py", "bytes that are no UTF-8 pass in fields beside the text",
        "    if not _is_utf8(lines):\n        return None\n", "", _LINE,
    ),
    Mutant(
        "readers/jsonl.py", "long rows pass among good ones",
        "    if (ends - starts).max() > reading.max_row_bytes:\n        return None\n", "",
        "unit/test_jsonl.py property/test_chunks.py",
    ),
    Mutant(
        "readers/jsonl.py", "blank lines are rows",
        "if is_long or (line and not line.isspace()):", "if is_long or line:",
        "property/test_chunks.py",
    ),
    Mutant(
        "readers/lines.py", "a line of exactly the limit is too long",
        "if n_held - mark > max_row_bytes:", "if n_held - mark >= max_row_bytes:",
        "property/test_chunks.py",
        "a line that has no newline yet when exactly the limit is held: what follows is either the "
        "newline, and the line was cut to its head, or more, and it is too long anyway",
    ),
    Mutant(
        "readers/lines.py", "the last line is lost if it has no newline",
        "    if held:\n        yield _Run(offset, b\"\".join(held), n_dropped)\n", "", _CHUNKS,
    ),
    Mutant(
        "readers/lines.py", "bytes dropped from a long line shift all that follow",
        "offset += n_held + n_dropped + newline + 1", "offset += n_held + newline + 1",
        "property/test_chunks.py",
    ),
    Mutant(
        "readers/decompress.py", "a zstd file that was cut off is taken for whole",
        "if frame is not None and not frame.eof:\n            problem",
        "if False:\n            problem",
        f"{_FILES}::test_all_bad_files_are_named_at_once",
    ),
    Mutant(
        "readers/decompress.py", "a gzip file that was cut off is taken for whole",
        'raise ShardError(path, "truncated: the last gzip member has no end")', "return",
        f"{_FILES}::test_all_bad_files_are_named_at_once",
    ),
    Mutant(
        "readers/columns.py", "Parquet texts over the row limit are kept",
        "keep = valid & ~empty & ~long & ~broken", "keep = valid & ~empty & ~broken",
        "faults/test_rows.py::test_parquet_rows_are_refused_like_lines",
    ),
    Mutant(
        "readers/columns.py", "a refused row leaves its group to the next",
        "for value in batch.column(name).take(pa.array(accepted)):",
        "for value in batch.column(name)[: len(accepted)]:", "unit/test_columns.py",
    ),
    Mutant(
        "readers/parquet.py", "salvaging looks at the text's column alone",
        "for _ in iter_batches(file, shard, [group], None):\n            pass\n    except",
        "for _ in ():\n            pass\n    except",
        f"{_FILES}::test_damage_where_scoring_does_not_look_leaves_the_file_out_and_chooses_again "
        f"{_FILES}::test_a_damaged_row_group_is_refused_row_by_row_and_later_rows_keep_their_numbers",
    ),
    Mutant(
        "readers/parquet_bounds.py", "the last rows of a row group are lost",
        "    if held:\n        yield _joined(held)\n", "",
        f"{_FILES}::test_damage_where_scoring_does_not_look_leaves_the_file_out_and_chooses_again",
    ),
    Mutant(
        "readers/parquet_bounds.py", "a thousand rows a byte are believed",
        "_ROWS_PER_BYTE = 4", "_ROWS_PER_BYTE = 1000", _BOMBS,
    ),
    Mutant(
        "readers/arrow.py", "salvaging looks at the text's column alone",
        "                if salvage:\n                    check_batch(shard, number, batch)  # "
        "all of a chosen row is copied\n",
        "", _ARROW,
    ),
    Mutant(
        "readers/arrow_ipc.py",
        "an Arrow stream cut between two batches is taken for whole",
        '    if is_cut:\n',
        '    if False:\n',
        f"{_ARROW}::test_a_bad_file_is_named_and_can_be_skipped",
    ),
    Mutant(
        "readers/csv.py", "rows with another number of fields are counted one off",
        "wrong[row.number - 1] = row.text", "wrong[row.number] = row.text", _CSV,
    ),
    Mutant(
        "readers/csv_rows.py", "an open quote at the end swallows rows in silence",
        "        if self._held:\n            self._check_rest(at_end=True)\n", "", _CSV,
    ),
    Mutant(
        "readers/convert.py", "a column that the first row lacks is lost",
        "names = dict.fromkeys(name for row in rows for name in row)",
        "names = dict.fromkeys(rows[0])",
        "unit/test_convert.py",
    ),
    Mutant(
        "readers/fetch.py", "rows of a table come in the order of the file",
        "yield int(by_row[position]), text_of_row(table, i, reading.text)",
        "yield position, text_of_row(table, i, reading.text)",
        "unit/test_runs.py",
    ),
    Mutant(
        "readers/json_rows.py", "a row of exactly the depth is refused",
        "            if depth > MAX_DEPTH:", "            if depth >= MAX_DEPTH:",
        "unit/test_row_text.py",
    ),
    Mutant(
        "readers/row_text.py", "a lone surrogate is a text",
        "        raise RowError(Reason.INVALID_UTF8) from None\n    return text",
        "        pass\n    return text", "unit/test_row_text.py",
    ),
    Mutant(
        "readers/row_text.py", "white space is a text",
        "    if not text or text.isspace():", "    if not text:",
        "unit/test_row_text.py",
    ),
    Mutant(
        "pool/shards.py",
        "a file with another end is the old one",
        'content = file_digest(file, _new_digest).hexdigest()',
        'content = _digest(file.read(_HEAD_BYTES))',
        "unit/test_known.py",
    ),
    Mutant(
        "pool/finding.py", "hidden files are shards",
        'name[:1] in "._" or name in _NOT_SHARDS', "name in _NOT_SHARDS",
        "unit/test_finding.py",
    ),
    Mutant(
        "pool/finding.py", "reports and rejects of a run are shards",
        'name[:1] in "._" or name in _NOT_SHARDS', 'name[:1] in "._"',
        "unit/test_finding.py",
    ),
    Mutant(
        "readers/stdin.py",
        "compressed standard input is taken for lines",
        '            return compression.name\n',
        '            return ""\n',
        "cli/test_streams.py::test_compressed_streams_are_decompressed",
    ),
]  # fmt: skip
