"""TCP ports of the cluster's processes: the usual ones where free, else any; a restart keeps them."""

import socket
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from toolchain.cluster.files import read_json, write_json


@dataclass(frozen=True)
class Ports:
    """Every port a process of the cluster listens on."""

    apiserver: int = 6443
    etcd: int = 2379
    etcd_peer: int = 2380
    etcd_metrics: int = 2381
    kubelet: int = 10250
    kubelet_health: int = 10248
    controller_manager: int = 10257
    scheduler: int = 10259
    proxy_health: int = 10256
    proxy_metrics: int = 10249


_OWNERS = {  # port: the process that listens on it
    "apiserver": "kube-apiserver",
    "etcd": "etcd",
    "etcd_peer": "etcd",
    "etcd_metrics": "etcd",
    "kubelet": "kubelet",
    "kubelet_health": "kubelet",
    "controller_manager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
    "proxy_health": "kube-proxy",
    "proxy_metrics": "kube-proxy",
}


def choose(recorded: Path, living: Collection[str]) -> Ports:
    """The ports to use, written to ``recorded``.

    A recorded port is kept while its process is among the ``living`` ones, or while nobody else listens on it.
    """
    before = {**asdict(Ports()), **read_json(recorded, {})}
    chosen: dict[str, int] = {}
    for name in (field.name for field in fields(Ports)):
        port = before[name]
        if _OWNERS[name] not in living and (port in chosen.values() or not is_free(port)):
            port = any_free({*chosen.values(), *before.values()})
        chosen[name] = port
    write_json(recorded, chosen)
    return Ports(**chosen)


def load(recorded: Path) -> Ports:
    """The ports of the last start."""
    return Ports(**{**asdict(Ports()), **read_json(recorded, {})})


def is_free(port: int) -> bool:
    # On all addresses: a port that another process has on one address is of no use to us on another.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
            probe.listen()
        except OSError:
            return False
    return True


def any_free(taken: Collection[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("", 0))
            port = probe.getsockname()[1]
        if port not in taken:
            return port
