"""Parts of a budget: none is lost in rounding, none exceeded, and what is missing is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipsel.console.values import convert
from zipsel.selection.budgets import Budget, Meter, apportion
from zipsel.selection.quotas import OTHERS, Quotas, Shares


def offer(quotas, records):
    """Positions taken of ``(part, group, bytes)`` records."""
    return [
        i
        for i, (part, group, size) in enumerate(records)
        if quotas.admit(part, group, 1.0, size, -1)
    ]


@pytest.mark.parametrize(
    ("kind", "value", "shares", "expected"),
    [
        ("top_k", 10, [1 / 3, 1 / 3, 1 / 3], [4, 3, 3]),
        ("top_k", 10, [0.5, 0.3, 0.2], [5, 3, 2]),
        ("top_k", 7, [0.7, 0.3], [5, 2]),
        ("top_k", 1, [0.4, 0.6], [0, 1]),
        ("top_k", 10, [0.25, 0.25], [3, 2]),
        ("fraction", 0.1, [0.29, 0.71], [3, 7]),
        ("max_bytes", 1000, [0.25, 0.5], [250, 500]),
    ],
)
def test_budgets_are_shared_out_whole(kind, value, shares, expected):
    names = [str(i) for i in range(len(shares))]
    parts = apportion(Budget(kind, value), 100, dict(zip(names, shares, strict=True)))
    assert list(parts.values()) == expected


@given(k=st.integers(1, 200), weights=st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_records_are_neither_lost_nor_made(k, weights):
    total = sum(weights)
    if total == 0:
        return
    shares = {str(i): weight / total for i, weight in enumerate(weights)}
    parts = apportion(Budget("top_k", k), 10**6, shares)
    assert sum(parts.values()) == k
    assert all(abs(parts[name] - k * share) < 1 for name, share in shares.items())


records = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 50)), max_size=60
)
shares = st.sampled_from(
    [{}, {"a": 0.5, "b": 0.5}, {"a": 0.2, OTHERS: 0.8}, {"b": 0.3}, {OTHERS: 1.0}]
)
budgets = st.one_of(
    st.builds(Budget, st.just("top_k"), st.integers(1, 40)),
    st.builds(Budget, st.just("max_bytes"), st.integers(1, 900)),
    st.builds(Budget, st.just("max_tokens"), st.integers(1, 200)),
)


@given(
    budget=budgets,
    shares=shares,
    records=records,
    cap=st.none() | st.integers(1, 5),
    rounded=st.booleans(),
)
def test_no_part_no_group_and_no_whole_is_exceeded(budget, shares, records, cap, rounded):
    parts = apportion(budget, len(records), shares)
    quotas = Quotas(budget, len(records), parts, cap, rounded=rounded)
    taken = [records[i] for i in offer(quotas, records)]

    def used(some):
        units = {"top_k": len(some), "max_bytes": sum(size for *_, size in some)}
        return units.get(budget.kind, sum(size for *_, size in some) / 4)

    assert used(taken) <= budget.value
    for group in "xyz":
        assert cap is None or sum(record[1] == group for record in taken) <= cap
    for name, limit in parts.items():
        own = [
            record
            for record in taken
            if (record[0] == name if name != OTHERS else record[0] not in parts)
        ]
        largest = max((used([record]) for record in own), default=0)
        assert used(own) <= limit + (largest / 2 if rounded else 0)
    if parts and OTHERS not in parts:
        assert {record[0] for record in taken} <= set(parts)


@given(budget=budgets, shares=shares, records=records)
def test_a_part_is_filled_or_reported(budget, shares, records):
    """A part that is not reported has no room for the next record that was offered to it."""
    parts = apportion(budget, len(records), shares)
    quotas = Quotas(budget, len(records), parts)
    taken = offer(quotas, records)
    short = {shortfall.name: shortfall for shortfall in quotas.shortfalls()}

    for name, limit in parts.items():
        mine = [
            i
            for i, record in enumerate(records)
            if (record[0] == name if name != OTHERS else record[0] not in parts)
        ]
        if limit <= 0:
            continue
        if name in short:
            assert short[name].used < short[name].wanted == limit
            per = {"top_k": lambda _: 1, "max_tokens": lambda size: size / 4}
            cost = per.get(budget.kind, lambda size: size)
            assert all(i in taken or cost(records[i][2]) > limit for i in mine)
        else:
            assert quotas.meters[name].full


def test_a_group_that_has_no_share_gets_nothing():
    quotas = Quotas(Budget("top_k", 4), 10, {"a": 4})
    assert offer(quotas, [("b", "", 1), ("a", "", 1), ("", "", 1)]) == [1]
    assert quotas.shortfalls()[0].used == 1


def test_a_cap_counts_groups_and_not_parts_of_the_budget():
    quotas = Quotas(Budget("top_k", 6), 10, {"facet-1": 3, "facet-2": 3}, 2)
    offered = [("facet-1", "web", 1), ("facet-2", "web", 1), ("facet-1", "web", 1)]
    assert offer(quotas, [*offered, ("facet-1", "book", 1)]) == [0, 1, 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("code=0.5,math=0.3,*=0.2", {"code": 0.5, "math": 0.3, "*": 0.2}),
        (" a b = 50% , c=50%", {"a b": 0.5, "c": 0.5}),
        ("k=v=0.5", {"k=v": 0.5}),
    ],
)
def test_shares_are_read(text, expected):
    assert dict(convert(text, Shares)) == expected
    assert dict(convert(expected, Shares)) == expected


@pytest.mark.parametrize("text", ["code", "a=x", "a=0.5,a=0.5", "a=0.7,b=0.7", "", "=1", "a=1.2.3"])
def test_shares_that_cannot_be_meant_are_refused(text):
    with pytest.raises(ValueError, match=r"share|twice|NAME=SHARE"):
        convert(text, Shares)


def test_the_first_record_that_does_not_fit_ends_a_budget():
    quotas = Quotas(Budget("max_bytes", 70), 10, {})
    assert offer(quotas, [("", "", size) for size in (71, 69, 2, 1)]) == [1]
    assert quotas.full


def test_asking_for_room_changes_nothing():
    meter = Meter(Budget("max_bytes", 70), 10)
    assert [meter.has_room(cost) for cost in (70, 71, 60, 71, 70)] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert not meter.full
    meter.turn_away(71)  # larger than the whole budget
    assert not meter.full
    meter.turn_away(70)
    assert meter.full


def test_a_full_budget_has_no_shortfalls():
    quotas = Quotas(Budget("top_k", 2), 10, {"a": 2, "b": 2})
    assert offer(quotas, [("a", "", 1), ("a", "", 1)]) == [0, 1]
    assert quotas.shortfalls() == []


def test_parts_that_are_rounded_up_never_exceed_the_whole():
    parts = {"a": 50, "b": 50}
    quotas = Quotas(Budget("max_bytes", 100), 10, parts, rounded=True)
    assert offer(quotas, [("a", "", 60), ("b", "", 41)]) == [0]
    assert quotas.full
