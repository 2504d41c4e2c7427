"""What a setting means in numbers."""

import pytest

from zipsel.scoring.settings import RunSettings


@pytest.mark.parametrize(
    ("max_rejects", "n_rows", "allowed"),
    [("1%", 99, 0), ("1%", 150, 1), ("1%", 199, 1), ("1%", 200, 2), ("0.5%", 1000, 5), (3, 1, 3)],
)
def test_a_percentage_of_refused_rows_is_never_exceeded(max_rejects, n_rows, allowed):
    settings = RunSettings(pool=("p",), max_rejects=max_rejects)
    assert settings.rejects_allowed(n_rows) == allowed
