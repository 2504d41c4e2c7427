"""The report: the counts of a run, what was chosen, and how to repeat it.

``report.json`` is this structure. The schema version goes up when a field changes its meaning or
goes away, not when one is added.
"""

from __future__ import annotations

import platform
import sys
import zlib
from typing import Any

import msgspec

from zipsel import __version__
from zipsel.evaluation.verdicts import Curve
from zipsel.readers.reading import Reading
from zipsel.report.shown import RejectExample, Removal, ShownRecord
from zipsel.scoring.inputs import InputFile

SCHEMA_VERSION = 4


class Counts(msgspec.Struct, kw_only=True):
    """Where every row went: ``n_chosen + n_passed + n_rejected == n_rows``.

    Attributes:
        n_shards: Shards read.
        n_scored_shards: Shards of which something was scored now; the others were known.
        n_scored_bytes: Bytes of the texts that were scored now.
        n_bad_shards: Shards skipped or salvaged.
        n_rows: Rows in them.
        n_rejected: Refused rows; ``rejects`` has the reasons.
        n_scored: Accepted rows.
        n_bytes: Bytes of their texts.
        n_no_contenders: Accepted rows that the cascade did not compress.
        n_leaks: Candidates left out because they hold a target example or a benchmark's.
        n_duplicates: Candidates left out as duplicates.
        n_chosen: Rows of the subset.
        n_chosen_bytes: Bytes of their texts.
        n_chosen_tokens: Tokens of their texts, where the budget is tokens and not bytes / 4.
        n_passed: Accepted rows that were not chosen, for whatever reason.
        rejects: Reason → rows.
        left_out: Kind of a chat's part → how many are in no text, or as a placeholder.
    """

    n_shards: int = 0
    n_scored_shards: int = 0
    n_scored_bytes: int = 0
    n_bad_shards: int = 0
    n_rows: int = 0
    n_rejected: int = 0
    n_scored: int = 0
    n_bytes: int = 0
    n_no_contenders: int = 0
    n_leaks: int = 0
    n_duplicates: int = 0
    n_chosen: int = 0
    n_chosen_bytes: int = 0
    n_chosen_tokens: int | None = None
    n_passed: int = 0
    rejects: dict[str, int] = {}
    left_out: dict[str, int] = {}


class ShardCounts(msgspec.Struct, kw_only=True):
    """One shard of the pool.

    ``fields`` has the texts of each field where several were named.
    """

    path: str
    fingerprint: str
    n_rows: int = 0
    n_rejected: int = 0
    n_bytes: int = 0
    n_chosen: int = 0
    problem: str | None = None
    fields: dict[str, int] = {}


class Provenance(msgspec.Struct, kw_only=True):
    """What it takes to read the run's records again.

    Attributes:
        directory: Working directory, to which paths are relative.
        finished: UTC time, ISO 8601.
        profile: Path of the profile.
        reading: How rows became texts.
        inputs: Every file that the run read but for the pool, which ``shards`` lists.
    """

    directory: str
    finished: str
    profile: str
    reading: Reading
    inputs: list[InputFile] = []


class ProfileUse(msgspec.Struct, kw_only=True):
    """Whether the profile of the last run into the same output was kept.

    Attributes:
        kept: Whether it was; a first run has none to keep.
        reason: Why it was not, where that is not the drift.
        since: UTC time of the run that fitted it, ISO 8601; empty for a first run, or if the last
            report does not say.
        drift: Of the pool's sample since then; None for the same pool, or if ``reason`` decides.
        limit: Drift above which a new profile is fitted.
    """

    kept: bool = False
    reason: str = ""
    since: str = ""
    drift: float | None = None
    limit: float


