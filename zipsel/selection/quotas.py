"""Quotas: shares of the budget by group, and a maximum of records of each group.

A share that its group cannot fill is a shortfall: it is reported and never given to other groups.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from zipsel.console.values import Unreadable
from zipsel.selection.budgets import Budget, Meter

#: In ``--quota``, every group that is not named, together.
OTHERS = "*"

_ENTRY = re.compile(r"\s*(.+?)\s*=\s*([0-9]+\.?[0-9]*|\.[0-9]+)(%?)\s*")


def parse_shares(given: str | Mapping[Any, Any]) -> tuple[tuple[str, float], ...]:
    """Read ``code=0.5,math=0.3,*=0.2``; a mapping and percentages may be given too.

    Raises:
        Unreadable: If it is not of that form, or the shares exceed 1.
    """
    pairs = _read_pairs(given) if isinstance(given, str) else list(given.items())
    shares: dict[str, float] = {}
    for name, share in pairs:
        if not isinstance(name, str) or not name:
            raise Unreadable(f"names no group or target: {name!r}")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise Unreadable(f"gives {name} {share!r}, which is no share, 0 to 1")
        if name in shares:
            raise Unreadable(f"names {name!r} twice")
        shares[name] = float(share)
    if not sum(shares.values()) <= 1 + 1e-9:
        raise Unreadable(f"has shares that add up to {sum(shares.values()):g}, which is over 1")
    return tuple(shares.items())


def _read_pairs(text: str) -> list[tuple[str, float]]:
    pairs = []
    for entry in text.split(","):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise Unreadable(f"takes NAME=SHARE, as in code=0.5,math=0.3,*=0.2, not {entry!r}")
        pairs.append((match[1], float(match[2]) / (100 if match[3] else 1)))
    return pairs


Shares = Annotated[
    tuple[tuple[str, float], ...],
    Meta(
        description="NAME=SHARE, as in code=0.5,math=0.3,*=0.2",
        extra={"parse": parse_shares, "reads": (dict,), "metavar": "NAME=F,..."},
    ),
]


@dataclass(frozen=True)
class Shortfall:
    """A share that was not filled.

    Attributes:
        name: The group; ``*`` for all that are not named.
        wanted: Its part of the budget, in the budget's unit.
        used: What of it was used.
    """

    name: str
    wanted: float
    used: float


class Quotas:
    """Meters of a budget and of its parts, and counts of the records of each group.

    Args:
        budget: The whole budget.
        n_pool: Records in the pool.
        parts: Name → part of the budget, in its unit; empty to share nothing out.
        max_per_group: Records of one group at most; None for any number.
        rounded: Fill each part to the nearest record instead of the last that fits. The whole
            is never exceeded either way.
    """

    def __init__(
        self,
        budget: Budget,
        n_pool: int,
        parts: Mapping[str, float],
        max_per_group: int | None = None,
        *,
        rounded: bool = False,
    ) -> None:
        self.whole = Meter(budget, n_pool)
        self.meters = {
            name: Meter(budget, n_pool, limit, rounded=rounded) for name, limit in parts.items()
        }
        self.max_per_group = max_per_group
        self._taken: dict[str, int] = {}

    @property
    def full(self) -> bool:
        """Whether no record at all can be taken any more."""
        if self.meters and all(meter.full for meter in self.meters.values()):
            return True
        return self.whole.full

    def _meter(self, part: str) -> Meter | None:
        """The meter of a part; of the whole if there are no parts; None if the part has none."""
        if not self.meters:
            return self.whole
        return self.meters.get(part, self.meters.get(OTHERS))

    def has_part(self, part: str) -> bool:
        """Whether this part might take a record."""
        meter = self._meter(part)
        return meter is not None and not meter.full

    def has_group(self, group: str) -> bool:
        """Whether a record of this group might be taken."""
        return self.max_per_group is None or self._taken.get(group, 0) < self.max_per_group

    def is_open(self, part: str, group: str) -> bool:
        """Whether a record of this part and group might be taken."""
        return self.has_group(group) and self.has_part(part)

    def admit(self, part: str, group: str, alignment: float, n_bytes: int, n_tokens: int) -> bool:
        """Take a record if there is room, and count it."""
        meter = self._meter(part)
        if meter is None or not self.is_open(part, group):
            return False
        if meter is self.whole:
            admitted = meter.admit(alignment, n_bytes, n_tokens)
        else:
            admitted = self._admit_to_both(meter, self.whole.cost(n_bytes, n_tokens))
        if admitted:
            self._taken[group] = self._taken.get(group, 0) + 1
        return admitted

    def _admit_to_both(self, part: Meter, cost: float) -> bool:
        for meter in (part, self.whole):
            if not meter.has_room(cost):
                meter.turn_away(cost)
                return False
        part.use(cost)
        self.whole.use(cost)
        return True

    def shortfalls(self) -> list[Shortfall]:
        """Shares that no record was left to fill."""
        if self.whole.full:
            return []
        return [
            Shortfall(name, meter.limit, meter.used)
            for name, meter in self.meters.items()
            if not meter.full
        ]
