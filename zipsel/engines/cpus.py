"""How many tasks this machine can run at once, without loading the modules of an engine."""

from __future__ import annotations

import math
import os
from pathlib import Path

#: Where Linux tells the CPU quota of a container: cgroup version 2, then version 1.
_QUOTA_FILES = (
    ("/sys/fs/cgroup/cpu.max",),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)


def usable_cpus() -> int:
    """CPUs that this process may use: its affinity, and the quota of its cgroup rounded up."""
    affinity = getattr(os, "sched_getaffinity", None)
    n_cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(n_cpus, math.ceil(quota))) if quota else n_cpus


def _cgroup_quota() -> float | None:
    """CPUs that the cgroup grants, 1.5 for three halves; None without a limit."""
    for paths in _QUOTA_FILES:
        try:
            words = [word for path in paths for word in Path(path).read_text().split()]
            quota, period = map(int, words)
        except (OSError, ValueError):  # no such file, or "max"
            continue
        return quota / period if quota > 0 and period > 0 else None
    return None