class Report(msgspec.Struct, kw_only=True):
    """Everything that ``report.json`` holds.

    Attributes:
        schema_version: Of this structure.
        versions: Of zipsel, Python and the libraries that decide sizes and formats.
        command: The command line, one argument an element.
        budget: As on the command line.
        scorer: Name of the scorer.
        strategy: How the budget was filled.
        profile: Digest and origin of the profile.
        counts: Where every row went.
        threshold: Lowest alignment of a chosen record; None if none was chosen.
        cascade: Fraction, number and threshold of the contenders, where the scorer is one.
        histogram: Of alignments.
        quantiles: ``pool`` and ``subset`` → percentile → alignment.
        groups: Composition by ``group_field``, the largest of the subset first.
        group_field: Its name, or None.
        best: The first ten.
        borderline: Ten around the threshold.
        shards: The pool, file by file.
        bad_shards: Path → what was wrong, for files skipped or salvaged.
        stages: Stage → wall seconds.
        outputs: What was written: name, records, bytes.
        random: Ten chosen records drawn at random, those shown already not among them.
        lengths: Of texts, in bytes, over logarithmic bins; all accepted rows are the pool.
        length_quantiles: ``pool`` and ``subset`` → percentile → bytes.
        reject_examples: The first few refused rows of each reason.
        removed: Candidates left out, by cause.
        shortfalls: Parts of the budget that nothing was left to fill: name, wanted, used.
        ran_out: Whether the pool had too few records for the budget.
        limits: Options that keep records out, whatever the budget.
        target_examples: How a few examples of the target begin.
        facets: Coverage of the target's parts, where it has any.
        curves: Measured curves, where there are any.
        provenance: What it takes to read the records again.
        work_dir_bytes: Size of the work directory after the run.
        changes: What has changed since the last run into the same output.
        profile_use: Whether its profile was kept; None where a profile was given, or cannot be.
    """

    schema_version: int = SCHEMA_VERSION
    versions: dict[str, str]
    command: list[str]
    budget: str
    scorer: str
    profile: dict[str, Any]
    counts: Counts
    threshold: float | None
    cascade: dict[str, float] | None
    histogram: Histogram
    quantiles: dict[str, dict[str, float]]
    groups: list[GroupShare]
    group_field: str | None
    best: list[ShownRecord]
    borderline: list[ShownRecord]
    shards: list[ShardCounts]
    bad_shards: dict[str, str]
    stages: dict[str, float]
    outputs: list[dict[str, Any]]
    strategy: str = "top"
    random: list[ShownRecord] = []
    lengths: Histogram | None = None
    length_quantiles: dict[str, dict[str, float]] = {}
    reject_examples: list[RejectExample] = []
    removed: list[Removal] = []
    shortfalls: list[dict[str, Any]] = []
    ran_out: bool = False
    limits: list[str] = []
    target_examples: list[str] = []
    facets: list[Facet] = []
    curves: list[Curve] = []
    provenance: Provenance | None = None
    work_dir_bytes: int = 0
    changes: list[str] = []
    profile_use: ProfileUse | None = None

    def to_json(self) -> bytes:
        """Indented JSON with a final newline."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def library_versions() -> dict[str, str]:
    """Versions of what decides compressed sizes and file formats."""
    import numpy as np
    import pyarrow as pa
    import zstandard

    return {
        "zipsel": __version__,
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
        "zstandard": zstandard.__version__,
        "libzstd": ".".join(map(str, zstandard.ZSTD_VERSION)),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }


class Histogram(msgspec.Struct, kw_only=True):
    """Records of pool and subset in bins, of alignments or of lengths.

    Of alignments, records that the cascade passed over are not among them.

    Attributes:
        edges: Bin edges, ascending, one more than bins.
        pool: Pool records in each bin; the first and last take what lies beyond.
        subset: Subset records in each bin.
    """

    edges: list[float]
    pool: list[int]
    subset: list[int]


class GroupShare(msgspec.Struct, kw_only=True):
    """One value of the group field in pool and subset; an empty name is of rows without one."""

    name: str
    n_pool: int
    n_pool_bytes: int
    n_chosen: int
    n_chosen_bytes: int


class Facet(msgspec.Struct, kw_only=True):
    """One part of the target, and what of the subset matches it.

    Attributes:
        name: Of the facet.
        n_target: Target examples in it.
        n_chosen: Chosen records that match it best.
        n_chosen_bytes: Bytes of their texts.
        mean_alignment: Of those records; None if there is none.
        wanted: Share of the subset that was asked for, if any was.
        example: How its most typical example begins.
    """

    name: str
    n_target: int
    n_chosen: int
    n_chosen_bytes: int = 0
    mean_alignment: float | None = None
    wanted: float | None = None
    example: str = ""
