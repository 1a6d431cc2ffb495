"""From a section of the configuration to a pool. A cloud's SDK is imported only where one of its pools is asked for."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pulumi

from components.config import AksPool, EksPool, ExistingPool, GkePool, KarpenterPool, NodePoolConfig, StackPool
from components.errors import UserError
from components.gpu_node_pool.existing import ExistingNodePool
from components.gpu_node_pool.interface import NodePoolArgs
from components.gpu_node_pool.karpenter import KarpenterNodePool
from components.gpu_node_pool.shared import SharedNodePool
from components.planning.pools import node_pool

if TYPE_CHECKING:
    from components.gpu_node_pool.aks import AksNodePool
    from components.gpu_node_pool.eks import EksNodePool
    from components.gpu_node_pool.gke import GkeNodePool

    # A component resource with a `plan`; complete when there can be nodes.
    GpuNodePool = KarpenterNodePool | GkeNodePool | EksNodePool | AksNodePool | ExistingNodePool | SharedNodePool


def gpu_node_pool(
    name: str, stack: str, config: NodePoolConfig, opts: pulumi.ResourceOptions | None = None
) -> "GpuNodePool":
    """The pool `name` of a stack, in the way that its section says.

    Raises:
        UserError: the SDK of the pool's cloud is not installed, or another stack does not have the pool.
    """
    match config:
        case KarpenterPool():
            return KarpenterNodePool(name, NodePoolArgs(config=config, plan=node_pool(stack, name, config)), opts)
        case GkePool():
            with _sdk(name, "gke"):
                from components.gpu_node_pool.gke import GkeNodePool
            return GkeNodePool(name, NodePoolArgs(config=config, plan=node_pool(stack, name, config)), opts)
        case EksPool():
            with _sdk(name, "eks"):
                from components.gpu_node_pool.eks import EksNodePool
            return EksNodePool(name, NodePoolArgs(config=config, plan=node_pool(stack, name, config)), opts)
        case AksPool():
            with _sdk(name, "aks"):
                from components.gpu_node_pool.aks import AksNodePool
            return AksNodePool(name, NodePoolArgs(config=config, plan=node_pool(stack, name, config)), opts)
        case ExistingPool():
            return ExistingNodePool(name, NodePoolArgs(config=config, plan=node_pool(stack, name, config)), opts)
        case StackPool():
            return SharedNodePool(name, config, opts)


@contextmanager
def _sdk(pool: str, provider: str) -> Iterator[None]:
    """Around the import of a cloud's SDK: if it is missing, say so and how it is had."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package.startswith("pulumi_"):
            raise
        files = ["-r", "requirements.txt", "-r", f"requirements/{provider}.txt"]
        install = shlex.join([sys.executable, "-m", "pip", "install", *files])
        raise UserError(
            f"model-serving:nodePools.{pool}.provider: {provider} needs the Python package "
            f"{package.replace('_', '-')}, which is optional and not installed -> {install}"
        ) from None
