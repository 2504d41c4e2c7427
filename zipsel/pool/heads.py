"""The first bytes of a file, held against what its suffix promises."""

from __future__ import annotations

import codecs
import zlib
from contextlib import suppress

from zipsel.errors import ShardError
from zipsel.pool.formats import COMPRESSIONS, FORMATS, Format

#: Decompressed bytes that tell what a text is.
_SNIFFED_BYTES = 1024

#: First bytes of files that are not read, by what they are.
_FOREIGN_MAGICS = {
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"FEA1": "Feather version 1",
    b"PARE": "encrypted Parquet",
    b"version https://git-lfs.github.com/spec/": "a git-lfs pointer",
}

#: A page that a server sent in place of the file, in lower case. An example in a .txt file may be a
#: page itself.
_PAGE_MAGICS = (b"<!doctype html", b"<html", b"<?xml")
_PAGE = "a web page"

#: What is to be done with files that are not read, where renaming them does not help.
_REMEDIES = {
    "encrypted Parquet": "write it again without encryption",
    _PAGE: "its server may have refused it; fetch it again",
    "a git-lfs pointer": "fetch the file that it stands for: git lfs pull",
    "Feather version 1": "write it again as Feather version 2",
}


def kind_of_head(kind: Format, head: bytes) -> Format:
    """Which of the formats with the suffixes of ``kind`` a file has that begins so."""
    alike = [one for one in FORMATS.values() if one.suffixes == kind.suffixes]
    return next((one for one in alike if head.startswith(one.magics)), kind)


def check_head(path: str, kind: Format, compression: str, head: bytes) -> None:
    """Hold a file's first bytes against what its suffix promises.

    Raises:
        ShardError: If they contradict each other.
    """
    if not head:
        if not kind.is_text:
            raise ShardError(path, f"is empty, without {kind.title} data; write it again")
        return
    found = _title_of(head)
    expected = next((one.title for one in COMPRESSIONS if one.name == compression), kind.title)
    if found == _PAGE and kind.is_target_only and not compression:
        return
    if found != expected:
        remedy = _REMEDIES.get(found, "rename it")
        raise ShardError(path, f"holds {found} where its suffix says {expected}; {remedy}")
    if compression == "zst" and (number := _dictionary_of(head)):
        raise ShardError(
            path,
            f"was compressed with a zstd dictionary (number {number}), which it does not hold; "
            f"decompress it: zstd -d -D DICTIONARY {path}",
        )
    if not kind.is_table and kind.is_text:
        _check_text(path, kind, compression, head)


def wide_encoding(head: bytes) -> str:
    """``UTF-32`` or ``UTF-16`` by the mark that a text begins with; empty without one."""
    for encoding, marks in (  # a mark of UTF-32 begins with one of UTF-16
        ("UTF-32", (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),
        ("UTF-16", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)),
    ):
        if head.startswith(marks):
            return encoding
    return ""


def _check_text(path: str, kind: Format, compression: str, head: bytes) -> None:
    text = _unpacked(head, compression)
    source = {"gz": f"zcat {path} | ", "zst": f"zstdcat {path} | "}.get(compression, "")
    name = "" if source else f" {path}"
    if encoding := wide_encoding(text):
        problem = (
            f"is {encoding}, not UTF-8; convert it: {source}iconv -f {encoding} -t UTF-8{name}"
        )
        raise ShardError(path, problem)
    if kind.name == "jsonl" and text.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"[":
        raise ShardError(
            path, f"is one JSON array, not one object a line; convert it: {source}jq -c '.[]'{name}"
        )


def _unpacked(head: bytes, compression: str) -> bytes:
    """The first decompressed bytes; none where the data are damaged, which reading will tell."""
    if not compression:
        return head
    if compression == "gz":
        with suppress(zlib.error):
            return zlib.decompressobj(wbits=31).decompress(head, _SNIFFED_BYTES)
        return b""
    import zstandard

    with suppress(zstandard.ZstdError):
        reader = zstandard.ZstdDecompressor().stream_reader(head, read_across_frames=True)
        return reader.read(_SNIFFED_BYTES)
    return b""


def _dictionary_of(head: bytes) -> int:
    """The number of the dictionary that a zstd frame needs; 0 for none."""
    import zstandard

    if _is_skippable_frame(head):
        return 0
    with suppress(zstandard.ZstdError):
        return int(zstandard.get_frame_parameters(head).dict_id)
    return 0


def _title_of(head: bytes) -> str:
    magics = {magic: one.title for one in FORMATS.values() for magic in one.magics}
    magics |= {one.magic: one.title for one in COMPRESSIONS} | _FOREIGN_MAGICS
    if _is_skippable_frame(head):
        return "zstd"
    if head.removeprefix(codecs.BOM_UTF8).lstrip().lower().startswith(_PAGE_MAGICS):
        return _PAGE
    return next((title for magic, title in magics.items() if head.startswith(magic)), "text")


def _is_skippable_frame(head: bytes) -> bool:
    return len(head) >= 4 and head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50
