"""The format table: what input files there are, how their names tell them apart, who reads them.

A format is one row here and one file in ``zipsel/readers``. The suffix says what a file is; its
first bytes must agree (``heads``). Text may be compressed as a whole, tables never are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from zipsel.console.values import one_of
from zipsel.errors import UsageError

STDIN = "-"


@dataclass(frozen=True)
class Format:
    """One kind of input file.

    Attributes:
        name: What shards and messages call it.
        suffixes: Endings of its files' names, lower case.
        reader: ``module:name`` of its ``zipsel.readers.Reader``.
        title: What messages call its bytes.
        magics: How its files begin; empty for text.
        is_table: Whether its rows are Arrow rows, found by row number, instead of JSON lines,
            found by byte offset.
        is_splittable: Whether a worker can begin in the middle of an uncompressed file.
        is_packed: Whether it compresses inside.
        is_delimited: Whether it has a delimiter, quote marks and any encoding.
        is_target_only: Whether no pool is made of it.
        written_as: The format in which a subset of it is written by default.
        is_output: Whether a subset can be written in it.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: str
    title: str = "text"
    magics: tuple[bytes, ...] = ()
    is_table: bool = False
    is_splittable: bool = False
    is_packed: bool = False
    is_delimited: bool = False
    is_target_only: bool = False
    written_as: Literal["jsonl", "parquet"] = "jsonl"
    is_output: bool = False

    @property
    def is_text(self) -> bool:
        """Whether its files are text, which may be compressed as a whole."""
        return not self.magics


FORMATS = {
    one.name: one
    for one in (
        Format(
            "jsonl",
            (".jsonl", ".ndjson", ".json", ".jsonlines", ".jl"),
            "zipsel.readers.jsonl:READER",
            is_splittable=True,
            is_output=True,
        ),
        Format(
            "parquet",
            (".parquet",),
            "zipsel.readers.parquet:READER",
            "Parquet",
            (b"PAR1",),
            is_table=True,
            is_splittable=True,
            is_packed=True,
            written_as="parquet",
            is_output=True,
        ),
        Format(
            "arrow",
            (".arrow", ".feather"),
            "zipsel.readers.arrow:FILES",
            "Arrow",
            (b"ARROW1",),
            is_table=True,
            is_splittable=True,
            written_as="parquet",
        ),
        Format(
            "arrow-stream",
            (".arrow", ".feather"),
            "zipsel.readers.arrow:STREAMS",
            "Arrow",
            (b"\xff\xff\xff\xff",),
            is_table=True,
            written_as="parquet",
        ),
        Format("csv", (".csv",), "zipsel.readers.csv:READER", is_table=True, is_delimited=True),
        Format("tsv", (".tsv",), "zipsel.readers.csv:TSV_READER", is_table=True, is_delimited=True),
        Format("txt", (".txt",), "zipsel.readers.txt:READER", is_target_only=True),
    )
}


@dataclass(frozen=True)
class Compression:
    """A compression of whole text files.

    Attributes:
        name: What shards call it, and the suffix of written files.
        suffixes: Endings of names, after the format's.
        title: What messages call it.
        magic: How its files begin.
    """

    name: str
    suffixes: tuple[str, ...]
    title: str
    magic: bytes


COMPRESSIONS = (
    Compression("gz", (".gz", ".gzip"), "gzip", b"\x1f\x8b"),
    Compression("zst", (".zst", ".zstd"), "zstd", b"\x28\xb5\x2f\xfd"),
)

#: Suffixes of compressed files that are not read.
FOREIGN_COMPRESSIONS = frozenset({".bz2", ".xz", ".lz4", ".br", ".zip", ".snappy", ".lzma"})


def split_suffix(path: str) -> tuple[Format | None, str]:
    """Return ``(format, compression)`` of a file name; the format is None where it is unknown.

    Of formats with the same suffixes it is the first; ``kind_of_head`` tells them apart. The query
    of a web address (``?download=true``, a signature) is no part of the name.
    """
    path = path.lower()
    if path.startswith(("https://", "http://")):
        path = path.partition("?")[0]
    stem, suffix = os.path.splitext(path)
    compression = next((one.name for one in COMPRESSIONS if suffix in one.suffixes), "")
    if compression:
        suffix = os.path.splitext(stem)[1]
    known = next((one for one in FORMATS.values() if suffix in one.suffixes), None)
    if known is not None and compression and not known.is_text:
        return None, compression
    return known, compression


