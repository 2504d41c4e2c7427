"""The promises that no input may break, as functions of bytes that raise if one is broken."""

from __future__ import annotations

import gzip
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from msgspec.structs import replace

from zipsel.errors import ShardError, UsageError
from zipsel.pool.shards import CHUNK_BYTES, Shard, open_shard
from zipsel.readers import reader_of
from zipsel.readers.decompress import iter_pieces
from zipsel.readers.json_rows import RowParser
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import cut_lines, iter_whole_lines
from zipsel.readers.reading import Reading, TextSpec, parse_template
from zipsel.readers.row_text import take_text
from zipsel.readers.rows import RowBatch, RowError
from zipsel.readers.shard import iter_shard

_READING = Reading(max_row_bytes=1024, group_field="kind")
_FIELD = TextSpec()


def _check_batch(rows: RowBatch) -> None:
    """Every row is accepted or refused, none both, and every text is text."""
    assert len(rows.accepted) + len(rows.rejects) == rows.n_rows
    assert not set(rows.accepted.tolist()) & set(rows.rejects)
    assert len(rows.texts) == len(rows.accepted)
    assert all(text.strip() for text in rows.texts.iter_texts())
    pa.array([group for group in rows.groups if group is not None], pa.string())


def _account(chunks: object) -> list[tuple[object, ...]]:
    parser = RowParser(_FIELD, _READING.group_field)
    account: list[tuple[object, ...]] = []
    for chunk in chunks:  # type: ignore[attr-defined]
        for rows in iter_rows(chunk, parser, _READING):
            _check_batch(rows)
            texts = dict(zip(rows.accepted.tolist(), rows.texts.iter_texts(), strict=True))
            account += [
                (int(offset), texts.get(i), rows.rejects.get(i))
                for i, offset in enumerate(rows.offsets)
            ]
    return account


def jsonl(data: bytes) -> None:
    """Any bytes, in any pieces and chunks: the same account of all rows."""
    step = 1 + (len(data) * 7) % 97
    pieces = [data[i : i + step] for i in range(0, len(data), step)]
    whole = _account(cut_lines([data], _READING.max_row_bytes))
    assert _account(cut_lines(pieces, _READING.max_row_bytes, chunk_bytes=step)) == whole
    assert _account(iter_whole_lines(pieces, _READING.max_row_bytes)) == whole
    fast, slow = RowParser(_FIELD), RowParser(_FIELD)
    for line in data.split(b"\n"):
        if _is_utf8(line):
            assert _outcome(fast.parse, line) == _outcome(slow.parse_slowly, line)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _outcome(parse: object, line: bytes) -> object:
    try:
        return parse(line)  # type: ignore[operator]
    except RowError as error:
        return error.reason


def streams(data: bytes) -> None:
    """Compressed bytes are read to the end or refused, and no other way."""
    for compression in ("gz", "zst"):
        try:
            read = b"".join(iter_pieces(io.BytesIO(data), "fuzz", compression))
        except ShardError:
            continue
        if compression == "gz" and data:
            assert read == gzip.decompress(data)


def parquet(data: bytes) -> None:
    """A Parquet file is read or refused."""
    _read_table(data, ".parquet")


def arrow(data: bytes) -> None:
    """An Arrow stream or file is read or refused."""
    _read_table(data, ".arrow")


def _read_table(data: bytes, suffix: str) -> None:
    with _written(data, suffix) as path:
        for reading in (_READING, replace(_READING, text=TextSpec("template", "{meta.a} {kind}"))):
            try:
                for rows in iter_shard(open_shard(path, 0), reading):
                    _check_batch(rows)
            except ShardError:
                continue


def csv(data: bytes) -> None:
    """Any bytes, in chunks of any size: the same account of all rows, or the same refusal."""
    with _written(data, ".csv") as path:
        try:
            shard = open_shard(path, 0)
        except ShardError:
            return
        small = 1 + (len(data) * 7) % 97
        assert _account_of(shard, CHUNK_BYTES) == _account_of(shard, small)


