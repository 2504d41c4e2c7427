"""One pool scored by many processes that do not know of each other.

Each takes its share of the shards by rank, all write into one work directory, and ``select``
finds every sidecar there. A shard that is more than a fair share is cut, chunk by chunk, as the
engines cut it, where a process can begin in its middle. For Slurm, ``make -j``, cron, or a loop
over ssh: nothing has to run that any of them could lose.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from zipsel.errors import UsageError
from zipsel.pool.shards import Shard

#: Where launchers say which process this is and of how many; the first pair that is set counts.
_LAUNCHERS = (
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("PMIX_RANK", "PMIX_SIZE"),
    ("RANK", "WORLD_SIZE"),
)


@dataclass(frozen=True)
class Share:
    """Which part of the shards one process scores.

    Attributes:
        rank: From 0.
        world_size: Processes in all.
    """

    rank: int
    world_size: int

    def __post_init__(self) -> None:
        """Refuse a rank that is none of the processes.

        Raises:
            UsageError: If it is not below the size.
        """
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
        held = [0] * self.world_size
        taken = []
        for shard in sorted(shards, key=lambda shard: (-shard.n_bytes, shard.index)):
            least = min(range(self.world_size), key=held.__getitem__)
            held[least] += shard.n_bytes + 1
            if least == self.rank:
                taken.append(shard)
        return sorted(taken, key=lambda shard: shard.index)


@dataclass(frozen=True)
class Deal:
    """What one share gets of a pool.

    Attributes:
        share: Which share.
        shards: Shards of which it scores something, in order.
        cut: Indexes of those that all shares have a part of.
        lumps: Shards that are more than a fair share and cannot be cut.
    """

    share: Share
    shards: Sequence[Shard]
    cut: Collection[int]
    lumps: Sequence[Shard]

    def has(self, shard: Shard, chunk: int) -> bool:
        """Whether the share scores a chunk of one of its shards."""
        return shard.index not in self.cut or chunk % self.share.world_size == self.share.rank


def deal(share: Share, shards: Sequence[Shard], *, may_cut: bool = True) -> Deal:
    """What a share gets; every chunk of every shard is in exactly one share.

    Args:
        share: Which share.
        shards: The pool.
        may_cut: Whether a shard may be in several shares.
    """
    fair = sum(shard.n_bytes for shard in shards) / share.world_size
    large = [shard for shard in shards if shard.n_bytes > fair]
    cut = {one.index for one in large if may_cut and (one.seekable or one.is_table)}
    taken = share.take([shard for shard in shards if shard.index not in cut])
    taken += [shard for shard in large if shard.index in cut]
    lumps = [shard for shard in large if shard.index not in cut and share.world_size > 1]
    return Deal(share, sorted(taken, key=lambda shard: shard.index), cut, lumps)


def share_of_launcher(environ: Mapping[str, str]) -> Share:
    """What the launcher's environment variables say; a Slurm array of steps is both together.

    Raises:
        UsageError: If there is no launcher, or the array's numbers have gaps.
    """
    found = _number_in_array(environ)
    for rank, size in _LAUNCHERS:
        if rank in environ and size in environ:
            outer_rank, outer_size = found or (0, 1)
            inner_rank, inner_size = int(environ[rank]), int(environ[size])
            return Share(outer_rank * inner_size + inner_rank, outer_size * inner_size)
    if found is None:
        names = ", ".join(f"{rank}/{size}" for rank, size in _LAUNCHERS)
        raise UsageError(f"--rank auto finds none of {names}; give --rank and --world-size")
    return Share(*found)


def _number_in_array(environ: Mapping[str, str]) -> tuple[int, int] | None:
    if "SLURM_ARRAY_TASK_ID" not in environ:
        return None
    this, first, last, count = (
        int(environ[f"SLURM_ARRAY_TASK_{name}"]) for name in ("ID", "MIN", "MAX", "COUNT")
    )
    step = int(environ.get("SLURM_ARRAY_TASK_STEP", "1"))
    if (last - first) // step + 1 != count:
        raise UsageError(
            f"--rank auto needs an array without gaps; found {count} tasks from {first} to "
            f"{last}; give --rank and --world-size"
        )
    return (this - first) // step, count
