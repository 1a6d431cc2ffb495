"""The control group below which the kubelet keeps all pods: on cgroup v2, v1, and the hybrid of both."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from toolchain.cluster.errors import ClusterError
from toolchain.cluster.layout import CGROUP
from toolchain.cluster.mounts import unescape
from toolchain.cluster.processes import wait_until

# The kubelet insists on all of these that the machine has, but for io, which containers use.
_CONTROLLERS = ("cpu", "cpuset", "hugetlb", "io", "memory", "pids")


def hierarchies(mountinfo: str | None = None) -> dict[Path, str]:
    """The mounted cgroup hierarchies and their type, ``cgroup`` or ``cgroup2``."""
    found: dict[Path, str] = {}
    for line in (Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo).splitlines():
        fields = line.split()
        kind = fields[fields.index("-") + 1]
        if kind in ("cgroup", "cgroup2"):
            found[Path(unescape(fields[4]))] = kind
    return found


def create(found: Mapping[Path, str] | None = None) -> None:
    """Make the group in every hierarchy; the kubelet refuses to start when one lacks it, or a controller of it.

    ``found`` is ``hierarchies()`` unless given.
    """
    found = hierarchies() if found is None else found
    for root in found:
        try:
            if set(found.values()) == {"cgroup2"}:  # beside cgroup v1 nobody asks it for controllers
                available = (root / "cgroup.controllers").read_text().split()
                wanted = [f"+{controller}" for controller in _CONTROLLERS if controller in available]
                # They stay enabled at the root: whoever came to use them meanwhile would lose them.
                (root / "cgroup.subtree_control").write_text(" ".join(wanted))
            (root / CGROUP).mkdir(exist_ok=True)
        except OSError as error:
            raise ClusterError(f"{root / CGROUP}: cannot make the pods' control group: {error.strerror}") from error


def pids() -> set[int]:
    """The processes of all pods."""
    found: set[int] = set()
    for folder in _folders():
        with contextlib.suppress(OSError):
            found |= {int(pid) for pid in (folder / "cgroup.procs").read_text().split()}
    return found


def remove(group: str = CGROUP) -> None:
    """Remove the group and all below it, once its processes are gone."""

    def gone() -> bool:
        for folder in _folders(group):
            with contextlib.suppress(OSError):  # busy for a moment after its last process ended
                folder.rmdir()
        return not _folders(group)

    if not wait_until(gone, 5.0):
        raise ClusterError(f"{_folders(group)[-1]}: cannot remove the control group, it still has processes")


def _folders(group: str = CGROUP) -> list[Path]:
    """The group's folders in all hierarchies, deepest first."""
    return [Path(folder) for root in hierarchies() for folder, _, _ in os.walk(root / group, topdown=False)]
