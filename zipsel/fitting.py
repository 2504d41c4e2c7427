"""From target files and a pool to a fitted profile."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from zipsel.errors import BadShards, ShardError, UsageError
from zipsel.profile import Profile
from zipsel.readers import ReadOptions
from zipsel.readers.jsonl import iter_rows
from zipsel.readers.lines import cut_lines
from zipsel.readers.streams import iter_pieces
from zipsel.readers.whole import iter_shard
from zipsel.records import TextBatch, join_batches
from zipsel.rows import RowParser, TextSpec
from zipsel.sample import sample_pool
from zipsel.scorers import Scorer, scorer_class
from zipsel.settings import ScorerSettings, ScoreSettings, digest_of
from zipsel.shards import POOL_FORMATS, STDIN, Shard, find_shards, open_raw
from zipsel.storage import is_remote
from zipsel.stores import Store
from zipsel.workdir import WorkDir

#: Raise it when the same target and pool no longer give the same profile.
_FIT_VERSION = 1

_SAMPLED_SCORERS = ("fused", "ngram", "dsir")

_TARGET_FORMATS = (*POOL_FORMATS, "txt")

#: ``--target NAME=PATH``.
_NAMED = re.compile(r"([A-Za-z][\w.-]*)=(.+)")


def read_target(patterns: Sequence[str], spec: TextSpec, options: ReadOptions) -> TextBatch:
    """Read all target examples.

    A target is small and every example counts, so a row without usable text is an error here.

    Raises:
        BadShards: If a file cannot be read, or a row has no usable text.
        UsageError: If there is no example at all.
    """
    texts: list[bytes] = []
    shards: list[Shard] = []
    errors: list[ShardError] = []
    if list(patterns) == [STDIN]:
        data = sys.stdin.buffer.read()
        _take_lines(STDIN, iter([data]), spec, options, texts, errors)
    else:
        shards, errors = find_shards(patterns, _TARGET_FORMATS)
    for shard in shards:
        try:
            _take_shard(shard, spec, options, texts, errors)
        except ShardError as error:
            errors.append(error)
    if errors:
        raise BadShards(errors, "Repair or remove them: every example of a target counts")
    if not texts:
        raise UsageError(f"the target {' '.join(patterns)} has no example")
    return TextBatch.from_encoded(texts)


def _take_shard(
    shard: Shard,
    spec: TextSpec,
    options: ReadOptions,
    texts: list[bytes],
    errors: list[ShardError],
) -> None:
    if shard.format != "txt":
        row = 0
        for rows in iter_shard(shard, spec, options):
            _take_rows(shard.path, rows, row, texts, errors)
            row += rows.n_rows
        return
    with open_raw(shard) as file:
        pieces = iter_pieces(file, shard.path, shard.compression, long_windows=options.long_windows)
        try:
            text = b"".join(pieces).decode()
        except UnicodeDecodeError:
            raise ShardError(shard.path, "is no UTF-8 text") from None
        if not text.strip():
            raise ShardError(shard.path, "is an empty example")
        texts.append(text.encode())


def _take_lines(
    path: str,
    pieces: Any,
    spec: TextSpec,
    options: ReadOptions,
    texts: list[bytes],
    errors: list[ShardError],
) -> None:
    parser, row = RowParser(spec), 0
    for chunk in cut_lines(pieces, options.max_row_bytes):
        for rows in iter_rows(chunk, parser, options):
            _take_rows(path, rows, row, texts, errors)
            row += rows.n_rows


def _take_rows(
    path: str, rows: Any, first_row: int, texts: list[bytes], errors: list[ShardError]
) -> None:
    for i, (reason, snippet) in rows.rejects.items():
        shown = snippet.decode(errors="replace")[:60]
        errors.append(
            ShardError(path, f"row {first_row + i}: {reason} in a target example: {shown}")
        )
    texts.extend(rows.texts.iter_encoded())


def read_targets(settings: ScoreSettings) -> dict[str, TextBatch]:
    """The targets by name: one without a name, or several of ``--target NAME=PATH``.

    Raises:
        BadShards: As ``read_target``.
        UsageError: If only some are named, or a name has no examples.
    """
    patterns = _target_patterns(settings.target)
    if "" in patterns and len(patterns) > 1:
        raise UsageError("name all targets (--target NAME=PATH) or none of them")
    return {
        name: read_target(paths, settings.target_text, settings.read)
        for name, paths in patterns.items()
    }


def _target_patterns(arguments: Sequence[str]) -> dict[str, list[str]]:
    """Files, directories and patterns by the target that they are examples of."""
    patterns: dict[str, list[str]] = {}
    for argument in arguments:
        match = _NAMED.fullmatch(argument)
        named = match is not None and not os.path.exists(argument)
        name, path = (match[1], match[2]) if match is not None and named else ("", argument)
        patterns.setdefault(name, []).append(path)
    return patterns


def input_paths(settings: ScoreSettings, shards: Sequence[Shard]) -> list[str]:
    """Every file that a run reads: pool, targets, profile."""
    patterns = [path for paths in _target_patterns(settings.target).values() for path in paths]
    targets, _ = find_shards(patterns, _TARGET_FORMATS)
    profile = [settings.profile] if settings.profile is not None else []
    return [shard.path for shard in (*shards, *targets)] + profile


def fit_scorer(
    settings: ScorerSettings, targets: Mapping[str, TextBatch], pool_sample: TextBatch
) -> Scorer:
    """Fit the scorer that the settings name.

    Raises:
        UsageError: If there is none of that name, or it cannot use the codec or several targets.
    """
    scorer_class(settings.scorer)
    target = join_batches(list(targets.values()))
    if settings.scorer == "fused":
        return _fit_fused(settings, targets, target, pool_sample)
    if len(targets) > 1:
        raise UsageError("several named targets need --scorer fused")
    if settings.scorer == "ncd":
        from zipsel.scorers.ncd import NcdScorer

        return NcdScorer.fit(target, settings.codec, settings.level)
    if settings.scorer == "conditional":
        from zipsel.scorers.conditional import ConditionalScorer

        return ConditionalScorer.fit(target, settings.level)
    if settings.scorer == "dsir":
        from zipsel.scorers.dsir import DsirScorer

        return DsirScorer.fit(target, pool_sample, per_token=settings.per_token)
    from zipsel.scorers.ngram import NgramScorer

    return NgramScorer.fit(target, pool_sample)


def _fit_fused(
    settings: ScorerSettings,
    targets: Mapping[str, TextBatch],
    target: TextBatch,
    pool_sample: TextBatch,
) -> Scorer:
    if len(targets) == 1 and settings.facets != 1:
        from zipsel.facets import split_target

        groups = split_target(target, settings.facets)
        targets = {f"facet-{i + 1}": target.take(group) for i, group in enumerate(groups)}
    if len(targets) > 1:
        from zipsel.scorers.faceted import FacetedScorer

        return FacetedScorer.fit(targets, pool_sample, settings.level)
    from zipsel.scorers.fused import FusedScorer

    return FusedScorer.fit(target, pool_sample, settings.level)


def fit_profile(
    settings: ScoreSettings, targets: Mapping[str, TextBatch], shards: Sequence[Shard]
) -> Profile:
    """Fit a profile; a pool sample is drawn for scorers that need one.

    Shards that cannot be read are left out of the sample: pass one names them all at once.
    """
    fit = settings.fit
    sample = TextBatch.from_encoded([])
    if fit.scorer in _SAMPLED_SCORERS:
        sample = sample_pool(
            shards,
            settings.text,
            settings.read,
            sample_bytes=fit.sample_bytes,
            seed=fit.seed,
            on_error=lambda _: None,
        )
    return make_profile(settings, targets, sample)


def make_profile(
    settings: ScoreSettings, targets: Mapping[str, TextBatch], sample: TextBatch
) -> Profile:
    """Fit a profile on a sample."""
    fit = settings.fit
    origin = {
        "target": list(settings.target),
        "scorer": fit.scorer,
        "codec": fit.codec,
        "level": fit.level,
        "seed": fit.seed,
        "n_sample_records": len(sample),
        "n_sample_bytes": int(sample.offsets[-1]),
    }
    return Profile(fit_scorer(fit, targets, sample), join_batches(list(targets.values())), origin)


def save_excluded(path: str, patterns: Sequence[str], settings: ScoreSettings) -> None:
    """Keep the texts of files that must not leak where workers find them.

    Raises:
        BadShards: If a file cannot be read.
    """
    texts = [
        (pattern, list(read_target([pattern], settings.target_text, settings.read).iter_texts()))
        for pattern in patterns
    ]
    with open(path, "wb") as file:
        file.write(msgspec.msgpack.encode(texts))


def profile_key(
    settings: ScoreSettings, shards: Sequence[Shard]
) -> tuple[str, dict[str, TextBatch] | None]:
    """Name the profile of a run by what it comes from, and return the target if it was read.

    Raises:
        BadShards: If the target cannot be read.
        ProfileError: If the given profile cannot be used.
    """
    if settings.profile is not None:
        return Profile.load(settings.profile).digest, None
    targets = read_targets(settings)
    key = digest_of(
        {
            "version": _FIT_VERSION,
            "target": {name: _digest(target) for name, target in targets.items()},
            "names": settings.target,
            "pool": [shard.fingerprint for shard in shards],
            "text": settings.text,
            "read": settings.read,
            "fit": settings.fit,
        }
    )
    return key, targets


def _digest(target: TextBatch) -> str:
    return blake2b(target.buffer.tobytes() + target.offsets.tobytes()).hexdigest()


def open_profile(
    settings: ScoreSettings,
    key: str,
    targets: Mapping[str, TextBatch] | None,
    shards: Sequence[Shard],
    work_dir: WorkDir,
) -> tuple[str, Profile]:
    """Load the given profile, or the one that the work directory has, or fit it.

    Returns:
        The profile's file and the profile.
    """
    if targets is None:
        path, profile = str(settings.profile), Profile.load(str(settings.profile))
        if is_remote(path):  # which may change, and workers read it again
            path = work_dir.profile(profile.digest)
            profile.save(path)
        return path, profile
    path = work_dir.profile(key)
    store = Store(settings.store, settings.work_dir) if settings.store is not None else None
    if store is not None:
        store.fetch(path)
    if os.path.exists(path):
        return path, Profile.load(path)
    profile = fit_profile(settings, targets, shards)
    profile.save(path)
    if store is not None:
        store.keep(path)
    return path, profile
