"""From a section of the configuration to a pool. A cloud's SDK is imported only where one of its pools is asked for."""

import pulumi

from components.config import ExistingPool, KarpenterPool, NodePoolConfig
from components.errors import UserError
from components.gpu_node_pool.existing import ExistingNodePool
from components.gpu_node_pool.interface import NodePoolArgs
from components.gpu_node_pool.karpenter import KarpenterNodePool
from components.planning.pools import node_pool

# A component resource with a `plan`; complete when there can be nodes.
GpuNodePool = KarpenterNodePool | ExistingNodePool


def gpu_node_pool(
    name: str, stack: str, config: NodePoolConfig, opts: pulumi.ResourceOptions | None = None
) -> GpuNodePool:
    """The pool `name` of a stack, in the way that its section says."""
    match config:
        case KarpenterPool():
            return KarpenterNodePool(name, NodePoolArgs(config=config, plan=node_pool(stack, name, config)), opts)
        case ExistingPool():
            return ExistingNodePool(name, NodePoolArgs(config=config, plan=node_pool(stack, name, config)), opts)
        case _:
            raise UserError(f"model-serving:nodePools.{name}.provider: {config.provider} is not possible yet")
