"""The desktop's local cluster: kind in Docker, macOS included, with a registry container beside it.

It follows kind's guide for a local registry (https://kind.sigs.k8s.io/docs/user/local-registry/): a registry container
published on the host's loopback address and joined to the ``kind`` network, and a hosts.toml on the node that leads the
registry's host name to that container.

Needs Docker and kind 0.30 or later, and a network to pull two images. What was checked where there is neither: the
commands, the cluster's configuration and the reading of answers, against stand-in programs that record what they are
told (tests/unit/cluster/test_kind.py). A real kind has not run this yet.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from toolchain.cluster.command import run
from toolchain.cluster.configuration import registry_hosts
from toolchain.cluster.errors import ClusterError
from toolchain.cluster.lifecycle import ClusterInfo, ClusterStatus

NAME = "model-serving"
# The default image of kind 0.30, for amd64 and arm64: https://github.com/kubernetes-sigs/kind/releases/tag/v0.30.0
NODE_IMAGE = "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a"
REGISTRY_IMAGE = "registry:3.0.0@sha256:6c5666b861f3505b116bb9aa9b25175e71210414bd010d92035ff64018f9457e"
# kind publishes only the ports it was told at creation. So few, all published, that any NodePort answers on 127.0.0.1.
NODE_PORTS = range(30000, 30032)

_NODE = f"{NAME}-control-plane"
_REGISTRY = f"{NAME}-registry"
_READY_SECONDS = 180

Progress = Callable[[str], None]


def unavailable() -> str | None:
    """Why kind cannot be used on this machine, in a few words; None when it can."""
    for program in ("docker", "kind"):
        if shutil.which(program) is None:
            return f"{program} is not on PATH"
    try:
        run(["docker", "info", "--format", "{{.ServerVersion}}"], what="Docker", timeout=20)
    except ClusterError as error:
        return str(error)
    return None


def exists() -> bool:
    """Whether there is a kind cluster of our name, running or not."""
    return NAME in run(["kind", "get", "clusters"], what="kind").splitlines()


def start(data: Path, registry: str, progress: Progress) -> ClusterInfo:
    """Create the cluster and its registry, or start what of them is there and stopped.

    ``registry`` ("localhost:5001") is where the registry is published; its images survive in a Docker volume. "" is
    for no registry.
    Raises ClusterError when Docker or kind is missing or fails.
    """
    if reason := unavailable():
        raise ClusterError(f"kind: {reason}")
    kubeconfig = _kubeconfig(data)
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    if registry:
        _start_registry(registry, progress)
    if not exists():
        progress(f"creating the kind cluster {NAME}")
        arguments = ["--name", NAME, "--image", NODE_IMAGE, "--kubeconfig", str(kubeconfig)]
        run(
            ["kind", "create", "cluster", *arguments, "--wait", f"{_READY_SECONDS}s", "--config", "-"],
            what="kind",
            stdin=json.dumps(configuration()),  # JSON is YAML
            timeout=_READY_SECONDS + 600,  # pulls the node's image, 400 MB
        )
    else:
        if not _running(_NODE):
            progress(f"starting the kind cluster {NAME}")
            run(["docker", "start", _NODE], what="kind")
        _wait_ready()
        run(["kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", str(kubeconfig)], what="kind")
    kubeconfig.chmod(0o600)
    if registry:
        _connect_registry(registry)
    return ClusterInfo(kubeconfig=kubeconfig)


def stop(data: Path, progress: Progress, wipe: bool = False) -> None:
    """Delete the cluster and the registry's container; ``wipe`` deletes the registry's images too."""
    kubeconfig = _kubeconfig(data)
    if exists():
        progress(f"deleting the kind cluster {NAME}")
        run(["kind", "delete", "cluster", "--name", NAME, "--kubeconfig", str(kubeconfig)], what="kind", timeout=300)
    kubeconfig.unlink(missing_ok=True)
    if _running(_REGISTRY) is not None:
        progress("removing the registry's container")
        run(["docker", "rm", "--force", _REGISTRY], what="registry")
    if wipe:
        run(["docker", "volume", "rm", "--force", _REGISTRY], what="registry")


def status(data: Path) -> ClusterStatus:
    """Whether the cluster's node and its registry run."""
    node, registry = _running(_NODE), _running(_REGISTRY)
    if not node:
        return ClusterStatus(state="stopped", kubeconfig=None)
    if registry is False:
        problem = f"the registry's container {_REGISTRY} is not running"
        return ClusterStatus(state="degraded", kubeconfig=_kubeconfig(data), problems=(problem,))
    return ClusterStatus(state="running", kubeconfig=_kubeconfig(data))


