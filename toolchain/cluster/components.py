"""The processes of the cluster: their command lines, and where each says that it is healthy."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from toolchain.cluster.binaries import find, search_path
from toolchain.cluster.layout import NODE_IP, NODE_NAME, SERVICE_CIDR, Layout
from toolchain.cluster.ports import Ports


@dataclass(frozen=True)
class Component:
    """One process: what to run, and how to see that it works."""

    name: str
    argv: tuple[str, ...]
    health: str
    """URL that answers 200, or the path of a socket that accepts."""
    reads: tuple[Path, ...] = ()
    """Configuration files that are read at start only."""
    stop_seconds: float = 5.0
    """How long it may take to end before it is killed."""

    def fingerprint(self) -> str:
        """Changes when a running process is no longer what a start would make: program, flags or configuration.

        The program counts by its file, not by its path: every checkout links the same one into a folder of its own.
        """
        program = Path(self.argv[0]).stat()
        identity = (program.st_size, program.st_mtime_ns, *self.argv[1:])
        digest = hashlib.sha256(repr(identity).encode())
        for path in self.reads:
            digest.update(path.read_bytes())
        return digest.hexdigest()


def environment(tools: Path, name: str) -> dict[str, str]:
    """What a component gets of the environment: PATH and, to pull images from elsewhere, containerd the proxy."""
    kept = {"PATH": search_path(tools), "HOME": "/root", "LANG": "C.UTF-8"}
    if name == "containerd":
        wanted = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
        kept |= {key: value for key, value in os.environ.items() if key.upper() in wanted}
    return kept


def components(layout: Layout, tools: Path, ports: Ports) -> dict[str, Component]:
    """All components by name, in the order in which they can start."""
    pki, conf, config = layout.pki, layout.kubeconfigs, layout.config

    def argv(program: str, **flags: object) -> tuple[str, ...]:
        return (str(find(program, tools)), *(f"--{flag.replace('_', '-')}={value}" for flag, value in flags.items()))

    def client(name: str) -> dict[str, object]:
        path = conf / f"{name}.conf"
        return {"kubeconfig": path, "authentication_kubeconfig": path, "authorization_kubeconfig": path}

    all_components = (
        Component(
            "containerd",
            argv("containerd", config=config / "containerd.toml"),
            str(layout.containerd_socket),
            (config / "containerd.toml",),
        ),
        Component(
            "etcd",
            argv(
                "etcd",
                name=NODE_NAME,
                data_dir=layout.home / "etcd",
                listen_client_urls=f"https://127.0.0.1:{ports.etcd}",
                advertise_client_urls=f"https://127.0.0.1:{ports.etcd}",
                listen_peer_urls=f"https://127.0.0.1:{ports.etcd_peer}",
                initial_advertise_peer_urls=f"https://127.0.0.1:{ports.etcd_peer}",
                initial_cluster=f"{NODE_NAME}=https://127.0.0.1:{ports.etcd_peer}",
                listen_metrics_urls=f"http://127.0.0.1:{ports.etcd_metrics}",
                client_cert_auth="true",
                trusted_ca_file=pki / "etcd/ca.crt",
                cert_file=pki / "etcd/server.crt",
                key_file=pki / "etcd/server.key",
                peer_client_cert_auth="true",
                peer_trusted_ca_file=pki / "etcd/ca.crt",
                peer_cert_file=pki / "etcd/peer.crt",
                peer_key_file=pki / "etcd/peer.key",
                # Alone, it has no network to be patient with: it elects itself sooner.
                heartbeat_interval=20,
                election_timeout=200,
                log_level="warn",
            ),
            f"http://127.0.0.1:{ports.etcd_metrics}/health",
        ),
        Component(
            "kube-apiserver",
            argv(
                "kube-apiserver",
                advertise_address=NODE_IP,  # what pods reach it by; people use 127.0.0.1
                secure_port=ports.apiserver,
                allow_privileged="true",  # whether a pod may be is for Pod Security to say
                authorization_mode="Node,RBAC",
                enable_admission_plugins="NodeRestriction",
                client_ca_file=pki / "ca.crt",
                tls_cert_file=pki / "apiserver.crt",
                tls_private_key_file=pki / "apiserver.key",
                etcd_servers=f"https://127.0.0.1:{ports.etcd}",
                etcd_cafile=pki / "etcd/ca.crt",
                etcd_certfile=pki / "apiserver-etcd-client.crt",
                etcd_keyfile=pki / "apiserver-etcd-client.key",
                kubelet_client_certificate=pki / "apiserver-kubelet-client.crt",
                kubelet_client_key=pki / "apiserver-kubelet-client.key",
                kubelet_preferred_address_types="InternalIP,Hostname",
                service_cluster_ip_range=SERVICE_CIDR,
                endpoint_reconciler_type="none",  # bootstrap.py says where it is
                service_account_issuer="https://kubernetes.default.svc.cluster.local",
                service_account_key_file=pki / "sa.pub",
                service_account_signing_key_file=pki / "sa.key",
                requestheader_client_ca_file=pki / "front-proxy-ca.crt",
                requestheader_allowed_names="front-proxy-client",
                requestheader_username_headers="X-Remote-User",
                requestheader_group_headers="X-Remote-Group",
                requestheader_extra_headers_prefix="X-Remote-Extra-",
                proxy_client_cert_file=pki / "front-proxy-client.crt",
                proxy_client_key_file=pki / "front-proxy-client.key",
            ),
            f"https://127.0.0.1:{ports.apiserver}/readyz",
        ),
        Component(
            "kube-controller-manager",
            argv(
                "kube-controller-manager",
                **client("controller-manager"),
                bind_address="127.0.0.1",
                secure_port=ports.controller_manager,
                leader_elect="false",
                use_service_account_credentials="true",
                client_ca_file=pki / "ca.crt",
                requestheader_client_ca_file=pki / "front-proxy-ca.crt",
                root_ca_file=pki / "ca.crt",
                cluster_signing_cert_file=pki / "ca.crt",
                cluster_signing_key_file=pki / "ca.key",
                service_account_private_key_file=pki / "sa.key",
                # Its forty controllers each fetch credentials at start: the default of 20 requests a second costs 4 s.
                kube_api_qps=500,
                kube_api_burst=1000,
                flex_volume_plugin_dir=layout.home / "volume-plugins",
            ),
            f"https://127.0.0.1:{ports.controller_manager}/healthz",
            (conf / "controller-manager.conf",),
        ),
        Component(
            "kube-scheduler",
            argv(
                "kube-scheduler",
                **client("scheduler"),
                bind_address="127.0.0.1",
                secure_port=ports.scheduler,
                leader_elect="false",
            ),
            f"https://127.0.0.1:{ports.scheduler}/healthz",
            (conf / "scheduler.conf",),
        ),
        Component(
            "kubelet",
            argv(
                "kubelet",
                config=config / "kubelet.yaml",
                kubeconfig=conf / "kubelet.conf",
                root_dir=layout.kubelet_root,
                cert_dir=layout.kubelet_root / "pki",
                hostname_override=NODE_NAME,
                node_ip=NODE_IP,
            ),
            f"http://127.0.0.1:{ports.kubelet_health}/healthz",
            (config / "kubelet.yaml", conf / "kubelet.conf"),
        ),
        Component(
            "kube-proxy",
            argv("kube-proxy", config=config / "kube-proxy.yaml"),
            f"http://127.0.0.1:{ports.proxy_health}/livez",
            (config / "kube-proxy.yaml", conf / "kube-proxy.conf"),
        ),
    )
    return {component.name: component for component in all_components}
