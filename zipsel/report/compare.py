"""Two runs held against each other: which records, in which order, of which kind.

Records are the same if their texts are, wherever they stand in the pool. Runs that made their texts
in different ways, or that kept no hashes of them, have the same record where the content of its
file and its row are the same.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zipsel.evaluation.verdicts import Curve
from zipsel.report.overlap import (
    RBO_P,
    common_at_depth,
    jaccard_at_depth,
    rank_biased_overlap,
    spearman,
)
from zipsel.report.runs import FinishedRun

_N_CURVE_POINTS = 200
_N_MOVED = 10
_SHOWN_CHARACTERS = 100

#: Depths at which the overlap is always known.
DEPTHS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 100_000)


class Moved(msgspec.Struct, kw_only=True):
    """A record that one run has and the other has not, or much lower.

    Attributes:
        record: ``SHARD:ROW`` in the first run, or in the second if its text is read there.
        rank_a: In the first run; None if it is not chosen there.
        rank_b: In the second.
        alignment_a: Its alignment in the first run; None if it is not chosen there.
        alignment_b: In the second.
        text: How it begins; empty where it is in no shard as it was read.
    """

    record: str
    rank_a: int | None
    rank_b: int | None
    alignment_a: float | None
    alignment_b: float | None
    text: str = ""


class GroupChosen(msgspec.Struct, kw_only=True):
    """Records of one group that each run chose; None for a run that did not tell groups apart."""

    name: str
    n_a: int | None
    n_b: int | None


class Comparison(msgspec.Struct, kw_only=True):
    """What differs between two runs.

    Attributes:
        a: Directory of the first.
        b: Of the second.
        n_a: Records chosen by the first.
        n_b: By the second.
        n_common: By both.
        jaccard: Common over either.
        rbo: Rank-biased overlap at ``rbo_p``.
        rbo_p: Its weight of the next depth against the one before.
        rank_correlation: Spearman's, over the common records; None if there are fewer than two.
        curve: Jaccard at every depth (thinned to 200), x the depth.
        settings: What was set differently: name → (first, second).
        only_a: The best-ranked of the first that the second does not have.
        only_b: The reverse.
        moved: Common records whose rank changed most.
        groups: Composition, the largest groups first.
        unreadable: What is wrong with each shard whose texts cannot be shown.
    """

    a: str
    b: str
    n_a: int
    n_b: int
    n_common: int
    jaccard: float
    rbo: float
    rbo_p: float = RBO_P
    rank_correlation: float | None
    curve: Curve
    settings: dict[str, tuple[str, str]]
    only_a: list[Moved]
    only_b: list[Moved]
    moved: list[Moved]
    groups: list[GroupChosen]
    unreadable: list[str] = []


def compare_runs(a: FinishedRun, b: FinishedRun) -> Comparison:
    """Compare two runs; an ``OutputError`` if a table of chosen records cannot be read."""
    by_text = _have_texts_in_common(a, b)
    keys_a, keys_b = _keys(a, by_text), _keys(b, by_text)
    places_b = {key: i for i, key in enumerate(keys_b)}
    common = [(i, places_b[key]) for i, key in enumerate(keys_a) if key in places_b]
    pairs = np.array(common, np.int64).reshape(-1, 2)
    n_a, n_b, n_common = len(keys_a), len(keys_b), len(common)
    at_depth = common_at_depth(pairs, max(n_a, n_b))
    in_a, in_b = set(keys_a), set(keys_b)
    lost = (i for i, key in enumerate(keys_a) if key not in in_b)
    gained = (j for j, key in enumerate(keys_b) if key not in in_a)
    only_a = [_show(a, i, b, None) for i in islice(lost, _N_MOVED)]
    only_b = [_show(a, None, b, j) for j in islice(gained, _N_MOVED)]
    moved = [_show(a, i, b, j) for i, j in _most_moved(pairs)]
    unreadable = _read_texts(a, b, [*only_a, *only_b, *moved])
    return Comparison(
        a=a.directory,
        b=b.directory,
        n_a=n_a,
        n_b=n_b,
        n_common=n_common,
        jaccard=n_common / max(1, n_a + n_b - n_common),
        rbo=rank_biased_overlap(at_depth, n_a, n_b),
        rank_correlation=spearman(pairs),
        curve=_curve(at_depth, n_a, n_b),
        settings=_settings(a, b),
        only_a=only_a,
        only_b=only_b,
        moved=moved,
        groups=_groups(a, b),
        unreadable=unreadable,
    )


def _read_texts(a: FinishedRun, b: FinishedRun, shown: Sequence[Moved]) -> list[str]:
    """Give records their texts, from the pool of the second run where that of the first has none.

    Returns:
        What is wrong with each shard, if a record is left without a text.
    """
    problems: dict[str, None] = {}
    for run, ranks in ((a, [one.rank_a for one in shown]), (b, [one.rank_b for one in shown])):
        wanted = [(one, rank) for one, rank in zip(shown, ranks, strict=True) if rank]
        wanted = [(one, rank) for one, rank in wanted if not one.text]
        texts, errors = run.texts_at([rank for _, rank in wanted])
        problems.update(dict.fromkeys(map(str, errors)))
        for (one, rank), text in zip(wanted, texts, strict=True):
            if text:
                one.record, one.text = _name(run, rank - 1), text[:_SHOWN_CHARACTERS]
    return [] if all(one.text for one in shown) else list(problems)


def _have_texts_in_common(a: FinishedRun, b: FinishedRun) -> bool:
    """Whether equal texts tell the same record: hashes are there, of texts made in one way."""
    ways = [run.report.provenance and run.report.provenance.reading.text for run in (a, b)]
    return ways[0] == ways[1] and all("text_hash" in run.chosen.column_names for run in (a, b))


def _keys(run: FinishedRun, by_text: bool) -> list[tuple[str, int, int]]:
    """What tells each of the chosen from others, best first; equal ones are numbered."""
    table: pa.Table = run.chosen
    contents = {shard.path: shard.fingerprint for shard in run.report.shards}
    shards = [""] * len(table) if by_text else table["shard"].to_pylist()
    numbers = table["text_hash" if by_text else "row"].to_pylist()
    met: Counter[tuple[str, int]] = Counter()
    keys = []
    for shard, number in zip(shards, numbers, strict=True):
        key = contents.get(shard, shard), number
        keys.append((*key, met[key]))
        met[key] += 1
    return keys


def _curve(common: NDArray[np.int64], n_a: int, n_b: int) -> Curve:
    values = jaccard_at_depth(common, n_a, n_b)
    depths = np.geomspace(1, max(1, len(values)), _N_CURVE_POINTS).astype(int)
    shown = {*depths.tolist(), *DEPTHS, len(values)}
    series = [(float(k), float(values[k - 1])) for k in sorted(shown) if 0 < k <= len(values)]
    return Curve(
        title="Overlap at every rank",
        x_label="first k records of both runs",
        y_label="Jaccard's index",
        series={"Jaccard": series},
        log_x=True,
    )


def _settings(a: FinishedRun, b: FinishedRun) -> dict[str, tuple[str, str]]:
    """What the reports say was different."""

    def describe(run: FinishedRun) -> dict[str, str]:
        report: Any = run.report
        threshold = "none" if report.threshold is None else f"{report.threshold:.6g}"
        return {
            "budget": report.budget,
            "threshold": threshold,
            "command": " ".join(report.command),
            **{f"profile {key}": str(value) for key, value in report.profile.items()},
            **{f"version of {key}": value for key, value in report.versions.items()},
        }

    of_a, of_b = describe(a), describe(b)
    both = {name: (of_a.get(name, "none"), of_b.get(name, "none")) for name in {**of_a, **of_b}}
    return {name: values for name, values in both.items() if of_a.get(name) != of_b.get(name)}


def _show(a: FinishedRun, i: int | None, b: FinishedRun, j: int | None) -> Moved:
    """A record and its places in both runs, from 0; None where it is not chosen."""
    return Moved(
        record=_name(b, j) if i is None else _name(a, i),
        rank_a=None if i is None else i + 1,
        rank_b=None if j is None else j + 1,
        alignment_a=None if i is None else a.chosen["alignment"][i].as_py(),
        alignment_b=None if j is None else b.chosen["alignment"][j].as_py(),
    )


def _name(run: FinishedRun, place: int | None) -> str:
    path = os.path.abspath(run.locate(run.chosen["shard"][place].as_py()))
    return f"{path}:{run.chosen['row'][place].as_py()}"


def _most_moved(pairs: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Places by the ratio of ranks: from 2 to 20 is as far as from 100 to 1,000."""
    distance = np.abs(np.log(pairs[:, 0] + 1) - np.log(pairs[:, 1] + 1))
    order = np.argsort(-distance, kind="stable")[:_N_MOVED]
    return [(i, j) for i, j in pairs[order].tolist() if i != j]


def _groups(a: FinishedRun, b: FinishedRun) -> list[GroupChosen]:
    of_a = {group.name: group.n_chosen for group in a.report.groups}
    of_b = {group.name: group.n_chosen for group in b.report.groups}
    chosen = [
        GroupChosen(
            name=name,
            n_a=of_a.get(name, 0) if of_a else None,
            n_b=of_b.get(name, 0) if of_b else None,
        )
        for name in {**of_a, **of_b}
    ]
    return sorted(chosen, key=lambda one: (-(one.n_a or 0) - (one.n_b or 0), one.name))