def configuration() -> dict[str, object]:
    """kind's configuration of the cluster: one node whose NodePorts answer on the host's loopback address."""
    port_range = f"{NODE_PORTS.start}-{NODE_PORTS.stop - 1}"
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [
            {
                "role": "control-plane",
                "extraPortMappings": [
                    {"containerPort": port, "hostPort": port, "listenAddress": "127.0.0.1"} for port in NODE_PORTS
                ],
            }
        ],
        "kubeadmConfigPatches": [
            f'kind: ClusterConfiguration\napiServer:\n  extraArgs:\n    service-node-port-range: "{port_range}"\n'
        ],
    }


def _kubeconfig(data: Path) -> Path:
    return data.expanduser().resolve() / "kind" / "kubeconfig"


def _running(container: str) -> bool | None:
    """Whether a container runs; None when there is none of that name."""
    # The filter takes a pattern: anchored, or it would find names that merely contain ours.
    listed = ["docker", "ps", "--all", "--filter", f"name=^{container}$", "--format", "{{.State}}"]
    state = run(listed, what="Docker").strip()
    return state == "running" if state else None


def _start_registry(registry: str, progress: Progress) -> None:
    running = _running(_REGISTRY)
    if running:
        return
    progress(f"starting the registry {registry}")
    if running is None:
        port = registry.rpartition(":")[2]
        published = ["--publish", f"127.0.0.1:{port}:5000", "--volume", f"{_REGISTRY}:/var/lib/registry"]
        options = ["--detach", "--restart", "unless-stopped", "--name", _REGISTRY, *published]
        try:
            run(["docker", "run", *options, REGISTRY_IMAGE], what="registry", timeout=600)
        except ClusterError as error:
            # A port that is taken leaves a container that never started, and would be taken for ours.
            run(["docker", "rm", "--force", _REGISTRY], what="registry")
            todo = "name another port in registry.repository of the stack file, or free this one"
            raise ClusterError(f"{error}\nIf the port is taken: {todo}") from None
    else:
        run(["docker", "start", _REGISTRY], what="registry")


def _connect_registry(registry: str) -> None:
    """Let the node pull from the registry by the name that it has on the host."""
    networks = json.loads(
        run(["docker", "inspect", "--format", "{{json .NetworkSettings.Networks}}", _REGISTRY], what="registry")
    )
    if "kind" not in networks:
        run(["docker", "network", "connect", "kind", _REGISTRY], what="registry")
    folder = f"/etc/containerd/certs.d/{registry}"
    run(["docker", "exec", _NODE, "mkdir", "-p", folder], what="registry")
    hosts = registry_hosts(f"{_REGISTRY}:5000")
    run(["docker", "exec", "-i", _NODE, "cp", "/dev/stdin", f"{folder}/hosts.toml"], what="registry", stdin=hosts)


def _wait_ready() -> None:
    kubectl = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"]
    wait = ["wait", "--for=condition=Ready", "node", "--all", f"--timeout={_READY_SECONDS}s"]
    run(["docker", "exec", _NODE, *kubectl, *wait], what="kind", timeout=_READY_SECONDS + 30)
