"""Starting, stopping and looking at the cluster."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from toolchain.cluster import binaries, health, mounts, ownership, processes, teardown
from toolchain.cluster.errors import ClusterError
from toolchain.cluster.layout import Layout
from toolchain.cluster.startup import Startup

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ClusterInfo:
    """A running cluster."""

    kubeconfig: Path
    """The user's kubeconfig: admin rights, readable by its owner only, current context ``model-serving``."""


@dataclass(frozen=True)
class ClusterStatus:
    """What is there of a cluster now."""

    state: Literal["running", "degraded", "stopped"]
    kubeconfig: Path | None
    """Set while the API server runs."""
    processes: dict[str, int | None] = field(default_factory=dict)
    """Pid of each recorded component, None when it is dead."""
    problems: tuple[str, ...] = ()
    """What is wrong when degraded, a line each."""


def start(data: Path, tools: Path, registry: str, progress: Progress) -> ClusterInfo:
    """Bring the cluster of the folder ``data`` up: node ready, DNS answering. What already runs well stays.

    ``tools`` is looked for programs before PATH. ``registry`` ("localhost:5001") is the registry that nodes pull from
    over plain HTTP, "" for none. ``progress`` is called with one line for each step.

    Raises ClusterError: no root, missing programs, another cluster on this machine, or a component that fails, with
    the end of its log. What started until then keeps running; another start goes on from there.
    """
    _require_root("start")
    layout = Layout.of(data)
    with ownership.one_command(progress):
        if lacking := binaries.missing(tools):
            raise ClusterError("the local cluster cannot start, these are missing:\n  " + "\n  ".join(lacking))
        if abandoned := ownership.claim(layout):
            progress(f"clearing what a cluster of {abandoned.data.parent} left behind")
            teardown.clear(abandoned)
        Startup(layout, tools, registry, progress).run()
    return ClusterInfo(kubeconfig=layout.kubeconfig)


def stop(data: Path, progress: Progress, wipe: bool = False) -> None:
    """Stop the cluster of ``data`` and remove all it set up on the machine; harmless when nothing runs.

    The data folder keeps etcd, images and certificates for the next start, unless ``wipe``.
    """
    _require_root("stop")
    layout = Layout.of(data)
    with ownership.one_command(progress):
        teardown.stop(layout, progress)
        ownership.release(layout)
        if wipe:
            progress("deleting the cluster's data")
            mounts.remove(layout.data)


def status(data: Path) -> ClusterStatus:
    """What runs of the cluster of ``data``, and what is wrong with it. Changes nothing."""
    layout = Layout.of(data)
    records = processes.load(layout.processes)
    pids = {name: record.pid if record.alive else None for name, record in records.items()}
    if not any(pids.values()):
        return ClusterStatus(state="stopped", kubeconfig=None, processes=pids)
    problems = [f"{name} is dead, see {layout.log(name)}" for name, pid in pids.items() if pid is None]
    # A pod that was ready is not for a moment when the kubelet comes back.
    if not problems and not processes.wait_until(health.dns_answers, 2.0):
        problems.append("the cluster's DNS does not answer")
    return ClusterStatus(
        state="degraded" if problems else "running",
        kubeconfig=layout.kubeconfig if pids.get("kube-apiserver") else None,
        processes=pids,
        problems=tuple(problems),
    )


def _require_root(what: str) -> None:
    if os.geteuid() != 0:
        raise ClusterError(
            f"the local cluster cannot {what}: it needs root, for containers, mounts and network rules. Run the "
            "command as root, or name the context of a cluster of yours in the stack's configuration"
        )
