"""What the judge says of subsets: bits per byte of held-out examples, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from zipsel.evaluation.ppm import bits_per_byte, bootstrap_interval, join_records, ppm_bits


class Curve(msgspec.Struct, kw_only=True):
    """A measured curve: the automatic budget, an evaluation.

    Attributes:
        title: What it shows.
        x_label: Quantity and unit.
        y_label: Quantity and unit.
        series: Name → points ``(x, y)``, x ascending.
        mark: An x that stands out: the size that was settled on.
        mark_name: What it is.
        log_x: Whether x is best shown on a logarithmic scale.
        note: One sentence on how to read it.
    """

    title: str
    x_label: str
    y_label: str
    series: dict[str, list[tuple[float, float]]]
    mark: float | None = None
    mark_name: str = "chosen"
    log_x: bool = False
    note: str = ""


class Judged(msgspec.Struct, kw_only=True):
    """One subset's verdict.

    Attributes:
        path: As it was given.
        bytes: Bytes that the judge read, a line feed after each record among them.
        bits_per_byte: What a byte of the held-out examples costs; lower is better.
        low: Lower end of the 95 % interval over examples.
        high: Upper end.
    """

    path: str
    bytes: int
    bits_per_byte: float
    low: float
    high: float


class JudgedRandom(msgspec.Struct, kw_only=True):
    """The mean of random subsets, fields as in ``Judged``, and each one's bits per byte."""

    n_subsets: int
    bytes: int
    bits_per_byte: float
    low: float
    high: float
    each: list[float]


class Evaluation(msgspec.Struct, kw_only=True):
    """What ``zipsel eval --json`` prints.

    Attributes:
        subsets: In the order given.
        random: Random subsets of the pool; None if no pool was named.
        n_examples: Held-out examples.
        seed: Of everything drawn.
    """

    subsets: list[Judged]
    random: JudgedRandom | None
    n_examples: int
    seed: int

    def to_json(self) -> bytes:
        """Indented JSON with a final newline."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


@dataclass(frozen=True)
class Judge:
    """The held-out examples, and how they are coded.

    Attributes:
        examples: UTF-8 texts, none empty.
        seed: Of the intervals.
        workers: Examples coded at the same time.
    """

    examples: list[bytes]
    seed: int
    workers: int

    @property
    def n_bytes(self) -> NDArray[np.int64]:
        """Bytes of each example, `(n_examples,)`."""
        return np.array(list(map(len, self.examples)), np.int64)

    def bits(self, orders: Sequence[Sequence[bytes]], limit_bytes: int) -> NDArray[np.float64]:
        """Bits that each example costs after a set in several orders, `(n_orders, n_examples)`."""
        subsets = (join_records(texts, limit_bytes) for texts in orders)
        return np.array([ppm_bits(one, self.examples, n_workers=self.workers) for one in subsets])

    def figures(self, bits: NDArray[np.float64]) -> dict[str, float]:
        """Bits per byte, averaged over the orders, with the ends of its interval."""
        bits = bits.mean(axis=0)
        low, high = bootstrap_interval(bits, self.n_bytes, seed=self.seed)
        mean = bits_per_byte(bits, self.n_bytes)
        return {"bits_per_byte": round(mean, 4), "low": round(low, 4), "high": round(high, 4)}
