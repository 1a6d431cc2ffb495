"""The configuration files of containerd, the pod network, the kubelet and kube-proxy."""

import json
from ipaddress import ip_address
from pathlib import Path

from toolchain.cluster.binaries import cni_folder, find
from toolchain.cluster.errors import ClusterError
from toolchain.cluster.files import write, write_json
from toolchain.cluster.layout import (
    BRIDGE,
    CGROUP,
    CLUSTER_DOMAIN,
    CLUSTER_NAME,
    DNS_IP,
    NODE_IP,
    NODE_NAME,
    POD_CIDR,
    Layout,
)
from toolchain.cluster.ports import Ports

# systemd-resolved and dnsmasq put a loopback address into the first file, which means nothing inside a pod;
# systemd-resolved keeps the real servers in the second.
_RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def write_all(layout: Layout, tools: Path, ports: Ports, registry: str, sandbox_image: str) -> None:
    """Write every file; those that already say the same stay untouched."""
    write(layout.config / "containerd.toml", _containerd(layout, tools, sandbox_image))
    if registry:
        write(layout.config / "certs.d" / registry / "hosts.toml", registry_hosts(registry))
    write_json(layout.config / "cni" / "10-model-serving.conflist", _pod_network(layout))
    write_json(layout.config / "kubelet.yaml", _kubelet(layout, ports))
    write_json(layout.config / "kube-proxy.yaml", _kube_proxy(layout, ports))
    write(layout.config / "resolv.conf", resolvers())


def _containerd(layout: Layout, tools: Path, sandbox_image: str) -> str:
    plugins = cni_folder(tools)
    if plugins is None:
        raise ClusterError("containerd: no folder with the CNI plugins found (Debian: containernetworking-plugins)")
    quote = json.dumps  # a JSON string is a TOML string
    return f"""\
version = 2
root = {quote(str(layout.home / "containerd"))}
state = {quote(str(layout.containerd_state))}
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
address = {quote(str(layout.containerd_socket))}

[plugins."io.containerd.internal.v1.opt"]
path = {quote(str(layout.home / "opt"))}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = {quote(sandbox_image)}
netns_mounts_under_state_dir = true
# Lowering a process's OOM score needs CAP_SYS_RESOURCE, which not every root has; without it sandboxes die.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {quote(str(plugins))}
conf_dir = {quote(str(layout.config / "cni"))}

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = {quote(str(layout.config / "certs.d"))}

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
# runc by name: crun does not run on hybrid cgroups.
BinaryName = {quote(str(find("runc", tools)))}
Root = {quote(str(layout.run / "runc"))}
SystemdCgroup = false
"""


def registry_hosts(registry: str) -> str:
    """containerd's hosts.toml for a registry that speaks plain HTTP."""
    url = json.dumps(f"http://{registry}")
    return f'server = {url}\n\n[host.{url}]\ncapabilities = ["pull", "resolve"]\n'


def mirror_hosts(registry: str) -> str:
    """containerd's hosts.toml for Docker Hub, where a registry that speaks plain HTTP is asked first."""
    url = json.dumps(f"http://{registry}")
    return f'server = "https://registry-1.docker.io"\n\n[host.{url}]\ncapabilities = ["pull", "resolve"]\n'


def _pod_network(layout: Layout) -> dict[str, object]:
    return {
        "cniVersion": "1.0.0",
        "name": CLUSTER_NAME,
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": True,
                "hairpinMode": True,  # a pod reaches itself through its Service
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(layout.run / "addresses"),
                    "ranges": [[{"subnet": POD_CIDR, "gateway": NODE_IP}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }


def _kubelet(layout: Layout, ports: Ports) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_IP,
        "port": ports.kubelet,
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": ports.kubelet_health,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "clusterDNS": [DNS_IP],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": str(layout.config / "resolv.conf"),
        "maxPods": 110,
        "serializeImagePulls": False,
        "podLogsDir": str(layout.pod_logs),
        "volumePluginDir": str(layout.home / "volume-plugins"),
        "nodeStatusUpdateFrequency": "2s",
        "syncFrequency": "10s",
        # A developer's disk is often nearly full; only a really full one may cost pods or images.
        "imageGCHighThresholdPercent": 97,
        "imageGCLowThresholdPercent": 95,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
            "imagefs.inodesFree": "1%",
        },
        "evictionPressureTransitionPeriod": "10s",
        "logging": {"flushFrequency": "1s"},
    }


def _kube_proxy(layout: Layout, ports: Ports) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(layout.kubeconfigs / "kube-proxy.conf")},
        "hostnameOverride": NODE_NAME,
        "bindAddress": NODE_IP,
        "clusterCIDR": POD_CIDR,
        "healthzBindAddress": f"127.0.0.1:{ports.proxy_health}",
        "metricsBindAddress": f"127.0.0.1:{ports.proxy_metrics}",
        # What a developer deploys is for this machine, not for the network it happens to be in.
        "nodePortAddresses": ["127.0.0.0/8", f"{NODE_IP}/32"],
        # One node's few rules are cheap: let an endpoint's change reach them at once.
        "iptables": {"minSyncPeriod": "100ms", "syncPeriod": "30s", "localhostNodePorts": True},
        # The host's connection tracking is not ours to tune.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "oomScoreAdj": 0,
    }


def resolvers(candidates: tuple[Path, ...] = _RESOLVERS) -> str:
    """A resolv.conf with the host's name servers that a pod can reach; without a nameserver line when it has none."""
    for path in candidates:
        lines = path.read_text().splitlines() if path.exists() else []
        servers = [line for line in lines if line.startswith("nameserver") and not _loopback(line.split()[1])]
        if servers:
            return "\n".join([*servers, *(line for line in lines if line.startswith(("search", "options")))]) + "\n"
    return ""


def _loopback(server: str) -> bool:
    return ip_address(server.partition("%")[0]).is_loopback
