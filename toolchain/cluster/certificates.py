"""Certificates and kubeconfigs, made by kubeadm once and kept."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from toolchain.cluster.binaries import find
from toolchain.cluster.command import run
from toolchain.cluster.files import write, write_json
from toolchain.cluster.layout import CLUSTER_DOMAIN, CLUSTER_NAME, NODE_IP, NODE_NAME, SERVICE_CIDR, Layout

# A cluster on a developer's machine should not stop working on its first birthday.
_TEN_YEARS = "87600h"
_KUBECONFIGS = {  # our name: kubeadm's
    "admin": "super-admin",  # the one whose rights do not hang on a role binding
    "controller-manager": "controller-manager",
    "scheduler": "scheduler",
    "kubelet": "kubelet",
}


def ensure(layout: Layout, tools: Path, port: int) -> None:
    """Make what is missing: certificates, a kubeconfig for each component, and the user's kubeconfig.

    Certificates depend on fixed names and addresses only, so they stay. The kubeconfigs name the API server's ``port``
    and are made again when it changed.
    """
    server = f"https://127.0.0.1:{port}"
    made_for = layout.kubeconfigs / "server"
    names = [*_KUBECONFIGS, "kube-proxy"]
    current = made_for.exists() and made_for.read_text() == server
    if current and all((layout.kubeconfigs / f"{name}.conf").exists() for name in names):
        _write_user_kubeconfig(layout)
        return
    kubeadm = str(find("kubeadm", tools))
    settings = layout.config / "kubeadm.yaml"
    write(settings, _settings(layout, port, run([kubeadm, "version", "-o", "short"], what="kubeadm").strip()))
    # kubeadm keeps whatever is there already and valid, so an interrupted run goes on where it ended.
    run([kubeadm, "init", "phase", "certs", "all", "--config", str(settings)], what="certificates")
    scratch = layout.kubeconfigs / "kubeadm"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    phase = ["init", "phase", "kubeconfig", "all", "--config", str(settings), "--kubeconfig-dir", str(scratch)]
    run([kubeadm, *phase], what="kubeconfigs")
    for ours, theirs in _KUBECONFIGS.items():
        # Two of them name the node's own address; all our clients are on this machine.
        content = yaml.safe_load((scratch / f"{theirs}.conf").read_text())
        content["clusters"][0]["cluster"]["server"] = server
        write_json(layout.kubeconfigs / f"{ours}.conf", content)
    proxy = ["kubeconfig", "user", "--client-name", "system:kube-proxy", "--config", str(settings)]
    write(layout.kubeconfigs / "kube-proxy.conf", run([kubeadm, *proxy], what="kubeconfigs"))
    shutil.rmtree(scratch)
    _write_user_kubeconfig(layout)
    write(made_for, server)


def _settings(layout: Layout, port: int, version: str) -> str:
    validity = {"certificateValidityPeriod": _TEN_YEARS, "caCertificateValidityPeriod": _TEN_YEARS}
    api: dict[str, Any] = {"apiVersion": "kubeadm.k8s.io/v1beta4"}
    documents = (
        api
        | {
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": NODE_IP, "bindPort": port},
            "nodeRegistration": {"name": NODE_NAME, "criSocket": f"unix://{layout.containerd_socket}"},
        },
        api
        | validity
        | {
            "kind": "ClusterConfiguration",
            "kubernetesVersion": version,
            "clusterName": CLUSTER_NAME,
            "certificatesDir": str(layout.pki),
            "controlPlaneEndpoint": f"127.0.0.1:{port}",
            "encryptionAlgorithm": "ECDSA-P256",  # RSA keys would take seconds
            "networking": {"serviceSubnet": SERVICE_CIDR, "dnsDomain": CLUSTER_DOMAIN},
            "apiServer": {"certSANs": ["127.0.0.1", "localhost"]},
        },
    )
    return "---\n".join(yaml.safe_dump(document) for document in documents)


def _write_user_kubeconfig(layout: Layout) -> None:
    """The admin's kubeconfig with a context that says what it is, at a place the user is told."""
    content = yaml.safe_load((layout.kubeconfigs / "admin.conf").read_text())
    [context] = content["contexts"]
    context["name"] = content["current-context"] = CLUSTER_NAME
    write(layout.kubeconfig, yaml.safe_dump(content))
