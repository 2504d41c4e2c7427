"""``sample``: without replacement, in proportion to exp(alignment / temperature).

Ordering by alignment / temperature + Gumbel noise is that (Gumbel top-k; Kool et al. 2019; DSIR
does the same).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zipsel.selection.strategies import Plan, Priority, Strategy


def uniform_noise(
    seed: int, shards: NDArray[np.int32] | int, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Numbers in (0, 1), a pure function of seed, shard and row; float64 ``(len(rows),)``.

    The finalizer of splitmix64 (Steele, Lea & Flood 2014) over a mixed key.
    """
    of_seed = np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
    key = np.atleast_1d(shards).astype(np.uint64) * np.uint64(0xD1B54A32D192ED03) + of_seed
    z = rows.astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9) + _mix(key)
    return (_mix(z) >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-54


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def gumbel_priority(seed: int, temperature: float) -> Priority:
    """Alignment over temperature, plus Gumbel noise.

    With a temperature near 0 the order is that of ``top``; with a large one it is random.
    """

    def priority(
        alignment: NDArray[np.float64], shards: NDArray[np.int32], rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        noise: NDArray[np.float64] = -np.log(-np.log(uniform_noise(seed, shards, rows)))
        return alignment / temperature + noise

    return priority


SAMPLE = Strategy(
    plan=lambda pool: Plan(gumbel_priority(pool.select.seed, pool.select.temperature)),
    takes=frozenset({"temperature", "seed"}),
    needs_whole_pool=True,
)
