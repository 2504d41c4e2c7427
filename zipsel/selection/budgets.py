"""How much is chosen: a budget that is never exceeded.

Records are taken in rank order until the next one would go over the budget; it and all after it
are left. A record that is larger than the whole budget is passed over, lest one giant at the top
leave the subset empty. A larger budget therefore always contains a smaller one's subset, but for
such giants.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from zipsel.errors import UsageError

BudgetKind = Literal["top_k", "fraction", "min_alignment", "max_bytes", "max_tokens", "auto"]

#: Estimate of UTF-8 bytes in a token, where no tokenizer is named.
BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class Budget:
    """What was asked for.

    Attributes:
        kind: The unit.
        value: Records; share of the pool's records, 0 to 1; alignment; bytes of text; tokens.
            Nothing for ``auto``, which becomes bytes once it is measured.
    """

    kind: BudgetKind
    value: float

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UsageError: If the value is out of range.
        """
        if self.kind == "fraction" and not 0 < self.value <= 1:
            raise UsageError(f"--fraction is a share of the pool, over 0 to 1, not {self.value:g}")
        if self.kind not in ("min_alignment", "auto") and self.value <= 0:
            raise UsageError(
                f"--{self.kind.replace('_', '-')} must be positive, not {self.value:g}"
            )

    def __str__(self) -> str:
        """As on the command line."""
        if self.kind == "auto":
            return "--auto"
        return f"--{self.kind.replace('_', '-')} {self.value:.12g}"


class Meter:
    """Counts what was taken against a budget.

    Args:
        budget: The budget.
        n_pool: Records in the pool, for a fraction.
        share: Part of the budget that this meter is for.
    """

    def __init__(self, budget: Budget, n_pool: int, share: float = 1.0) -> None:
        self.budget = budget
        self.limit = budget.value
        if budget.kind == "fraction":
            # As decimals: 0.29 of 100 records is 29, not the 28 that binary fractions give.
            self.limit = int(Decimal(str(budget.value)) * n_pool * Decimal(str(share)))
        elif budget.kind == "top_k":
            self.limit = int(budget.value * share)
        elif budget.kind != "min_alignment":
            self.limit = budget.value * share
        self.used = 0.0
        self.full = self.limit <= 0 and budget.kind != "min_alignment"

    def admit(self, alignment: float, n_bytes: int, n_tokens: int) -> bool:
        """Take a record if it fits; the first that does not, of those that could, ends it."""
        if self.full:
            return False
        if self.budget.kind == "min_alignment":
            self.full = alignment < self.limit
            return not self.full
        cost = self.cost(n_bytes, n_tokens)
        if self.used + cost > self.limit:
            self.full = cost <= self.limit
            return False
        self.used += cost
        self.full = self.used >= self.limit
        return True

    def cost(self, n_bytes: int, n_tokens: int) -> float:
        """What a record uses of the budget."""
        if self.budget.kind == "max_bytes":
            return n_bytes
        if self.budget.kind == "max_tokens":
            return n_tokens or n_bytes / BYTES_PER_TOKEN
        return 1
