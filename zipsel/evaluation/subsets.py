"""``zipsel eval``: what subsets are worth to held-out examples of the target.

A random part of every subset, of the size of the smallest, is read by the PPM judge, and held-out
examples are coded after it: fewer bits per byte, better subset. A subset is a set: the judge
averages over seeded random orders, so the order of rows does not matter. Random texts of the pool,
of the same bytes, show what any text would be worth. Examples that were seen before are named
(``seen.py``).

Comparing whole subsets would reward the larger one. The interval, bootstrapped over the held-out
examples, shows how much depends on which examples were held out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from zipsel.console.messages import Log
from zipsel.console.safe_text import human_bytes
from zipsel.console.values import Paths, Seed, Size
from zipsel.errors import BadShards, ShardError, UsageError
from zipsel.evaluation.ppm import (
    N_ORDERS,
    bits_per_byte,
    draw_orders,
    join_records,
    ppm_bits,
)
from zipsel.evaluation.seen import target_of, warn_of_leaks, warn_of_target
from zipsel.evaluation.verdicts import Evaluation, Judge, Judged, JudgedRandom
from zipsel.pool.finding import find_shards
from zipsel.pool.formats import STDIN, refuse_stdin_twice
from zipsel.pool.shards import Shard
from zipsel.readers import refuse_without_effect
from zipsel.readers.reading import Reading
from zipsel.readers.rows import RowBatch
from zipsel.readers.shard import iter_shard
from zipsel.readers.stdin import STDIN_NAME, iter_stdin_rows
from zipsel.readers.target import read_target
from zipsel.scorers.fit import DEFAULT_SAMPLE_BYTES
from zipsel.scoring.pool_sample import sample_pool
from zipsel.scoring.settings import Workers

#: The judge reads about 1 MB a second and needs up to 16 bytes of memory for each.
DEFAULT_MAX_BYTES = 16 << 20

#: Bytes of the pool's sample for each byte of a random subset drawn from it.
_SAMPLED_PER_DRAWN = 4


class EvalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to compare; the help of ``zipsel eval`` describes each field."""

    target: Paths
    subsets: Paths
    pool: Paths = ()
    reading: Reading = Reading()
    target_reading: Reading = Reading()
    seed: Seed = 0
    workers: Workers = 1
    max_bytes: Size = DEFAULT_MAX_BYTES


#: Texts to judge, as ``draw_orders`` orders them, and their bytes, ``--max-bytes`` at most.
_TextSet = tuple[list[list[bytes]], int]


def evaluate(settings: EvalSettings, log: Log) -> Evaluation:
    """Judge the subsets, and random ones of the pool, at equal bytes.

    Raises:
        BadShards: If a file cannot be read, or a held-out example has no text.
        UsageError: If a subset or the pool has no text, or `pyppmd` is not installed.
    """
    refuse_stdin_twice({"--target": settings.target, "SUBSET": settings.subsets})
    judge = open_judge(settings)
    _refuse_csv_options(settings)
    sets = [_read_subset(path, settings, judge, log) for path in settings.subsets]
    size = min(n_bytes for _, n_bytes in sets)
    if settings.pool:
        sets.append(_draw_random(settings, size))
        size = min(size, sets[-1][1])
    for path, (_, n_bytes) in zip(settings.subsets, sets, strict=False):
        if n_bytes > size:
            message = f"{path}: {size:,} of {n_bytes:,} bytes, drawn at random, are compared"
            log.say("cut", f"{message}: the size of the smallest", path=path, n_bytes=size)
    bits = []
    with log.progress("judging", size * N_ORDERS * len(sets)) as progress:
        for orders, _ in sets:
            bits.append(judge.bits(orders, size))
            progress.advance(len(judge.examples), size * N_ORDERS, size * N_ORDERS)
    return Evaluation(
        subsets=[
            Judged(path=path, bytes=size, **judge.figures(of_subset))
            for path, of_subset in zip(settings.subsets, bits, strict=False)
        ],
        random=_judged_random(judge, size, bits[-1]) if settings.pool else None,
        n_examples=len(judge.examples),
        seed=settings.seed,
    )