def _account_of(shard: Shard, chunk_bytes: int) -> object:
    """Text or reason of every row, or why the shard is refused."""
    reader = reader_of(shard)
    found: list[object] = []
    try:
        for chunk in reader.cut(shard, _READING, chunk_bytes):
            for rows in reader.read(shard, chunk, _READING):
                _check_batch(rows)
                texts = rows.texts.iter_encoded()
                for i in range(rows.n_rows):
                    found.append(rows.rejects[i] if i in rows.rejects else next(texts))
    except ShardError as error:
        return str(error)
    return found


@contextmanager
def _written(data: bytes, suffix: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"fuzz{suffix}")
        Path(path).write_bytes(data)
        yield path


def template(data: bytes) -> None:
    """A template is refused as a whole, or its rows are texts or refused."""
    value, _, line = data.partition(b"\n")
    try:
        spec = TextSpec("template", value.decode(errors="replace"))
    except UsageError:
        return
    assert "".join(part for _, part in parse_template(spec.value))
    row: object = {"a": {"b": "x", "__class__": "y"}, "c": 1.5, "d": None, "e": [1]}
    for one in (row, _outcome(lambda text: json.loads(text), b"{}" if not line else b"[]")):
        try:
            taken = take_text(one, spec)
        except RowError:
            continue
        assert isinstance(taken, str)
        assert "<class" not in taken or "<class" in spec.value


TARGETS = {
    "jsonl": jsonl,
    "streams": streams,
    "parquet": parquet,
    "arrow": arrow,
    "csv": csv,
    "template": template,
}


def corpus_of(name: str) -> list[bytes]:
    """A few inputs from which the fuzzer starts."""
    lines = (
        b'{"text": "a", "kind": "x"}\n{"text": "caf\xc3\xa9", "x": [1, {"y": NaN}]}\r\n\n'
        b'{"text": null}\n{"text": "\\ud800", "kind": 5}\n["no"]\n{"te\\u0078t": "b"} \n{"text": "c'
    )
    if name == "jsonl":
        return [lines, b"\xef\xbb\xbf" + lines, lines * 5, b'{"text": "' + b"x" * 1500 + b'"}\n']
    if name == "streams":
        skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
        return [
            gzip.compress(lines),
            gzip.compress(lines) + b"\0" * 9 + gzip.compress(b"x"),
            zstandard.compress(lines) + skippable + zstandard.compress(b"x"),
        ]
    if name == "csv":
        rows = b'text,kind\n"a, ""b""",x\n"two\nlines",y\r\n,\nshort\n\xff,z\ncaf\xc3\xa9,\n'
        return [
            rows,
            b"\xef\xbb\xbf" + rows,
            rows * 4,
            b'text\n"never closed',
            b'"te""xt",text\n1,2\n',
        ]
    if name == "template":
        return [b"{a.b} {{c}} {c}", b"{a}{d}{e}\n[]", b"{a.__class__}", b"{}{", "é{c}".encode()]
    table = pa.table(
        {
            "text": ["one", None, "", "two", "three"],
            "kind": pa.array(["x", "y", None, "x", "y"]).dictionary_encode(),
            "meta": [{"a": "p"}, {"a": None}, None, {"a": "q"}, {"a": "r"}],
            "n": np.arange(5),
        }
    )
    if name == "arrow":
        return [_ipc(table, pa.ipc.new_stream), _ipc(table, pa.ipc.new_file)]
    files = []
    for compression in ("none", "zstd"):
        sink = io.BytesIO()
        pq.write_table(table, sink, compression=compression, row_group_size=2)
        files.append(sink.getvalue())
    return files


def _ipc(table: pa.Table, open_writer: Callable[..., pa.ipc.RecordBatchStreamWriter]) -> bytes:
    sink = io.BytesIO()
    with open_writer(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue()
