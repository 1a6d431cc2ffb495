"""All parts of a local stack."""

from toolchain.parts.engine import engine_parts
from toolchain.parts.helm import helm
from toolchain.parts.images import base, buildkit, buildx, registry
from toolchain.parts.model import Part
from toolchain.parts.node import container_runtime, coredns, etcd, kind, kubernetes, pause


def node_parts() -> list[Part]:
    """What the local registry, builder and cluster are made of, the longest builds first."""
    return [kubernetes(), buildkit(), buildx(), registry(), coredns(), etcd(), pause(), container_runtime(), base()]


def docker_parts() -> list[Part]:
    """What the local builder and cluster are made of where a Docker Engine runs them."""
    return [kind(), buildx()]


def addons() -> dict[str, Part]:
    """What only some stacks need, by the name to ask for it."""
    return {"helm": helm()}


__all__ = ["addons", "base", "buildkit", "buildx", "docker_parts", "engine_parts", "node_parts", "registry"]
