"""What a local stack needs on this machine, and which of the two kinds of cluster it gets."""

import functools
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from toolchain import cluster, network, paths, shell
from toolchain.parts import catalog
from toolchain.parts import install as installing
from toolchain.parts.base_image import DOCKER_HUB
from toolchain.parts.build import is_root
from toolchain.parts.model import Part
from toolchain.progress import Progress

Platform = Literal["docker", "node"]


@functools.cache
def platform() -> Platform:
    """ "docker": kind in the Docker Engine, where one with a network is at hand. "node": processes on this machine.

    What was started before is kept, so that a network that comes or goes does not change the cluster.
    """
    if kind_kubeconfig().exists():
        return "docker"
    if cluster.status(paths.data()).state != "stopped" or not docker_engine():
        return "node"
    return "docker" if sys.platform != "linux" or network.reachable(DOCKER_HUB) else "node"


def kind_kubeconfig() -> Path:
    """The kubeconfig of the kind cluster, which exists as long as the cluster does."""
    return paths.data() / "kind" / "kubeconfig"


def kubeconfig() -> Path | None:
    """The kubeconfig of the local cluster, None when it does not run."""
    if kind_kubeconfig().exists():
        return kind_kubeconfig()
    return cluster.status(paths.data()).kubeconfig


@functools.cache
def docker_engine() -> str:
    """Version of the Docker Engine that answers, empty without one."""
    return shell.output(["docker", "version", "--format", "{{.Server.Version}}"], timeout=5).strip()


def parts() -> Sequence[Part]:
    """The parts of a local stack on this machine."""
    own = catalog.node_parts() if platform() == "node" else catalog.docker_parts()
    return [*catalog.engine_parts(), *own]


def install(progress: Progress, addons: Collection[str] = ()) -> None:
    """Get every missing part, and those of ``addons``.

    Raises ToolchainError, before anything starts, with all that the machine lacks.
    """
    installing.install([*parts(), *catalog.addon_parts(addons)], progress, lacking_rights())


def install_addons(names: Collection[str], progress: Progress) -> None:
    """Get parts that only some stacks need. Raises ToolchainError, also for a name that is none of them."""
    installing.install(catalog.addon_parts(names), progress)


def prune(progress: Progress) -> None:
    """Delete what the cache folder has of other pins: versions before, and other checkouts' if they differ."""
    every = [*catalog.engine_parts(), *catalog.node_parts(), *catalog.docker_parts()]
    every += catalog.addon_parts(catalog.addons())
    for path in installing.prune(every):
        progress.say(f"deleted {path}")


def lacking_rights() -> list[str]:
    """What stands against a local cluster on this machine, a line each with what to do."""
    if platform() == "docker":
        return []
    if sys.platform != "linux":
        return ["a local cluster needs a Docker Engine on this system: start Docker Desktop"]
    if not is_root():
        return ["a local cluster without a Docker Engine needs root: run as root (sudo), or start Docker"]
    return []
