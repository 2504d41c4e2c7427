"""``zipsel eval``: what subsets are worth to held-out examples of the target.

Every subset is cut at the size of the smallest, the PPM judge reads it, and held-out examples are
coded after it: fewer bits per byte, better subset. Random subsets of the pool, of the same bytes,
say how much of that is no merit. An example that stands in a subset word for word is told of,
since its bits say that it leaked and nothing else.

The idea is that of METHOD, section 5. It differs from comparing whole subsets, which would reward
the larger one, and from a single number, which would hide how much rests on which examples were
held out: the interval is bootstrapped over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zipsel.console.messages import Log
from zipsel.console.safe_text import human_bytes
from zipsel.errors import BadShards, ShardError, UsageError
from zipsel.evaluation.ppm import (
    bits_per_byte,
    cut_to_equal_bytes,
    draw_random_subsets,
    find_contained_examples,
    join_records,
    ppm_bits,
)
from zipsel.evaluation.verdicts import Evaluation, Judge, Judged, JudgedRandom
from zipsel.pool.finding import find_shards
from zipsel.pool.shards import Shard
from zipsel.readers import iter_shard
from zipsel.readers.rows import Reading
from zipsel.readers.target import read_target

#: The judge reads about 1 MB a second and needs up to 16 bytes of memory for each.
DEFAULT_MAX_BYTES = 16 << 20

#: Random subsets; their mean is known to about half a percent.
_N_RANDOM = 3


@dataclass(frozen=True, kw_only=True)
class EvalSettings:
    """What to compare.

    Attributes:
        target: Files, directories, globs of held-out examples.
        subsets: A file or directory each.
        pool: Where random subsets come from; empty for none.
        reading: How rows of subsets and pool become texts.
        target_reading: How rows of the target do.
        seed: Of random subsets and intervals.
        workers: Examples coded at the same time.
        max_bytes: Most text read from each subset.
    """

    target: tuple[str, ...]
    subsets: tuple[str, ...]
    pool: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)
    target_reading: Reading = field(default_factory=Reading)
    seed: int = 0
    workers: int = 1
    max_bytes: int = DEFAULT_MAX_BYTES

    def __post_init__(self) -> None:
        """Refuse what cannot be compared, before any work.

        Raises:
            UsageError: If target or subsets are missing, or a number is not positive.
        """
        if not self.target:
            raise UsageError("name the held-out examples: --target PATH")
        if not self.subsets:
            raise UsageError("name at least one subset: a file, or a directory that select wrote")
        if self.workers < 1:
            raise UsageError(f"--workers must be at least 1, not {self.workers}")
        if self.max_bytes < 1:
            raise UsageError(f"--max-bytes must be at least 1, not {self.max_bytes}")


def evaluate(settings: EvalSettings, log: Log) -> Evaluation:
    """Judge the subsets, and random ones of the pool, at equal bytes.

    Args:
        settings: What to compare.
        log: Takes what was cut, refused or leaked.

    Raises:
        BadShards: If a file cannot be read, or a held-out example has no text.
        UsageError: If a subset or the pool has no text, or `pyppmd` is not installed.
    """
    judge = open_judge(settings)
    whole = [_read_subset(path, settings, log) for path in settings.subsets]
    for path, subset in zip(settings.subsets, whole, strict=True):
        warn_of_leaks(path, subset, judge.examples, log)
    drawn = _draw(settings, min(map(len, whole)), log)
    cut = cut_to_equal_bytes([*whole, *drawn])
    _say_cuts(settings.subsets, whole, cut, log)
    with log.progress("judging", sum(map(len, cut))) as progress:
        bits = []
        for subset in cut:
            bits.append(judge.bits(subset))
            progress.advance(len(judge.examples), len(subset), len(subset))
    n_subsets = len(whole)
    return Evaluation(
        subsets=[
            Judged(path=path, bytes=len(subset), **judge.figures(of_subset))
            for path, subset, of_subset in zip(settings.subsets, cut, bits, strict=False)
        ],
        random=_judged_random(judge, cut[n_subsets:], bits[n_subsets:]),
        n_examples=len(judge.examples),
        seed=settings.seed,
    )


def open_judge(settings: EvalSettings) -> Judge:
    """Read the held-out examples.

    Raises:
        BadShards: If a file cannot be read, or an example has no text.
        UsageError: If `pyppmd` is not installed.
    """
    ppm_bits(b"", [])  # says so before the work if pyppmd is missing
    examples = read_target(settings.target, settings.target_reading)
    return Judge(list(examples.iter_encoded()), settings.seed, settings.workers)


def _judged_random(
    judge: Judge, subsets: Sequence[bytes], bits: Sequence[NDArray[np.float64]]
) -> JudgedRandom | None:
    if not subsets:
        return None
    return JudgedRandom(
        n_subsets=len(subsets),
        bytes=len(subsets[0]),
        each=[round(bits_per_byte(of_one, judge.n_bytes), 4) for of_one in bits],
        **judge.figures(np.mean(bits, axis=0)),
    )


def _read_subset(path: str, settings: EvalSettings, log: Log) -> bytes:
    """A subset's text, at most ``max_bytes`` and the rest of a record.

    Raises:
        UsageError: If there is none.
    """
    texts: list[bytes] = []
    n_bytes = 0
    for text in iter_texts(_find_readable((path,)), settings, log):
        texts.append(text)
        n_bytes += len(text) + 1
        if n_bytes > settings.max_bytes:
            log.say(
                "cut",
                f"{path}: only the first {human_bytes(settings.max_bytes)} are compared "
                "(--max-bytes)",
                path=path,
            )
            break
    if not texts:
        raise UsageError(f"{path} has no text, so there is nothing to compare")
    return cut_to_equal_bytes([join_records(texts)], settings.max_bytes)[0]


def _draw(settings: EvalSettings, limit_bytes: int, log: Log) -> list[bytes]:
    if not settings.pool:
        return []
    texts = iter_texts(_find_readable(settings.pool), settings, log)
    drawn = draw_random_subsets(texts, limit_bytes, n_subsets=_N_RANDOM, seed=settings.seed)
    if not drawn[0]:
        raise UsageError(f"the pool {' '.join(settings.pool)} has no text")
    return drawn


def _find_readable(patterns: Sequence[str]) -> list[Shard]:
    shards, errors = find_shards(patterns)
    if errors:
        raise BadShards(errors, "Repair them or leave them out")
    return shards


def iter_texts(
    shards: Sequence[Shard], settings: EvalSettings, log: Log, *, skip_bad: bool = False
) -> Iterator[bytes]:
    """Texts of files in order; refused rows are left out and told of.

    Args:
        shards: The files.
        settings: How they are read.
        log: Takes what was left out.
        skip_bad: Go on after a file that cannot be read to its end.

    Raises:
        ShardError: If a file cannot be read, unless those are skipped.
    """
    for shard in shards:
        n_refused = 0
        try:
            for rows in iter_shard(shard, settings.reading):
                n_refused += len(rows.rejects)
                yield from rows.texts.iter_encoded()
        except ShardError:
            if not skip_bad:
                raise
        if n_refused:
            log.say("refused", f"{shard.path}: {n_refused:,} rows without usable text left out")


def warn_of_leaks(path: str, subset: bytes, examples: Sequence[bytes], log: Log) -> None:
    """Say which examples stand in a subset."""
    contained = find_contained_examples(subset, examples)
    if contained:
        n_leaked = len(contained)
        stand = (
            "1 held-out example stands" if n_leaked == 1 else f"{n_leaked} held-out examples stand"
        )
        log.say(
            "leak",
            f"warning: {n_leaked} held-out {stand} in {path}, first number "
            f"{contained[0] + 1}; its bits say that it leaked, not that the subset is good",
            path=path,
            examples=contained,
        )


def _say_cuts(paths: Sequence[str], whole: Sequence[bytes], cut: Sequence[bytes], log: Log) -> None:
    """Say which subsets were larger than what all of them are compared at."""
    for path, before, after in zip(paths, whole, cut, strict=False):
        if len(after) < len(before):
            log.say(
                "cut",
                f"{path}: cut from {len(before):,} to {len(after):,} bytes, "
                "the size of the smallest",
                path=path,
                n_bytes=len(after),
            )
