"""The pool sample, with which a scorer compares the target: seeded, independent of workers.

It is made of runs of consecutive rows, about 64 KB each, drawn from up to 64 shards (more where
shards are small). In plain JSONL, Parquet and Arrow files they may come from anywhere; in CSV, in
Arrow streams and in what is compressed from the first part alone, since reaching the rest would
mean reading it all. A pool whose shards of that kind are sorted inside should be shuffled first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from random import Random

from zipsel.console.progress import Advance, tell_nobody
from zipsel.errors import ShardError
from zipsel.pool.shards import Shard
from zipsel.readers import reader_of
from zipsel.readers.json_rows import RowParser
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import LineChunk
from zipsel.readers.reading import Reading
from zipsel.scorers.fit import DEFAULT_SAMPLE_BYTES
from zipsel.texts import TextBatch, join_batches

_RUN_BYTES = 1 << 16
_MAX_SHARDS = 64

#: A compressed stream is read this many times further than its share of the sample.
_STREAM_FACTOR = 2


def sample_pool(
    shards: Sequence[Shard],
    reading: Reading,
    *,
    sample_bytes: int = DEFAULT_SAMPLE_BYTES,
    seed: int = 0,
    on_error: Callable[[ShardError], None] | None = None,
    advance: Advance = tell_nobody,
) -> TextBatch:
    """Draw texts spread over the shards.

    Args:
        shards: The pool.
        reading: How rows become texts; refused rows are left out.
        sample_bytes: How much text to draw, about; the whole pool where that is smaller.
        seed: Same seed, same pool, same sample.
        on_error: Takes a shard that cannot be read, which is then passed over; by default the
            error is raised.
        advance: Told what is drawn.

    Raises:
        ShardError: If a visited shard cannot be read.
    """
    order = list(shards)
    Random(seed).shuffle(order)
    share = max(_RUN_BYTES, sample_bytes // max(1, min(len(order), _MAX_SHARDS)))
    drawn: dict[int, list[TextBatch]] = {}
    n_bytes = 0
    for shard in order:
        if n_bytes >= sample_bytes:
            break
        batches = drawn.setdefault(shard.index, [])
        try:
            batches.extend(_draw(shard, reading, min(share, sample_bytes - n_bytes), seed))
        except ShardError as error:
            if on_error is None:
                raise
            on_error(error)
        of_shard = sum(int(batch.offsets[-1]) for batch in batches)
        advance(sum(map(len, batches)), of_shard, of_shard)
        n_bytes += of_shard
    return join_batches([batch for index in sorted(drawn) for batch in drawn[index]])


def sample_chunks(chunks: Sequence[LineChunk], reading: Reading) -> TextBatch:
    """The texts of a stream's first chunks, which are its sample."""
    parser = RowParser(reading.text)
    return join_batches(
        [rows.texts for chunk in chunks for rows in iter_rows(chunk, parser, reading)]
    )


def _draw(shard: Shard, reading: Reading, wanted_bytes: int, seed: int) -> Iterator[TextBatch]:
    """Runs of one shard until they hold the bytes wanted."""
    random, reader = Random(f"{seed}:{shard.index}"), reader_of(shard)
    runs = reader.plan(shard, reading, _RUN_BYTES)
    if runs is None:
        n_read = max(1, _STREAM_FACTOR * wanted_bytes // _RUN_BYTES)
        runs = list(islice(reader.cut(shard, reading, _RUN_BYTES), n_read))
    runs = random.sample(runs, len(runs))
    n_bytes = 0
    for run in runs:
        for rows in reader.read(shard, run, reading):
            yield rows.texts
            n_bytes += int(rows.texts.offsets[-1])
            if n_bytes >= wanted_bytes:
                return
