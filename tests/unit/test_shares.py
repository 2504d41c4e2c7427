"""Workers of an engine, local or Ray, get about the same share of any pool."""

import heapq
import random
from types import SimpleNamespace

import pytest

from zipsel.pool.shards import CHUNK_BYTES, Shard
from zipsel.readers.reading import Reading
from zipsel.scoring.pending import Pending
from zipsel.scoring.small_shards import SmallShardsTask
from zipsel.scoring.tally import Tally

LIMIT = 1.3
SIZES = {
    "equal": lambda generator: 40 << 20,
    "small": lambda generator: 2000,
    "spread": lambda generator: int(generator.lognormvariate(17, 1.5)),
    "one large": lambda generator: (1 << 30) if generator.random() < 0.05 else 1 << 20,
}
COMPRESSIONS = {"plain": [""], "compressed": ["zst"], "both": ["", "gz"]}


def text_of(task):
    """Bytes of text that a task scores."""
    if isinstance(task, SmallShardsTask):
        return sum(shard.guessed_bytes for shard in task.shards)
    shard = task.shard
    if task.chunk is None:
        return shard.guessed_bytes / task.turn.step
    return min(CHUNK_BYTES, shard.n_bytes - task.chunk.index * CHUNK_BYTES)


def job_in(folder, chunk_bytes=CHUNK_BYTES):
    return SimpleNamespace(
        chunk_bytes=chunk_bytes, folder=str(folder), reading=Reading(), salvage=False,
        threshold=None, kept_of=lambda _: 0.0,
    )  # fmt: skip


def run_greedily(tasks, n_workers):
    """Text that each worker scores where whoever is free takes the next task, as engines do."""
    loads = [0.0] * n_workers
    for task in tasks:
        heapq.heapreplace(loads, loads[0] + text_of(task))
    return loads


@pytest.mark.parametrize("n_workers", [2, 7, 64])
@pytest.mark.parametrize("n_shards", [1, 3, 16, 65, 300])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("compressions", COMPRESSIONS)
@pytest.mark.parametrize("identified", [True, False])
def test_no_worker_has_much_more_than_a_fair_share(
    tmp_path, n_workers, n_shards, sizes, compressions, identified
):
    generator = random.Random(n_shards)
    kinds = COMPRESSIONS[compressions]
    shards = [
        Shard(
            i, f"{i}.jsonl", "jsonl", kinds[i % len(kinds)], SIZES[sizes](generator),
            f"mark {i}", f"{i:032x}" if identified else "",
        )
        for i in range(n_shards)
    ]  # fmt: skip
    job = job_in(tmp_path)
    pending = Pending(job, shards, False, n_workers, Tally(job), lambda *_: True)
    loads = run_greedily(pending.iter_tasks(), n_workers)
    fair = sum(shard.guessed_bytes for shard in shards) / n_workers
    assert sum(loads) == pytest.approx(fair * n_workers)
    assert max(loads) <= max(LIMIT * fair, fair + CHUNK_BYTES)


@pytest.mark.parametrize(("place", "chunk_bytes", "n_tasks"), [
    ("s3://b", CHUNK_BYTES, 1), ("s3://b", CHUNK_BYTES // 16, 4), ("pool", CHUNK_BYTES, 4),
])  # fmt: skip
def test_a_stream_behind_a_url_is_downloaded_once_unless_scoring_is_slow(
    tmp_path, place, chunk_bytes, n_tasks
):
    shard = Shard(0, f"{place}/a.jsonl.zst", "jsonl", "zst", 1 << 30, "mark", "fingerprint")
    job = job_in(tmp_path, chunk_bytes)
    pending = Pending(job, [shard], False, 4, Tally(job), lambda *_: True)
    assert len(list(pending.iter_tasks())) == n_tasks
