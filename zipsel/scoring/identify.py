"""Which shards are known: a fingerprint of its content for each, whatever its path.

A shard is read once for it, at the speed of the digest, unless an earlier run read a file with the
same path, size and times. Small amounts are read in this process while workers start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from zipsel.engines import Engine
from zipsel.engines.threads import iter_in_threads
from zipsel.errors import ShardError
from zipsel.pool.known import KnownFile
from zipsel.pool.shards import Content, Shard, read_content
from zipsel.scoring.run import Run

#: Up to this many bytes threads of this process are done sooner than workers that have to start.
_HERE_BYTES = 512 << 20

#: Bytes of one task; small files are read together.
_TASK_BYTES, _TASK_FILES = 256 << 20, 256


@dataclass(frozen=True)
class IdentifyTask:
    """Read some shards for their fingerprints."""

    shards: tuple[Shard, ...]

    def __str__(self) -> str:
        """Name the first shard, and how many others there are."""
        n_others = len(self.shards) - 1
        more = f", or in one of {n_others:,} files after it" if n_others else ""
        return f"{self.shards[0].path}{more}"


def identify(
    run: Run, engine: Engine, shards: Sequence[Shard]
) -> tuple[list[Shard], list[ShardError]]:
    """Give shards the fingerprints of their contents, and remember these for later runs.

    Returns:
        The shards in order, and an error for each that cannot be read or changed.

    Raises:
        OutputError: If the work directory cannot be written.
    """
    new = [shard for shard in shards if not shard.is_identified]
    n_bytes = sum(shard.n_bytes for shard in new)
    found: dict[int, Shard] = {}
    errors: list[ShardError] = []
    with run.log.progress("reading new shards", n_bytes) as progress:
        for shard, content in _iter_contents(engine, new, here=n_bytes <= _HERE_BYTES):
            if isinstance(content, ShardError):
                errors.append(content)
                continue
            found[shard.index] = replace(shard, fingerprint=content.fingerprint)
            file = KnownFile(content.fingerprint, shard.format)
            run.known.note(shard.mark, file, content.changed_ns)
            progress.advance(0, shard.n_bytes, shard.n_bytes)
    run.known.save()
    return [found.get(shard.index, shard) for shard in shards], errors


def _iter_contents(
    engine: Engine, shards: Sequence[Shard], *, here: bool
) -> Iterator[tuple[Shard, Content | ShardError]]:
    if here:
        contents = iter_in_threads(_try_to_read, shards, engine.n_workers)
        yield from zip(shards, contents, strict=True)
        return
    for task, result in engine.run(read_contents, _iter_tasks(shards)):
        if isinstance(result, BaseException):
            raise result
        yield from zip(task.shards, result, strict=True)


def _iter_tasks(shards: Iterable[Shard]) -> Iterator[IdentifyTask]:
    batch: list[Shard] = []
    for shard in shards:
        batch.append(shard)
        if sum(one.n_bytes for one in batch) >= _TASK_BYTES or len(batch) == _TASK_FILES:
            yield IdentifyTask(tuple(batch))
            batch = []
    if batch:
        yield IdentifyTask(tuple(batch))


def read_contents(task: IdentifyTask) -> list[Content | ShardError]:
    """What a worker does: read each shard, or say why it cannot be read."""
    return [_try_to_read(shard) for shard in task.shards]


def _try_to_read(shard: Shard) -> Content | ShardError:
    try:
        return read_content(shard)
    except ShardError as error:
        return error
