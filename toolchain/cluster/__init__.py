"""A real single-node Kubernetes on this machine: etcd, the control plane, kubelet, kube-proxy, containerd, CoreDNS.

``start``, ``stop`` and ``status`` are functions of a data folder. Nothing outside it and ``/run/model-serving`` is
kept, and ``stop`` leaves neither process, mount, interface nor network rule behind.
"""

from toolchain.cluster.binaries import missing
from toolchain.cluster.errors import ClusterError
from toolchain.cluster.lifecycle import ClusterInfo, ClusterStatus, start, status, stop

__all__ = ["ClusterError", "ClusterInfo", "ClusterStatus", "missing", "start", "status", "stop"]
