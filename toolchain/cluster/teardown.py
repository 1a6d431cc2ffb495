"""Ending a cluster: processes, pods, mounts, network, control groups, and the few files outside its folders."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from toolchain.cluster import cgroups, mounts, network, processes
from toolchain.cluster.layout import Layout

_POD_SECONDS = 3.0
# The kubelet and containerd keep these outside the folders they are given, and no flag moves them.
_DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
_CONTAINER_LOGS = Path("/var/log/containers")
_POD_LOGS = Path("/var/log/pods")
_CNI_RESULTS = Path("/var/lib/cni/results")
_SHIM_SOCKETS = Path("/run/containerd/s")


def stop(layout: Layout, progress: Callable[[str], None]) -> None:
    """Stop the cluster in the order in which nothing restarts what was stopped, and remove what it set up."""
    records = processes.load(layout.processes)
    if not records and not layout.run.exists():
        progress("the local cluster is not running")
        return
    progress("stopping the pods")
    names = ("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    processes.terminate([records[name] for name in names if name in records], 3.0)
    _end(cgroups.pids, _POD_SECONDS)
    progress("stopping the control plane")
    # containerd with them: it has just seen its pods end, and cleaned up after them.
    processes.terminate([records[name] for name in ("kube-apiserver", "containerd") if name in records], 5.0)
    processes.terminate(records.values(), 5.0)  # etcd last: the API server writes until its end
    progress("removing mounts, interfaces and network rules")
    clear(layout)


def clear(layout: Layout) -> None:
    """Remove what a cluster whose processes are gone left on the machine; its data folder stays."""
    _end(lambda: _shims(layout) | cgroups.pids(), 0.5)
    sockets = _shim_sockets(layout)
    mounts.unmount(layout.run)
    network.tear_down(layout)
    cgroups.remove()
    for path in (*sockets, *_strays(layout)):
        path.unlink(missing_ok=True)
    for folder in (_DEVICE_PLUGINS, _CONTAINER_LOGS, _CNI_RESULTS, _SHIM_SOCKETS):
        _remove_if_empty(folder)
        if folder.parent != Path("/var/log"):
            _remove_if_empty(folder.parent)
    mounts.remove(layout.run)


def _end(pids: Callable[[], set[int]], grace_seconds: float) -> None:
    """SIGTERM, then SIGKILL, until ``pids`` names no process."""
    for number, patience in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        for pid in pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if processes.wait_until(lambda: not pids(), patience):
            return


def _shims(layout: Layout) -> set[int]:
    """The containerd shims that belong to this cluster's containerd, told by the address they report to."""
    address = str(layout.containerd_socket)
    return {
        pid for pid, argv in processes.running() if Path(argv[0]).name.startswith("containerd-shim") and address in argv
    }


def _shim_sockets(layout: Layout) -> list[Path]:
    """Sockets of shims that were killed: each shim's folder names its own."""
    found = []
    for address in layout.containerd_state.glob("io.containerd.runtime.v2.task/*/*/address"):
        found.append(Path(address.read_text().strip().removeprefix("unix://")))
    return [path for path in found if path.parent == _SHIM_SOCKETS]


def _strays(layout: Layout) -> Iterable[Path]:
    for link in _CONTAINER_LOGS.glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(layout.pod_logs):
            yield link
    if _POD_LOGS.is_symlink() and _POD_LOGS.readlink() == layout.pod_logs:
        yield _POD_LOGS
    for name in ("kubelet.sock", "kubelet_internal_checkpoint", "DEPRECATION"):
        yield _DEVICE_PLUGINS / name
    # One for each interface of a sandbox; the loopback's network has the same name everywhere.
    for sandbox in layout.containerd_state.glob("io.containerd.grpc.v1.cri/sandboxes/*"):
        yield from _CNI_RESULTS.glob(f"*-{sandbox.name}-*")


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
