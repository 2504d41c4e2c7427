"""What ``zipsel explain`` does: find the profile and the texts, explain, show."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TextIO

import msgspec

from zipsel.console.tables import TableConsole
from zipsel.console.values import Count, Path, Paths
from zipsel.errors import BadShards, ProfileError, UsageError
from zipsel.explain.explanation import explain_texts
from zipsel.explain.model import Explanation
from zipsel.pool.finding import find_shards
from zipsel.pool.formats import STDIN, refuse_stdin_twice
from zipsel.readers import refuse_without_effect
from zipsel.readers.fetch import parse_record, read_record
from zipsel.readers.reading import Reading
from zipsel.readers.row_text import check_text
from zipsel.readers.stdin import read_text_of_stdin
from zipsel.readers.target import read_target
from zipsel.report.explanations import (
    PAGE_CHARACTERS,
    SHOWN_CHARACTERS,
    print_explanation,
    render_explanations,
)
from zipsel.report.runs import FinishedRun, open_run
from zipsel.report.shown import Strip
from zipsel.report.strips import ngram_length, strip_of
from zipsel.scorers.fit import FitSettings, fit_scorer
from zipsel.scorers.profile import Profile
from zipsel.scoring.inputs import refuse_overwriting
from zipsel.storage.paths import identities_of, refuse_no_file
from zipsel.storage.staging import write_atomically
from zipsel.storage.workdir import mark_used
from zipsel.texts import TextBatch


class ExplainSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for; the help of ``zipsel explain`` describes each field."""

    run: Path | None = None
    profile: Path | None = None
    target: Paths = ()
    records: Paths = msgspec.field(default=(), name="record")
    stdin: bool = False
    top: Count | None = None
    reading: Reading = Reading()
    target_reading: Reading = Reading()

    def __post_init__(self) -> None:
        """Refuse to explain nothing (``UsageError``)."""
        if not self.records and not self.stdin and self.top is None:
            raise UsageError(
                "nothing to explain: give --record SHARD:ROW, --top N of a --run, or - for a text "
                "on standard input"
            )


def explain(
    settings: ExplainSettings, stdout: TextIO, *, as_json: bool = False, html: str | None = None
) -> None:
    """Explain texts, on the terminal or as JSON (a line each where there are several).

    Raises:
        UsageError: If the settings do not fit, or the scorer has no parts to explain.
        ProfileError: If the profile cannot be read.
        ShardError: If a record cannot be read.
        OutputError: If the page cannot be written.
    """
    refuse_stdin_twice({"TEXT": (STDIN,) if settings.stdin else (), "--target": settings.target})
    run = None if settings.run is None else open_run(settings.run)
    inputs = _input_paths(settings, run)
    refuse_without_effect(settings.reading, inputs)
    if html is not None:
        refuse_no_file("--html", html)
        refuse_overwriting("--html", html, inputs)
    profile = _open_profile(settings, run)
    names, texts = _find_texts(settings, run)
    explanations = explain_texts(profile, texts, names)
    if html is not None:
        _write_page(html, profile, explanations, texts)
    if as_json:
        for explanation in explanations:
            stdout.write(msgspec.json.encode(explanation).decode() + "\n")
    elif html is None:
        _print(profile, explanations, texts, stdout)


def _input_paths(settings: ExplainSettings, run: FinishedRun | None) -> list[str]:
    """Every file that is read: those of the run, or profile and target, and the records' shards."""
    found = [shard.path for shard in find_shards(settings.target, for_target=True)[0]]
    found += [parse_record(name)[0] for name in settings.records]
    if settings.profile is not None:
        found.append(settings.profile)
    return found if run is None else [*found, *run.input_paths()]


def _open_profile(settings: ExplainSettings, run: FinishedRun | None) -> Profile:
    if settings.profile is not None:
        return Profile.load(settings.profile)
    if run is None:
        target = read_target(settings.target, settings.target_reading)
        no_sample = TextBatch.from_encoded([])
        scorer = fit_scorer(FitSettings(scorer="conditional"), {"": target}, no_sample)
        return Profile(scorer, target)
    origin = run.report.provenance
    path = "" if origin is None else origin.profile
    if not os.path.exists(path):
        raise ProfileError(
            f"the profile of {settings.run} is gone ({path or 'not named'}): its work directory "
            "was removed or cleaned; run the select again, or explain with --profile FILE or "
            "--target PATH"
        )
    profile = Profile.load(path)
    mark_used(path)
    if profile.digest != run.report.profile.get("digest"):
        raise ProfileError(f"{path}: is not the profile that {settings.run} was made with")
    return profile


def _find_texts(settings: ExplainSettings, run: FinishedRun | None) -> tuple[list[str], list[str]]:
    """Names and texts of everything asked for."""
    reading = settings.reading
    if run is not None and run.report.provenance is not None:
        reading = run.report.provenance.reading
    names, texts = [], []
    if settings.stdin:
        names.append(STDIN)
        texts.append(check_text(read_text_of_stdin()))
    for name in settings.records:
        path, row = parse_record(name)
        if run is not None:
            path = _locate(run, path)
        names.append(name)
        texts.append(read_record(path, row, reading))
    if run is not None and settings.top is not None:
        for found, read in zip((names, texts), _read_top(run, settings.top), strict=True):
            found.extend(read)
    return names, texts


def _locate(run: FinishedRun, path: str) -> str:
    """Where a shard is, checked to be unchanged if the run read it."""
    if not os.path.exists(path):
        path = run.locate(path)
    place = identities_of(path)
    for shard in run.report.shards:
        if identities_of(run.locate(shard.path)) & place:
            return run.open_shard(shard.path).path
    return path


def _read_top(run: FinishedRun, top: int) -> tuple[list[str], list[str]]:
    """Names and texts of the best of a run, in rank order."""
    table = run.chosen.slice(0, top)
    texts, errors = run.texts_at(range(1, len(table) + 1))
    if errors:
        raise BadShards(errors, "Explain records of other shards: --record SHARD:ROW")
    rows = zip(table["shard"].to_pylist(), table["row"].to_pylist(), strict=True)
    return [f"{shard}:{row}" for shard, row in rows], texts


def _strips(
    profile: Profile, explanations: Sequence[Explanation], texts: Sequence[str], limit: int
) -> tuple[list[str], list[Strip]]:
    """Beginnings of the texts, and their strips."""
    n = ngram_length(profile)
    heads = [text[:limit] for text in texts]
    return heads, [
        strip_of(explanation, head, n)
        for explanation, head in zip(explanations, heads, strict=True)
    ]


def _write_page(
    path: str, profile: Profile, explanations: Sequence[Explanation], texts: Sequence[str]
) -> None:
    heads, strips = _strips(profile, explanations, texts, PAGE_CHARACTERS)
    with write_atomically(path) as file:
        file.write(render_explanations(explanations, heads, strips).encode())


def _print(
    profile: Profile, explanations: Sequence[Explanation], texts: Sequence[str], stdout: TextIO
) -> None:
    console = TableConsole(file=stdout, highlight=False, markup=False, emoji=False)
    heads, strips = _strips(profile, explanations, texts, SHOWN_CHARACTERS)
    for i, (explanation, head, strip) in enumerate(zip(explanations, heads, strips, strict=True)):
        if i:
            console.print()
        print_explanation(explanation, head, strip, console)
