"""How many CPUs this container may use, which is not what the machine has."""

import math
import os
from pathlib import Path

UNLIMITED_CAP = 8
"""Threads where no limit is set: on a machine with a hundred cores, one model does not get a hundred threads."""


def available(root: Path = Path("/")) -> int:
    """Whole CPUs, at least 1: the control group's limit rounded up, within the CPUs that the scheduler allows.

    Reads cgroup v2 (`cpu.max`) and v1 (`cpu.cfs_quota_us`); `root` is there for tests.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = _limit(root)
    return max(1, min(allowed, UNLIMITED_CAP if limit is None else math.ceil(limit)))


def _limit(root: Path) -> float | None:
    """The tightest CPU limit of this process's groups, in CPUs; None where there is none."""
    limits = [limit for folder in _folders(root) if (limit := _read(folder)) is not None]
    return min(limits, default=None)


def _folders(root: Path) -> list[Path]:
    """Where this process's limits may stand, from its own group up to the top of what it can see."""
    mount = root / "sys/fs/cgroup"
    groups = [(mount, "/"), (mount / "cpu", "/")]
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            groups.append((mount, path))
        elif "cpu" in controllers.split(","):
            groups += [(mount / "cpu", path), (mount / controllers, path)]
    # With a cgroup namespace the path may point outside (`/../..`): then only the mount's top can be seen.
    return [
        top / part.relative_to("/")
        for top, path in groups
        if ".." not in Path(path).parts
        for part in [Path(path), *Path(path).parents]
    ]


def _read(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if quota in ("max", "-1"):
        return None
    return int(quota) / int(period)
