"""Where everything of the cluster lives, and the few constants its parts share."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

NODE_NAME = "local"
CLUSTER_NAME = "model-serving"
CLUSTER_DOMAIN = "cluster.local"

# The node lives on its own bridge, not on the host's network card: the address never changes when a laptop changes
# networks or has none, so certificates never have to follow it.
BRIDGE = "mserve0"
NODE_IP = "10.244.0.1"
POD_CIDR = "10.244.0.0/24"
SERVICE_CIDR = "10.96.0.0/16"
KUBERNETES_IP = "10.96.0.1"
DNS_IP = "10.96.0.10"

CGROUP = "model-serving"
RUN_ROOT = Path("/run/model-serving")


@dataclass(frozen=True)
class Layout:
    """The folders of one cluster.

    ``home`` is the data folder bind-mounted at a short path. Everything that Kubernetes and containerd are told is a
    path below ``home`` or ``run``: unix sockets may be 107 bytes long at most, overlayfs cannot mount a path with a
    colon or a comma, and the kubelet does not find its mounts again below a path with a space.
    """

    data: Path
    run: Path

    @classmethod
    def of(cls, data: Path) -> "Layout":
        """The layout of the cluster that keeps its data below ``data`` (which need not exist)."""
        folder = data.expanduser().resolve() / "cluster"
        return cls(data=folder, run=RUN_ROOT / hashlib.sha256(bytes(folder)).hexdigest()[:8])

    @property
    def home(self) -> Path:
        return self.run / "data"

    @property
    def pki(self) -> Path:
        return self.home / "pki"

    @property
    def kubeconfigs(self) -> Path:
        return self.home / "kubeconfigs"

    @property
    def config(self) -> Path:
        return self.home / "config"

    @property
    def kubelet_root(self) -> Path:
        return self.home / "kubelet"

    @property
    def pod_logs(self) -> Path:
        return self.home / "pod-logs"

    @property
    def containerd_socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def containerd_state(self) -> Path:
        return self.run / "containerd"

    @property
    def processes(self) -> Path:
        return self.run / "processes.json"

    @property
    def sysctls(self) -> Path:
        return self.run / "sysctls.json"

    @property
    def kubeconfig(self) -> Path:
        """The user's kubeconfig, with admin rights."""
        return self.data / "kubeconfig"

    @property
    def ports(self) -> Path:
        return self.data / "ports.json"

    def log(self, component: str) -> Path:
        return self.data / "logs" / f"{component}.log"
