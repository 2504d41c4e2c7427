"""Held-out examples that were not held out: in a subset, or in the target that it was chosen by.

Their bits say that they were seen, and nothing about quality.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from zipsel.console.messages import Log
from zipsel.errors import ProfileError
from zipsel.evaluation.ppm import find_contained_examples
from zipsel.output.place import Output
from zipsel.scorers.profile import Profile
from zipsel.storage.paths import read_bytes


class _Provenance(msgspec.Struct):
    profile: str


class _Report(msgspec.Struct):
    """What has to be known of a report, of whatever version."""

    provenance: _Provenance | None = None


def target_of(path: str) -> list[bytes]:
    """The target that a subset was chosen by; none where no run or profile of it is to be found."""
    try:
        report = read_bytes(Output(path).side_file("report.json"))
        origin = msgspec.json.decode(report, type=_Report).provenance
        return [] if origin is None else list(Profile.load(origin.profile).target.iter_encoded())
    except (OSError, msgspec.MsgspecError, ProfileError):
        return []


def warn_of_target(path: str, target: Iterable[bytes], examples: Sequence[bytes], log: Log) -> None:
    """Log which examples are examples of the target that a subset was chosen by."""
    known = {example.strip() for example in target}
    seen = [i for i, example in enumerate(examples) if example.strip() in known]
    if seen:
        message = (
            f"of {len(examples):,} held-out examples {len(seen):,} are in the target that "
            f"chose {path}: its bits flatter it; judge it by examples that the target lacks"
        )
        log.say("seen", message, level="warning", path=path, examples=seen)


def warn_of_leaks(path: str, subset: bytes, examples: Sequence[bytes], log: Log) -> None:
    """Log which examples a subset contains."""
    contained = find_contained_examples(subset, examples)
    if not contained:
        return
    if len(contained) == 1:
        found = f"held-out example {contained[0]} stands in {path}: its bits say that it leaked"
    else:
        found = (
            f"{len(contained)} held-out examples stand in {path}, example {contained[0]} among "
            "them: their bits say that they leaked"
        )
    message = f"{found}, not that the subset is good"
    log.say("leak", message, level="warning", path=path, examples=contained)
