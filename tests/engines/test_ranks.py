"""One pool scored by processes that do not know of each other, then selected from."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up import make_records, write_jsonl

from zipsel.commands.score import run_score
from zipsel.console.messages import Log
from zipsel.engines.local import LocalEngine
from zipsel.errors import UsageError
from zipsel.pool.shards import CHUNK_BYTES, Shard
from zipsel.scorers.fused import FusedScorer
from zipsel.scorers.ngram import NgramScorer
from zipsel.scoring.ranks import Share, deal, share_of_launcher
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings, ScoreOutput

EXAMPLES = Path(__file__).parents[2] / "configs" / "cluster"


def make_shards(sizes):
    return [Shard(i, f"{i}.jsonl", "jsonl", "", size, str(i)) for i, size in enumerate(sizes)]


@pytest.mark.parametrize("world_size", [1, 2, 3, 7, 20])
def test_every_shard_is_in_one_share_and_shares_are_even(world_size):
    shards = make_shards([5, 900, 30, 30, 400, 0, 0, 410, 70, 35, 120])
    shares = [Share(rank, world_size).take(shards) for rank in range(world_size)]
    taken = sorted(shard.index for share in shares for shard in share)
    assert taken == list(range(len(shards)))
    assert all(share == sorted(share, key=lambda shard: shard.index) for share in shares)
    loads = [sum(shard.n_bytes for shard in share) for share in shares]
    assert max(loads) <= max(900, 1.34 * sum(loads) / world_size)


@pytest.mark.parametrize("world_size", [1, 2, 3, 7, 20])
def test_every_chunk_of_a_shard_that_is_cut_is_in_one_share(world_size):
    shards = make_shards([5, 900, 30, 30, 400, 0, 0, 410, 70, 35, 120])
    deals = [deal(Share(rank, world_size), shards) for rank in range(world_size)]
    chunks = [
        (shard.index, chunk)
        for one in deals
        for shard in one.shards
        for chunk in range(10)
        if one.has(shard, chunk)
    ]
    assert sorted(chunks) == [(shard.index, chunk) for shard in shards for chunk in range(10)]
    assert all(1 in one.first_chunks for one in deals)
    whole = [deal(Share(rank, world_size), shards, may_cut=False) for rank in range(world_size)]
    assert sum(len(one.shards) for one in whole) == len(shards)
    assert [[shard.index for shard in one.lumps] for one in deals] == [[]] * world_size


@pytest.mark.parametrize(
    ("sizes", "compression", "world_size", "limit"),
    [
        ([2_600_000] * 7, "", 8, 1.3),
        ([100_000_000] * 60, "", 64, 1.3),
        ([30_000_000] * 3, "", 4, 1.3),
        ([1_000_000] * 500, "", 64, 1.3),
        ([1_000_000] * 500, "zst", 64, 1.3),
        ([5_000_000, *[400_000] * 300], "gz", 8, 1.3),
        ([10**9, *range(1_000_000, 5_000_000, 40_000)], "", 16, 1.3),
    ],
)
def test_no_rank_has_much_more_than_a_fair_share(sizes, compression, world_size, limit):
    shards = [replace(shard, compression=compression) for shard in make_shards(sizes)]
    loads = []
    for rank in range(world_size):
        one = deal(Share(rank, world_size), shards)
        loads.append(0)
        for shard in one.shards:
            n_chunks = max(1, -(-shard.n_bytes // CHUNK_BYTES))
            chunks = [min(CHUNK_BYTES, shard.n_bytes - i * CHUNK_BYTES) for i in range(n_chunks)]
            loads[-1] += sum(n for i, n in enumerate(chunks) if one.has(shard, i))
    assert sum(loads) == sum(sizes)
    busy = [load for load in loads if load]
    # A chunk, or a whole stream, is the least by which two ranks differ.
    fair, least = sum(sizes) / world_size, max(sizes) if compression else CHUNK_BYTES
    assert max(loads) <= max(limit * fair, fair + min(least, max(sizes)))
    assert len(busy) >= min(world_size, len(sizes))


def test_bytes_of_compressed_shards_count_by_their_text():
    packed = [Shard(i, f"{i}.jsonl.gz", "jsonl", "gz", 100, str(i)) for i in range(4)]
    plain = [Shard(i, f"{i}.jsonl", "jsonl", "", 400, str(i)) for i in range(4, 8)]
    for rank in range(4):
        taken = Share(rank, 4).take([*packed, *plain])
        assert sum(shard.guessed_bytes for shard in taken) == 800


def test_a_large_stream_goes_to_one_rank_whole_and_is_named():
    shards = make_shards([10, 10, 10])
    stream = Shard(3, "big.jsonl.zst", "jsonl", "zst", 500, "x")
    deals = [deal(Share(rank, 2), [*shards, stream]) for rank in range(2)]
    assert [one.lumps for one in deals] == [[stream], [stream]]
    assert sum(stream in one.shards for one in deals) == 1
    assert deal(Share(0, 1), [*shards, stream]).lumps == []


@pytest.mark.parametrize(("rank", "size"), [(-1, 4), (4, 4), (0, 0)])
def test_a_rank_outside_is_refused(rank, size):
    with pytest.raises(UsageError, match="--rank goes from 0"):
        Share(rank, size)


ARRAY = {
    "SLURM_ARRAY_TASK_ID": "7",
    "SLURM_ARRAY_TASK_MIN": "1",
    "SLURM_ARRAY_TASK_MAX": "7",
    "SLURM_ARRAY_TASK_COUNT": "4",
    "SLURM_ARRAY_TASK_STEP": "2",
}


@pytest.mark.parametrize(
    ("environ", "rank", "size"),
    [
        ({"SLURM_PROCID": "2", "SLURM_NTASKS": "5"}, 2, 5),
        ({"SLURM_PROCID": "2", "SLURM_NTASKS": "9", "SLURM_STEP_NUM_TASKS": "3"}, 2, 3),
        (ARRAY, 3, 4),
        ({**ARRAY, "SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, 7, 8),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, 1, 2),
        ({"RANK": "0", "WORLD_SIZE": "2"}, 0, 2),
    ],
)
def test_launchers(environ, rank, size):
    assert share_of_launcher(environ) == Share(rank, size)


def test_launchers_that_cannot_be_understood_are_refused():
    with pytest.raises(UsageError, match="--rank auto finds none"):
        share_of_launcher({"RANK": "0"})
    with pytest.raises(UsageError, match="without gaps; found 2 tasks from 1 to 7"):
        share_of_launcher({**ARRAY, "SLURM_ARRAY_TASK_COUNT": "2"})


@pytest.fixture
def shared_pool(tmp_path):
    """Seven shards of uneven size, two of them compressed."""
    records = make_records(140)
    for i, (start, end) in enumerate([(0, 40), (40, 50), (50, 60), (60, 90), (90, 100)]):
        write_jsonl(tmp_path / "pool" / f"part-{i}.jsonl", records[start:end])
    import zstandard

    packed = write_jsonl(tmp_path / "plain.jsonl", records[100:140]).read_bytes()
    for i in (5, 6):
        half = packed[: packed.find(b"\n", len(packed) // 2) + 1] if i == 5 else packed
        path = tmp_path / "pool" / f"part-{i}.jsonl.zst"
        path.write_bytes(zstandard.compress(half))
    return tmp_path / "pool"


def sidecars(work_dir):
    return {path: path.stat().st_mtime_ns for path in work_dir.glob("scores/**/*.parquet")}


def test_select_finds_what_all_ranks_scored(zipsel, shared_pool, target, tmp_path):
    inputs = ("pool", "--target", target)
    zipsel("select", *inputs, "--output", "alone", "--top-k", 30, "--add-field", "score")
    command = [sys.executable, "-m", "zipsel", "score", *inputs, "--work-dir", "work"]
    environ = {**os.environ, "ZIPSEL_WORKERS": "1"}
    ranks = [
        subprocess.Popen([*command, "--rank", str(i), "--world-size", "3", "--output", "scores"],
                         cwd=tmp_path, env=environ, stderr=subprocess.PIPE)
        for i in range(3)
    ]  # fmt: skip
    for process in ranks:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    scored = sidecars(tmp_path / "work")
    assert len(scored) == 7
    assert len(list((tmp_path / "work" / "profiles").glob("*.profile"))) == 1

    zipsel(
        "select", *inputs, "--work-dir", "work", "--output", "together",
        "--top-k", 30, "--add-field", "score",
    )  # fmt: skip

    assert sidecars(tmp_path / "work") == scored
    name = "subset-00000.jsonl"
    assert (tmp_path / "together" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    tables = sorted(path.name for path in (tmp_path / "scores").glob("*.scores.parquet"))
    assert tables == sorted(f"{shard.name}.scores.parquet" for shard in shared_pool.iterdir())
    assert len(list((tmp_path / "scores").glob("rejects-0000?-of-00003.jsonl"))) == 3


def test_a_rank_counts_the_shards_of_its_share(zipsel, shared_pool, target):
    command = ("score", shared_pool, "--target", target, "--work-dir", "work", "--world-size", 2)
    shares = [zipsel(*command, "--rank", rank).stderr.decode() for rank in (0, 1)]
    counted = [re.search(r"in (\d) of 7 shards.* 0 known, (\d) scored", said) for said in shares]
    assert all(found and found[1] == found[2] for found in counted)
    assert sum(int(found[1]) for found in counted) == 7
    again = zipsel(*command, "--rank", 0).stderr.decode()
    assert f"{counted[0][1]} known, 0 scored" in again


def test_a_rank_that_never_ran_is_made_up_for(zipsel, shared_pool, target, tmp_path):
    inputs = (shared_pool, "--target", target)
    zipsel("select", *inputs, "--output", "a.jsonl", "--fraction", 0.2, "--work-dir", "one")
    zipsel("score", *inputs, "--work-dir", "two", "--rank", 1, "--world-size", 2)
    before = sidecars(tmp_path / "two")
    zipsel("select", *inputs, "--output", "b.jsonl", "--fraction", 0.2, "--work-dir", "two")
    after = sidecars(tmp_path / "two")
    assert 0 < len(before) < len(after) == 7
    assert before.items() <= after.items()
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


@pytest.fixture
def lopsided_pool(tmp_path):
    """A large shard of each kind beside a small one, with chunks of the smallest size."""
    records = make_records(400)
    write_jsonl(tmp_path / "pool" / "a.jsonl", records[:190])
    pq.write_table(
        pa.Table.from_pylist(records[190:380]), tmp_path / "pool" / "b.parquet", row_group_size=20
    )
    write_jsonl(tmp_path / "pool" / "c.jsonl", records[380:])
    return tmp_path / "pool"


def score_in_shares(pool, target, work_dir, monkeypatch, n_shares, **options):
    monkeypatch.setattr(NgramScorer, "chunk_bytes", 4096)
    monkeypatch.setattr(FusedScorer, "chunk_bytes", 4096)
    settings = RunSettings(pool=(str(pool),), target=(str(target),), work_dir=str(work_dir))
    counted = []
    for rank in range(n_shares):
        share = Share(rank, n_shares) if n_shares > 1 else None
        log = Log(quiet=True)
        scores = run_score(
            Run(settings, log), LocalEngine(1), ScoreOutput(path=None, share=share, **options)
        )
        counted.append(scores.n_rows)
    parts = {path.name: path.read_bytes() for path in work_dir.glob("scores/**/*.parquet")}
    return counted, parts


def test_a_huge_shard_is_cut_into_the_same_parts(lopsided_pool, target, tmp_path, monkeypatch):
    (n_rows,), alone = score_in_shares(lopsided_pool, target, tmp_path / "one", monkeypatch, 1)
    counted, together = score_in_shares(lopsided_pool, target, tmp_path / "all", monkeypatch, 4)
    assert together == alone
    assert len(alone) > 12
    assert sum(counted) == n_rows == 400
    assert max(counted) < 190


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rank", 0], b"--rank needs --world-size"),
        (["--world-size", 2], b"--world-size needs --rank R"),
        (["--rank", "one", "--world-size", 2], b"--rank takes a number from 0 or one of auto"),
        (["--rank", 2, "--world-size", 2], b"--rank goes from 0"),
        (["--rank", "auto", "--world-size", 2], b"--world-size needs --rank R"),
    ],
)
def test_half_a_share_is_a_usage_error(zipsel, pool, target, arguments, message):
    process = zipsel("score", pool, "-t", target, "--work-dir", "w", *arguments, code=2)
    assert message in process.stderr


def test_scores_must_go_somewhere(zipsel, pool, target):
    process = zipsel("score", pool, "--target", target, code=2)
    assert b"--output, or --work-dir" in process.stderr


@pytest.fixture
def with_zipsel(tmp_path, zipsel_env):
    """An environment in whose PATH ``zipsel`` is this Python's."""
    script = tmp_path / "bin" / "zipsel"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zipsel "$@"\n')
    script.chmod(0o755)
    return {**zipsel_env, "PATH": f"{script.parent}:{os.environ['PATH']}"}


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_makefile_example(shared_pool, target, tmp_path, with_zipsel, zipsel):
    zipsel("select", "pool", "--target", target, "--output", "alone", "--top-k", 9)
    arguments = [f"TARGET={target}", "POOL=pool", "OUTPUT=subset", "N=3", "BUDGET=--top-k 9"]
    subprocess.run(
        ["make", "-j", "2", "-f", EXAMPLES / "shares.mk", *arguments],
        cwd=tmp_path, env=with_zipsel, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    name = "subset-00000.jsonl"
    assert (tmp_path / "subset" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_slurm_example(shared_pool, target, tmp_path, with_zipsel):
    for task in range(2):
        environ = {
            **with_zipsel,
            "POOL": "pool",
            "TARGET": str(target),
            "WORK": "work",
            "SLURM_ARRAY_TASK_ID": str(task),
            "SLURM_ARRAY_TASK_MIN": "0",
            "SLURM_ARRAY_TASK_MAX": "1",
            "SLURM_ARRAY_TASK_COUNT": "2",
            "SLURM_PROCID": "0",
            "SLURM_NTASKS": "1",
        }
        subprocess.run(
            ["bash", EXAMPLES / "score.sbatch"],
            cwd=tmp_path, env=environ, check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        assert len(sidecars(tmp_path / "work")) in ((1, 2, 3, 4, 5, 6), (7,))[task]
