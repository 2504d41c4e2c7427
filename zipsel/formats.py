"""Formats of the subset: by option, by the output's suffix, or as the pool is."""

from __future__ import annotations

import os

from zipsel.errors import UsageError
from zipsel.shards import TABLE_FORMATS

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

FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "parquet")


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
