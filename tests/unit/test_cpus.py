"""CPUs that a container may use."""

import pytest

from zipsel.engines import cpus


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "20000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"quota": "250000\n", "period": "100000\n"}, 3),
        ({"quota": "-1\n", "period": "100000\n"}, 8),
        ({"cpu.max": "garbage\n"}, 8),
        ({}, 8),
    ],
)
def test_a_quota_of_either_version_counts_rounded_up(tmp_path, monkeypatch, files, expected):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    v1 = (str(tmp_path / "quota"), str(tmp_path / "period"))
    monkeypatch.setattr(cpus, "_QUOTA_FILES", ((str(tmp_path / "cpu.max"),), v1))
    monkeypatch.setattr(cpus.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert cpus.usable_cpus() == expected
