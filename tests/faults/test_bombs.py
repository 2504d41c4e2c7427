"""Files made to end a process: bombs stay in little memory, broken footers are refused."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faults import flipping
from faults.faulty import compress, make_records, write_records
from zipsel.pool.shards import CHUNK_BYTES, open_shard
from zipsel.readers.parquet import READER
from zipsel.readers.reading import Reading

#: Half a GiB, far below what any of the bombs decodes to. 4 KiB of zstd, which are decoded at once,
#: hold up to 128 MiB, and take three times that on their way.
MEMORY_LIMIT_KB = 512 << 10


def write_stream(path, kind):
    """Hundreds of megabytes without a newline."""
    part = compress(b" " * (64 << 20), kind)
    path.write_bytes(compress(b'{"text": "', kind) + part * 10)


def write_dictionary(path):
    """A gigabyte of repeated text, kept once."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 40, pa.int32()), ["x" * 25_000_000])
    pq.write_table(pa.table({"text": text}), path, compression="zstd")


def write_repeated(path, text_type, **options):
    """A gigabyte in one row group, written piece by piece."""
    batch = pa.record_batch({"text": pa.array([b"x" * 1_000_000] * 10).cast(text_type)})
    with pq.ParquetWriter(path, batch.schema, compression="zstd", **options) as writer:
        for _ in range(100):
            writer.write_batch(batch)


def write_prefixes(path):
    """Each text is all of the one before."""
    options = {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}}
    write_repeated(path, pa.string(), **options)


def write_fixed(path):
    """A dictionary of values of fixed length, which pyarrow cannot read by itself."""
    write_repeated(path, pa.binary(1_000_000))


BOMBS = {
    "gz": (".jsonl.gz", lambda path: write_stream(path, "gz")),
    "zst": (".jsonl.zst", lambda path: write_stream(path, "zst")),
    "dictionary": (".parquet", write_dictionary),
    "prefixes": (".parquet", write_prefixes),
    "fixed": (".parquet", write_fixed),
}


#: Runs a command and prints its peak. A process begins with the peak of the one that it was forked
#: from, so this small one stands between: what the tests themselves have needed does not count.
LAUNCHER = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def run_measured(arguments):
    """Exit code, standard error and peak memory in KB of the largest process of a run."""
    command = [sys.executable, "-m", "zipsel", *map(str, arguments)]
    done = subprocess.run([sys.executable, "-c", LAUNCHER, *command], capture_output=True)
    return done.returncode, done.stderr, int(done.stdout.split()[-1])


@pytest.mark.parametrize(
    ("name", "workers"), [*((name, 1) for name in BOMBS), ("gz", 2), ("prefixes", 2)]
)
def test_a_bomb_stays_within_bounds(tmp_path, name, target, workers):
    suffix, write_bomb = BOMBS[name]
    path = tmp_path / f"bomb{suffix}"
    write_bomb(path)
    assert path.stat().st_size < 2_000_000
    code, message, peak = run_measured(
        ["select", path, "-t", target, "-o", tmp_path / "out", "--workers", workers,
         "--top-k", 1, "--max-row-bytes", "100kB"],
    )  # fmt: skip
    assert code == 1, message  # nothing of the file can be used
    assert b"too-long" in message
    assert peak < MEMORY_LIMIT_KB


def test_no_changed_byte_of_a_footer_ends_the_process(tmp_path):
    """Arrow aborts where it is asked for metadata that it could not read."""
    table = pa.table({"text": ["one", "two", None], "meta": [{"a": "p"}, {"a": None}, None]})
    path = tmp_path / "whole.parquet"
    pq.write_table(table, path, row_group_size=2, store_schema=False)
    process = subprocess.run(
        [sys.executable, flipping.__file__, path, tmp_path], capture_output=True, check=False
    )
    assert (process.returncode, process.stderr) == (0, b"")
    n_refused, _, n_changed, _ = process.stdout.split()
    assert int(n_changed) > int(n_refused) > 100


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_that_take_no_space_in_the_file_are_refused_before_they_take_memory(
    run, tmp_path, workers
):
    good = write_records(tmp_path / "good", make_records(20), "parquet")
    path = tmp_path / "nulls.parquet"
    pq.write_table(
        pa.table({"text": pa.nulls(3_000_000, pa.string())}), path, row_group_size=1 << 24
    )
    done = run(good, path, workers=workers)
    assert done.code == 1
    assert done.message.splitlines()[1] == (
        f"  {path}: row group 0 has 3,000,000 rows in a file of {path.stat().st_size:,} bytes; "
        "write it again in row groups of at most 1,048,576 rows"
    )
    done = run(good, path, options=["--on-bad-file", "salvage"], workers=workers)
    assert (done.code, done.counts["n_chosen"], done.counts["n_bad_shards"]) == (0, 20, 1)


def test_a_chunk_of_row_groups_without_values_ends_after_a_million_rows(tmp_path):
    path = tmp_path / "nulls.parquet"
    pq.write_table(
        pa.table({"text": pa.nulls(3_000_000, pa.string())}), path, row_group_size=250_000
    )
    chunks = READER.plan(open_shard(str(path), 0), Reading(), CHUNK_BYTES)
    assert [chunk.place for chunk in chunks] == [(0, 5), (5, 10), (10, 12)]
