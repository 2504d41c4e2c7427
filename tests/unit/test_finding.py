"""Which files are found, what is said of those that are not, and what first bytes tell."""

import gzip
import io
import json
import os
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from zipsel.pool.finding import find_shards, would_find
from zipsel.pool.formats import format_of_suffix

LINES = b'{"text": "a text"}\n' * 3
ARRAY = json.dumps([{"text": "a text"}] * 3).encode()
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 12\n"


def with_dictionary(data):
    samples = [os.urandom(4) + b'{"text": "a text %d"}' % i for i in range(500)]
    dictionary = zstandard.train_dictionary(1 << 12, samples)
    return zstandard.ZstdCompressor(dict_data=dictionary).compress(data)


def find(directory, *patterns, **options):
    shards, errors = find_shards([str(directory / one) for one in patterns], **options)
    return [os.path.relpath(shard.path, directory) for shard in shards], errors


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".jsonlines", bytes),
        (".jl", bytes),
        (".JSONL", bytes),
        (".jsonl.gzip", gzip.compress),
        (".jsonl.zstd", zstandard.compress),
        (".jl.zstd", zstandard.compress),
    ],
)
def test_other_spellings_of_a_suffix_are_read(tmp_path, suffix, pack):
    (tmp_path / f"a{suffix}").write_bytes(pack(LINES))
    assert find(tmp_path, "") == ([f"a{suffix}"], [])
    assert format_of_suffix(f"out{suffix}").startswith("jsonl")


def test_what_is_passed_over_in_a_directory_is_told(tmp_path):
    for name in ("a.jsonl", "notes.doc", ".hidden", "_under.doc", "state.json"):
        (tmp_path / name).write_bytes(LINES)
    passed_over = []
    assert find(tmp_path, "", passed_over=passed_over) == (["a.jsonl"], [])
    assert passed_over == [str(tmp_path / "notes.doc")]


@pytest.mark.parametrize("name", ["a.parquet.gz", "a.arrow.zstd", "a.jsonl.bz2", "a.csv.xz"])
def test_data_in_a_compression_that_is_not_read_are_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(LINES))
    found, [error] = find(tmp_path, "")
    assert (found, os.path.basename(error.shard)) == ([], name)


def test_a_pattern_takes_the_directories_in_that_it_matches(tmp_path):
    for name in ("a.jsonl", "deep/b.jsonl", "deep/er/c.jsonl", "deep/_no/d.jsonl", "deep/e.doc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(LINES)
    assert find(tmp_path, "*") == (["a.jsonl", "deep/b.jsonl", "deep/er/c.jsonl"], [])
    assert would_find(str(tmp_path / "*"), str(tmp_path / "deep" / "new.jsonl"))
    assert not would_find(str(tmp_path / "*"), str(tmp_path / "deep" / "_no" / "new.jsonl"))


BAD_HEADS = {
    "array.json.gz": (gzip.compress(ARRAY), "is one JSON array, .*: zcat .* | jq -c '.\\[\\]'"),
    "array.jsonl.zst": (zstandard.compress(b"\n " + ARRAY), "is one JSON array, .*: zstdcat "),
    "array.json": (b"\xef\xbb\xbf" + ARRAY, "is one JSON array, not one object a line"),
    "pointer.jsonl": (POINTER, "holds a git-lfs pointer where .*: git lfs pull"),
    "pointer.parquet": (POINTER, "holds a git-lfs pointer where .*: git lfs pull"),
    "pointer.csv.gz": (POINTER, "holds a git-lfs pointer where .*: git lfs pull"),
    "dictionary.jsonl.zst": (with_dictionary(LINES), "zstd dictionary .*: zstd -d -D DICTIONARY"),
    "wide.jsonl": (LINES.decode().encode("utf-16"), "is UTF-16, not UTF-8; convert it: iconv"),
    "wider.jsonl": (LINES.decode().encode("utf-32"), "is UTF-32, not UTF-8; convert it: iconv"),
    "wide.txt.gz": (gzip.compress("é".encode("utf-16")), "is UTF-16, not UTF-8; .*: zcat"),
}


@pytest.mark.parametrize("name", BAD_HEADS)
def test_what_the_first_bytes_tell(tmp_path, name):
    data, problem = BAD_HEADS[name]
    (tmp_path / name).write_bytes(data)
    _, [error] = find(tmp_path, name, for_target=True)
    assert error.shard == str(tmp_path / name)
    assert re.search(problem, error.problem), error.problem


def test_the_footer_of_encrypted_parquet_is_told(tmp_path):
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"]}), sink)
    data = sink.getvalue()
    (tmp_path / "a.parquet").write_bytes(b"PARE" + data[4:-4] + b"PARE")
    _, [error] = find(tmp_path, "")
    assert error.problem.startswith("holds encrypted Parquet where")
    assert error.problem.endswith("write it again without encryption")
