"""Columns in files: sorted and grown as arrays in memory are."""

import numpy as np
import pytest

from zipsel.storage.columns import Columns, Growing


@pytest.fixture
def columns(tmp_path, monkeypatch):
    """Columns that go to files and are sorted in many parts."""
    sizes = {"SMALL_BYTES": 0, "STRETCH": 100, "SORTED": 100, "UNWRITTEN": 64, "SAMPLE": 50}
    for name, value in sizes.items():
        monkeypatch.setattr(f"zipsel.storage.columns._{name}", value)
    return Columns(str(tmp_path))


@pytest.mark.parametrize("n_values", [1, 3, 50, 10**6])
@pytest.mark.parametrize("n", [0, 1, 99, 100, 101, 5000])
def test_the_order_is_that_of_a_stable_sort(columns, n, n_values):
    """Also where most keys are equal, which no cut can part."""
    generator = np.random.default_rng(n)
    keys = generator.integers(n_values, size=n) - n_values / 2
    keys[::7] = -np.inf
    expected = sorted(range(n), key=lambda i: (keys[i], i))
    assert columns.argsort(keys).tolist() == expected


def test_positions_under_a_mask(columns):
    mask = np.random.default_rng(0).random(1050) < 0.3
    expected = [i for i, is_set in enumerate(mask.tolist()) if is_set]
    assert columns.flatnonzero(mask).tolist() == expected
    assert columns.take(np.arange(1050) * 2, columns.flatnonzero(mask)).tolist() == [
        2 * i for i in expected
    ]


@pytest.mark.parametrize("n", [0, 63, 64, 200])
def test_a_column_grows_by_single_numbers(columns, n):
    growing = Growing(columns, "q")
    for i in range(n):
        growing.append(i * i)
    assert growing.values().tolist() == [i * i for i in range(n)]
    growing.append(-1)
    assert growing.values().tolist()[-2:] == ([(n - 1) ** 2] if n else []) + [-1]
