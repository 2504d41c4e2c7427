"""What the report draws: distributions, shares and curves."""

from __future__ import annotations

import msgspec


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
    """One value of the group field in pool and subset."""

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


class Curve(msgspec.Struct, kw_only=True):
    """A measured curve: the automatic budget, an evaluation.

    Attributes:
        title: What it shows.
        x_label: Quantity and unit.
        y_label: Quantity and unit.
        series: Name → points ``(x, y)``, x ascending.
        mark: The x that was settled on.
        log_x: Whether x is best shown on a logarithmic scale.
        note: One sentence on how to read it.
    """

    title: str
    x_label: str
    y_label: str
    series: dict[str, list[tuple[float, float]]]
    mark: float | None = None
    log_x: bool = False
    note: str = ""
