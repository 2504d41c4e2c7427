"""Formats of input files and of the subset: by suffix, by first bytes, by option."""

from __future__ import annotations

import os
from collections.abc import Iterable

from zipsel.errors import ShardError, UsageError

STDIN = "-"

_COMPRESSIONS = {".gz": "gz", ".zst": "zst"}

#: Suffix → format.
FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "txt",
}

#: What a pool may be made of.
POOL_FORMATS = ("jsonl", "parquet", "arrow", "csv", "tsv")

#: Files of columns, cut at row groups or record batches; never compressed as a whole.
TABLE_FORMATS = frozenset({"parquet", "arrow"})

DELIMITED_FORMATS = frozenset({"csv", "tsv"})

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "Parquet",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"ARROW1": "Arrow",
    b"\xff\xff\xff\xff": "Arrow",
    b"FEA1": "Feather version 1",
}

#: Suffixes of compressed files that are not read.
FOREIGN_COMPRESSIONS = frozenset({".bz2", ".xz", ".lz4", ".br", ".zip", ".snappy", ".lzma"})

_COMPRESSION_NAMES = {"gz": "gzip", "zst": "zstd"}

_TABLE_NAMES = {"parquet": "Parquet", "arrow": "Arrow"}


def split_suffix(path: str) -> tuple[str | None, str]:
    """Return ``(format, compression)`` of a file name; the format is None where it is unknown."""
    stem, suffix = os.path.splitext(path.lower())
    compression = _COMPRESSIONS.get(suffix, "")
    if compression:
        suffix = os.path.splitext(stem)[1]
    known = FORMATS.get(suffix)
    return (None if compression and known in TABLE_FORMATS else known), compression


def check_magic(path: str, kind: str, compression: str, head: bytes) -> None:
    """Hold a file's first bytes against what its suffix promises.

    Raises:
        ShardError: If they contradict each other.
    """
    if not head:
        if kind in TABLE_FORMATS:
            wanted = "a Parquet footer" if kind == "parquet" else "an Arrow schema"
            raise ShardError(path, f"is empty, without {wanted}; write it again")
        return
    found = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "text")
    if compression == "zst" and _is_skippable_frame(head):
        found = "zstd"
    expected = _COMPRESSION_NAMES.get(compression, _TABLE_NAMES.get(kind, "text"))
    if found != expected:
        raise ShardError(path, f"holds {found} where its suffix says {expected}; rename it")
    if found == "text" and kind == "jsonl" and head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"[":
        raise ShardError(
            path, f"is one JSON array, not one object a line; convert it: jq -c '.[]' {path}"
        )


def _is_skippable_frame(head: bytes) -> bool:
    return len(head) >= 4 and head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50


def suffixes_of(formats: Iterable[str]) -> str:
    """The suffixes of some formats, for a message."""
    wanted = set(formats)
    names = [suffix for suffix, kind in FORMATS.items() if kind in wanted]
    return ", ".join(names) + " (all but tables also with .gz or .zst)"


_SUFFIX_FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".jsonl.gz": "jsonl.gz",
    ".ndjson.gz": "jsonl.gz",
    ".json.gz": "jsonl.gz",
    ".jsonl.zst": "jsonl.zst",
    ".ndjson.zst": "jsonl.zst",
    ".json.zst": "jsonl.zst",
    ".parquet": "parquet",
}

OUTPUT_FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "parquet")


def format_of_suffix(path: str) -> str | None:
    """The format that a file name asks for; None for a directory's name."""
    name = os.path.basename(path).lower()
    matches = [known for known in _SUFFIX_FORMATS if name.endswith(known)]
    return _SUFFIX_FORMATS[max(matches, key=len)] if matches else None


def resolve_format(output: str, wanted: str | None, pool_formats: set[str]) -> str:
    """The format to write: as asked, as the suffix says, or as the pool is.

    Raises:
        UsageError: If standard output is asked to carry anything but plain JSONL.
    """
    if output == "-":
        if wanted not in (None, "jsonl"):
            raise UsageError("standard output carries plain JSONL; name a file for other formats")
        return "jsonl"
    if wanted is not None:
        return wanted
    as_pool = "parquet" if pool_formats and pool_formats <= TABLE_FORMATS else "jsonl"
    return format_of_suffix(output) or as_pool
