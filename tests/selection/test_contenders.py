"""How much of the pool a cascade finishes for a budget."""

from collections import Counter

import pytest

from selection.conftest import TOPICS
from zipsel.selection.budgets import Budget
from zipsel.selection.passes import contender_fraction
from zipsel.selection.settings import SelectSettings


@pytest.mark.parametrize(
    ("budget", "options", "expected"),
    [
        (("top_k", 100), {}, 0.05),  # twice a hundredth is less than the least
        (("top_k", 500), {}, 0.1),
        (("top_k", 501), {}, 0.2),
        (("fraction", 0.1), {}, 0.2),
        (("max_bytes", 200_000), {}, 0.2),
        (("max_tokens", 50_000), {}, 0.2),
        (("top_k", 9000), {}, 1.0),
        (("top_k", 100), {"strategy": "sample"}, 1.0),
        (("top_k", 100), {"strategy": "stratified"}, 1.0),
        (("min_alignment", 2.0), {}, 1.0),
        (("top_k", 100), {"contenders": 0.3}, 0.3),
        (("min_alignment", 2.0), {"contenders": 0.3}, 0.3),
    ],
)
def test_contenders_are_twice_the_budget_in_doubling_steps(budget, options, expected):
    select = SelectSettings(budget=Budget(*budget), output="out", **{"strategy": "top", **options})
    assert contender_fraction(select, 10_000, 2_000_000) == expected


def test_where_contenders_do_not_fill_the_budget_more_contend(choose):
    """A fifth of the pool contends at first: too few of the topics that the target lacks."""
    chosen = choose(
        ("top_k", 20), group="topic", max_per_group=5, fit={"scorer": "fused"}, strategy="top"
    )
    assert Counter(row["topic"] for row in chosen.rows) == dict.fromkeys(TOPICS, 5)