def known_suffixes(for_target: bool) -> list[str]:
    """The suffixes of what pools, or targets, are made of."""
    kinds = [one for one in FORMATS.values() if for_target or not one.is_target_only]
    return list(dict.fromkeys(suffix for kind in kinds for suffix in kind.suffixes))


def is_meant(name: str, for_target: bool) -> bool:
    """Whether a file in a directory is meant to be read: also one in a compression that is not.

    It is refused later, by name; passing it over would lose its rows in silence.
    """
    stem, suffix = os.path.splitext(name.lower())
    packed = {one for compression in COMPRESSIONS for one in compression.suffixes}
    if suffix in FOREIGN_COMPRESSIONS | packed:
        suffix = os.path.splitext(stem)[1]
    return suffix in known_suffixes(for_target)


def suffix_problem(path: str, for_target: bool) -> str:
    """Why a file is not read by its name."""
    stem, suffix = os.path.splitext(path.lower())
    if is_meant(path, for_target) and suffix not in FOREIGN_COMPRESSIONS:
        kind = os.path.splitext(stem)[1]
        return f"{kind} compressed as a whole is not read; decompress it: gunzip or unzstd {path}"
    if suffix in FOREIGN_COMPRESSIONS:
        return f"{suffix} compression is not read; decompress the file, or use .gz or .zst"
    return f"the suffix is none of {suffix_list(for_target)}"


def suffix_list(for_target: bool) -> str:
    """The suffixes of what pools, or targets, are made of, for a message."""
    known = ", ".join(known_suffixes(for_target))
    return f"{known} (all but tables also with .gz or .zst)"


def refuse_stdin_twice(roles: Mapping[str, Sequence[str]]) -> None:
    """Raise ``UsageError`` where standard input is named twice, or beside other files of one role.

    Args:
        roles: Option, or ``POOL`` → the files that it names.
    """
    users = {role: paths for role, paths in roles.items() if any(map(_is_stdin, paths))}
    if len(users) > 1:
        raise UsageError(
            f"{' and '.join(users)} both name standard input (-), which can be read once; "
            "name a file for one of them"
        )
    for role, paths in users.items():
        if len(paths) > 1:
            raise UsageError(f"{role}: - (standard input) cannot be combined with other files")


def _is_stdin(argument: str) -> bool:
    """Whether an argument is ``-``, alone or as ``NAME=-``."""
    return argument == STDIN or argument.endswith(f"={STDIN}")


#: What ``--format`` takes.
OUTPUT_FORMATS = tuple(
    name
    for one in FORMATS.values()
    if one.is_output
    for name in (one.name, *(f"{one.name}.{c.name}" for c in COMPRESSIONS if one.is_text))
)

OutputFormat = Annotated[str, one_of(OUTPUT_FORMATS)]


def format_of_suffix(path: str) -> str | None:
    """The output format that a file name asks for; None for a directory's name."""
    kind, compression = split_suffix(os.path.basename(path))
    if kind is None or not kind.is_output:
        return None
    return f"{kind.name}.{compression}" if compression else kind.name


def is_data_file(path: str) -> bool:
    """Whether a name is that of a file of data, in a format that may not be written."""
    kind, compression = split_suffix(os.path.basename(path))
    foreign = os.path.splitext(path.lower())[1] in FOREIGN_COMPRESSIONS
    return kind is not None or bool(compression) or foreign


def resolve_format(output: str, wanted: str | None, pool_formats: Iterable[str]) -> str:
    """The format to write: as asked, as the suffix says, or as the pool is.

    Raises:
        UsageError: If standard output is asked to carry anything but plain JSONL.
    """
    if output == STDIN:
        if wanted not in (None, "jsonl"):
            raise UsageError("standard output carries plain JSONL; name a file for other formats")
        return "jsonl"
    if wanted is not None:
        return wanted
    as_pool = {FORMATS[name].written_as for name in pool_formats}
    return format_of_suffix(output) or (as_pool.pop() if len(as_pool) == 1 else "jsonl")
