"""The container's share of CPUs, from both generations of control groups."""

import os
from pathlib import Path

import pytest

from model.server import cpus


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64 CPUs, whatever this one has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"sys/fs/cgroup/cpu.max": "250000 100000\n"}, 3),
        ({"sys/fs/cgroup/cpu.max": "10000 100000\n"}, 1),
        ({"sys/fs/cgroup/cpu.max": "6400000 100000\n"}, 64),
        ({"sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 64),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, cpus.UNLIMITED_CAP),
        ({}, cpus.UNLIMITED_CAP),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 4),
        (
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"},
            cpus.UNLIMITED_CAP,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/pods/a\n1:name=systemd:/pods/a\n",
                "sys/fs/cgroup/cpu,cpuacct/pods/a/cpu.cfs_quota_us": "150000",
                "sys/fs/cgroup/cpu,cpuacct/pods/a/cpu.cfs_period_us": "100000",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": "0::/pods/a/container\n",
                "sys/fs/cgroup/pods/cpu.max": "300000 100000",
                "sys/fs/cgroup/pods/a/container/cpu.max": "max 100000",
            },
            3,
        ),
        ({"proc/self/cgroup": "0::/../../elsewhere\n", "sys/fs/cgroup/cpu.max": "500000 100000"}, 5),
    ],
)
def test_limits(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    assert cpus.available(write(tmp_path, files)) == expected


def test_the_scheduler_may_allow_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert cpus.available(write(tmp_path, {"sys/fs/cgroup/cpu.max": "800000 100000"})) == 2
