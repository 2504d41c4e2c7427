"""How much is chosen: a budget that is never exceeded.

Records are taken in rank order until the next one does not fit; that record and all later ones are
left. A record that is larger than the whole budget is passed over, so that one giant at the top
does not leave the subset empty. So the subset of a larger budget contains that of a smaller one,
except for such giants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from zipsel.console.values import Count, Share, Size

BudgetKind = Literal["top_k", "fraction", "min_alignment", "max_bytes", "max_tokens", "auto"]
BUDGET_KINDS: tuple[BudgetKind, ...] = get_args(BudgetKind)

#: Estimate of UTF-8 bytes in a token, where no tokenizer is named.
BYTES_PER_TOKEN = 4

#: Alignments are sorted into bins of 32-bit floats, which end here.
Alignment = Annotated[float, Meta(ge=-3e38, le=3e38, description="a number")]


class BudgetOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of which exactly one says how much is chosen."""

    top_k: Count | None = None
    fraction: Share | None = None
    min_alignment: Alignment | None = None
    max_bytes: Size | None = None
    max_tokens: Size | None = None
    auto: bool = False

    @property
    def budget(self) -> Budget:
        """The budget of the option that is given."""
        values = {kind: getattr(self, kind) for kind in BUDGET_KINDS}
        kind = next(
            kind for kind, value in values.items() if value is not None and value is not False
        )
        return Budget(kind, values[kind])


@dataclass(frozen=True)
class Budget:
    """A limit on the subset.

    Attributes:
        kind: The unit.
        value: Records; fraction of the pool's records, 0 to 1; alignment; bytes of text; tokens.
            Unused by ``auto``, which becomes bytes once it is measured.
    """

    kind: BudgetKind
    value: float

    def __str__(self) -> str:
        """As on the command line."""
        if self.kind == "auto":
            return "--auto"
        return f"--{self.kind.replace('_', '-')} {self.value:.12g}"


def whole_limit(budget: Budget, n_pool: int) -> float:
    """The limit in the unit that records use up: records, bytes, tokens; or an alignment."""
    if budget.kind == "fraction":
        # As decimals: 0.29 of 100 records is 29, not the 28 that binary fractions give.
        return int(Decimal(str(budget.value)) * n_pool)
    if budget.kind == "top_k":
        return int(budget.value)
    return budget.value


def counts_records(budget: Budget) -> bool:
    """Whether each record uses one of the budget, so that its parts are whole numbers."""
    return budget.kind in ("top_k", "fraction")


def apportion(budget: Budget, n_pool: int, shares: Mapping[str, float]) -> dict[str, float]:
    """Divide a budget among names.

    Records are divided by largest remainders (Hamilton); of equal remainders the first name wins.
    So ten records for three names of a third each are 4 + 3 + 3 and none is lost.

    Args:
        budget: The budget.
        n_pool: Records in the pool.
        shares: Name → share; the shares add up to at most 1.
    """
    limit = whole_limit(budget, n_pool)
    if not counts_records(budget):
        return {name: limit * share for name, share in shares.items()}
    exact = {name: round(limit * share, 6) for name, share in shares.items()}
    parts: dict[str, float] = {name: int(part) for name, part in exact.items()}
    left = int(round(sum(exact.values()), 3) - sum(parts.values()))
    for name in sorted(exact, key=lambda name: parts[name] - exact[name])[:left]:
        parts[name] += 1
    return parts


class Meter:
    """Counts what was taken against a budget or a part of one.

    Args:
        budget: The budget.
        n_pool: Records in the pool, for a fraction.
        limit: The part of it that this meter is for, in the budget's unit; None for all.
        rounded: Also take the record that exceeds the limit by no more than half of its own cost.
    """

    def __init__(
        self, budget: Budget, n_pool: int, limit: float | None = None, *, rounded: bool = False
    ) -> None:
        self.budget = budget
        self.limit = whole_limit(budget, n_pool) if limit is None else limit
        self.used = 0.0
        self.full = self.limit <= 0 and budget.kind != "min_alignment"
        self._inside = 0.5 if rounded else 1.0

    def admit(self, alignment: float, n_bytes: int, n_tokens: int) -> bool:
        """Take a record if it fits, and count it."""
        if self.full or self.end_below(alignment):
            return False
        if self.budget.kind == "min_alignment":
            return True
        cost = self.cost(n_bytes, n_tokens)
        if not self.has_room(cost):
            self.turn_away(cost)
            return False
        self.use(cost)
        return True

    def end_below(self, alignment: float) -> bool:
        """End where an alignment is below the lowest that is taken; True if this has ended."""
        self.full |= self.budget.kind == "min_alignment" and alignment < self.limit
        return self.full

    def has_room(self, cost: float) -> bool:
        """Whether a record of this cost fits."""
        return self.used + cost * self._inside <= self.limit

    def turn_away(self, cost: float) -> None:
        """End with a record that did not fit, unless not even an empty budget would hold it."""
        self.full = cost <= self.limit

    def use(self, cost: float) -> None:
        """Count a record."""
        self.used += cost
        self.full = self.used >= self.limit

    def cost(self, n_bytes: int, n_tokens: int) -> float:
        """What a record uses of the budget; tokens that were not counted (-1) are guessed."""
        if self.budget.kind == "max_bytes":
            return n_bytes
        if self.budget.kind == "max_tokens":
            return n_bytes / BYTES_PER_TOKEN if n_tokens < 0 else n_tokens
        return 1
