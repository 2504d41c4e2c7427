"""One pool scored by many processes (ranks) that do not know of each other.

Each rank takes its share of the shards, all ranks write into one work directory, and ``select``
finds every sidecar part there. Where no rank could take a shard whole without more than its fair
share, shards that can be read from their middle are cut into chunks, as the engines cut them, and
the chunks are dealt in turn. For Slurm, ``make -j``, cron, or a loop over ssh: no coordinator is
needed.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from zipsel.errors import UsageError
from zipsel.pool.shards import CHUNK_BYTES, Shard

#: A shard of more than this part of a fair share is cut: dealt whole, shards of 0.2 of a fair share
#: leave no rank more than 1.2 of one.
_WHOLE_SHARE = 0.2

#: Where launchers say which process this is and of how many; the first pair that is set counts.
_LAUNCHERS = (
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("PMIX_RANK", "PMIX_SIZE"),
    ("RANK", "WORLD_SIZE"),
)

_STEP = "SLURM_ARRAY_TASK_STEP"


@dataclass(frozen=True)
class Share:
    """Which part of the shards one process scores, by its rank, from 0, among all."""

    rank: int
    world_size: int

    def __post_init__(self) -> None:
        """Refuse a rank that is none of the processes (``UsageError``)."""
        if not 0 <= self.rank < self.world_size:
            raise UsageError(
                f"--rank goes from 0 to --world-size - 1; found --rank {self.rank} "
                f"--world-size {self.world_size}"
            )

    def __str__(self) -> str:
        """As in file names."""
        return f"{self.rank:05d}-of-{self.world_size:05d}"

    def take(self, shards: Sequence[Shard]) -> list[Shard]:
        """The share's shards, in order; every shard is in exactly one share.

        The largest shards are dealt first, each to the share that has least so far, so that
        shares are about equal in bytes.
        """
        loads = [(0, rank) for rank in range(self.world_size)]
        taken = []
        for shard in sorted(shards, key=lambda shard: (-shard.guessed_bytes, shard.index)):
            held, rank = loads[0]
            heapq.heapreplace(loads, (held + shard.guessed_bytes + 1, rank))
            if rank == self.rank:
                taken.append(shard)
        return sorted(taken, key=lambda shard: shard.index)


@dataclass(frozen=True)
class Deal:
    """What one share gets of a pool.

    Attributes:
        share: Which share.
        shards: Shards of which it scores something, in order.
        first_chunks: Index of each shard that all shares have a part of → number of its first
            chunk among the chunks of all of these.
        lumps: Shards that are more than a fair share and cannot be cut.
    """

    share: Share
    shards: Sequence[Shard]
    first_chunks: Mapping[int, int]
    lumps: Sequence[Shard]

    def has(self, shard: Shard, chunk: int) -> bool:
        """Whether the share scores a chunk of one of its shards.

        Chunks of all cut shards are dealt in turn, so that shards of one chunk each do not all
        fall to the first rank.
        """
        first = self.first_chunks.get(shard.index)
        return first is None or (first + chunk) % self.share.world_size == self.share.rank


def deal(share: Share, shards: Sequence[Shard], *, may_cut: bool = True) -> Deal:
    """What a share gets; every chunk of every shard is in exactly one share."""
    fair = sum(shard.guessed_bytes for shard in shards) / share.world_size
    large = [shard for shard in shards if shard.guessed_bytes > _WHOLE_SHARE * fair]
    cut = [one for one in large if may_cut and one.seekable]
    n_chunks = [max(1, -(-one.guessed_bytes // CHUNK_BYTES)) for one in cut]
    first_chunks = dict(
        zip((one.index for one in cut), accumulate(n_chunks, initial=0), strict=False)
    )
    taken = share.take([shard for shard in shards if shard.index not in first_chunks])
    taken += cut
    lumps = [
        one
        for one in large
        if one.guessed_bytes > fair and one.index not in first_chunks and share.world_size > 1
    ]
    return Deal(share, sorted(taken, key=lambda shard: shard.index), first_chunks, lumps)


def share_of_launcher(environ: Mapping[str, str]) -> Share:
    """What the launcher's environment variables say; a Slurm array of steps is both together.

    Raises:
        UsageError: If there is no launcher, or the array's numbers have gaps.
    """
    found = _number_in_array(environ)
    for rank, size in _LAUNCHERS:
        if rank in environ and size in environ:
            outer_rank, outer_size = found or (0, 1)
            inner_rank, inner_size = _number(environ, rank), _number(environ, size)
            return Share(outer_rank * inner_size + inner_rank, outer_size * inner_size)
    if found is None:
        names = ", ".join(f"{rank}/{size}" for rank, size in _LAUNCHERS)
        raise UsageError(f"--rank auto finds none of {names}; give --rank and --world-size")
    return Share(*found)


def _number_in_array(environ: Mapping[str, str]) -> tuple[int, int] | None:
    if "SLURM_ARRAY_TASK_ID" not in environ:
        return None
    this, first, last, count = (
        _number(environ, f"SLURM_ARRAY_TASK_{name}") for name in ("ID", "MIN", "MAX", "COUNT")
    )
    step = _number({_STEP: "1", **environ}, _STEP)
    if step < 1 or (last - first) // step + 1 != count:
        raise UsageError(
            f"--rank auto needs an array without gaps; found {count} tasks from {first} to "
            f"{last}; give --rank and --world-size"
        )
    return (this - first) // step, count


def _number(environ: Mapping[str, str], name: str) -> int:
    """A whole number that the launcher left in a variable, or a ``UsageError``."""
    text = environ.get(name, "")
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(
            f"--rank auto reads a whole number from {name}, not {text!r}; "
            "give --rank and --world-size"
        )
    return int(text)
