"""All parts of a local stack."""

from collections.abc import Collection

from toolchain.errors import ToolchainError
from toolchain.parts.addons import karpenter, kwok, metrics_server
from toolchain.parts.docker import docker_compose, docker_engine
from toolchain.parts.engine import engine_parts
from toolchain.parts.helm import helm
from toolchain.parts.images import base, buildkit, buildx, log_collector, registry
from toolchain.parts.linters import actionlint
from toolchain.parts.model import Part
from toolchain.parts.monitoring import (
    alertmanager,
    kube_state_metrics,
    node_exporter,
    prometheus,
    prometheus_adapter,
    prometheus_operator,
)
from toolchain.parts.node import container_runtime, coredns, etcd, kind, kubernetes, pause
from toolchain.parts.scanners import osv_scanner
from toolchain.parts.supply_chain import cosign, oras, syft


def node_parts() -> list[Part]:
    """What the local registry, builder and cluster are made of, the longest builds first."""
    return [kubernetes(), buildkit(), buildx(), registry(), coredns(), etcd(), pause(), container_runtime(), base()]


def docker_parts() -> list[Part]:
    """What the local builder and cluster are made of where a Docker Engine runs them."""
    return [kind(), buildx()]


def addons() -> dict[str, tuple[Part, ...]]:
    """What only some stacks need, by the name to ask for it."""
    return {
        "actionlint": (actionlint(),),
        "osv-scanner": (osv_scanner(),),
        "helm": (helm(),),
        "cosign": (cosign(),),
        "oras": (oras(),),
        "syft": (syft(),),
        "metrics-server": (metrics_server(),),
        "kwok": (kwok(),),
        # Its nodes and their pods are simulated.
        "karpenter": (karpenter(), kwok()),
        # promtool and amtool, with the servers whose files they check.
        "prometheus": (prometheus(), alertmanager()),
        "monitoring": (prometheus_operator(), kube_state_metrics(), prometheus(), alertmanager(), node_exporter()),
        "prometheus-adapter": (prometheus_adapter(),),
        "docker": (docker_engine(), docker_compose()),
        "log-collector": (log_collector(),),
    }


def addon_parts(names: Collection[str]) -> list[Part]:
    """The parts of the add-ons of these names, each once. Raises ToolchainError for a name that is none of them."""
    known = addons()
    if strange := [name for name in names if name not in known]:
        raise ToolchainError("add-ons", f"there is no {', '.join(strange)}", f"It can be: {', '.join(known)}.")
    return list({part.name: part for name in names for part in known[name]}.values())


__all__ = [
    "addon_parts",
    "addons",
    "base",
    "buildkit",
    "buildx",
    "docker_parts",
    "engine_parts",
    "node_parts",
    "registry",
]