def _refuse_csv_options(settings: EvalSettings) -> None:
    files = [*settings.subsets, *settings.pool]
    shards = find_shards([path for path in files if path != STDIN])[0]
    shards += find_shards([path for path in settings.target if path != STDIN], for_target=True)[0]
    refuse_without_effect(settings.reading, [shard.path for shard in shards])


def open_judge(settings: EvalSettings) -> Judge:
    """Read the held-out examples; ``BadShards`` if one has no text, ``UsageError`` if no pyppmd."""
    ppm_bits(b"", [])  # says so before the work if pyppmd is missing
    examples = read_target(settings.target, settings.target_reading)
    return Judge(list(examples.iter_encoded()), settings.seed, settings.workers)


def _judged_random(judge: Judge, size: int, bits: NDArray[np.float64]) -> JudgedRandom:
    """Each order of the pool's texts, cut, is a random subset of its own."""
    return JudgedRandom(
        n_subsets=len(bits),
        bytes=size,
        each=[round(bits_per_byte(of_one, judge.n_bytes), 4) for of_one in bits],
        **judge.figures(bits),
    )


def _read_subset(path: str, settings: EvalSettings, judge: Judge, log: Log) -> _TextSet:
    """A subset's texts, at most ``max_bytes`` of them; a ``UsageError`` if it has none."""
    texts = _iter_texts(path, settings, log)
    orders, n_bytes = draw_orders(texts, settings.max_bytes, settings.seed)
    if not orders[0]:
        raise UsageError(f"{path} has no text, so there is nothing to compare")
    if n_bytes > settings.max_bytes:
        limit = human_bytes(settings.max_bytes)
        log.say(
            "cut", f"{path}: only {limit}, drawn at random, are compared (--max-bytes)", path=path
        )
    warn_of_leaks(path, join_records(orders[0]), judge.examples, log)
    warn_of_target(path, target_of(path), judge.examples, log)
    return orders, min(n_bytes, settings.max_bytes)


def _draw_random(settings: EvalSettings, limit_bytes: int) -> _TextSet:
    shards = _find_readable(settings.pool)
    orders, n_bytes = draw_pool(shards, settings, limit_bytes)
    if not orders[0]:
        raise UsageError(f"the pool {' '.join(settings.pool)} has no text")
    return orders, min(n_bytes, limit_bytes)


def draw_pool(
    shards: Sequence[Shard],
    settings: EvalSettings,
    limit_bytes: int,
    on_error: Callable[[ShardError], None] | None = None,
) -> tuple[list[list[bytes]], int]:
    """Random texts of the pool, out of a sample that is spread over its shards.

    Returns:
        As ``draw_orders``.
    """
    sample = sample_pool(
        shards,
        settings.reading,
        sample_bytes=max(DEFAULT_SAMPLE_BYTES, _SAMPLED_PER_DRAWN * limit_bytes),
        seed=settings.seed,
        on_error=on_error,
    )
    return draw_orders(sample.iter_encoded(), limit_bytes, settings.seed)


def _find_readable(patterns: Sequence[str]) -> list[Shard]:
    shards, errors = find_shards(patterns)
    if errors:
        raise BadShards(errors, "Repair them or leave them out")
    return shards


def _iter_texts(path: str, settings: EvalSettings, log: Log) -> Iterator[bytes]:
    """Texts of a file, a directory or standard input; the log counts the refused rows."""
    for name, batches in _iter_sources(path, settings.reading):
        n_refused = 0
        for rows in batches:
            n_refused += len(rows.rejects)
            yield from rows.texts.iter_encoded()
        if n_refused:
            log.say("refused", f"{name}: {n_refused:,} rows without usable text left out")


def _iter_sources(path: str, reading: Reading) -> Iterator[tuple[str, Iterator[RowBatch]]]:
    """Name and rows of each file."""
    if path == STDIN:
        yield STDIN_NAME, iter_stdin_rows(reading)
        return
    for shard in _find_readable((path,)):
        yield shard.path, iter_shard(shard, reading)
