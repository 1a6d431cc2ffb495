"""Nodes that somebody else takes care of."""

import pulumi

from components.config import ExistingPool
from components.gpu_node_pool.interface import NodePoolArgs
from components.planning.pools import NodePool


class ExistingNodePool(pulumi.ComponentResource):
    """Nothing is created: the pool is what the configuration says about it."""

    plan: NodePool

    def __init__(self, name: str, args: NodePoolArgs[ExistingPool], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:node-pool:ExistingNodePool", name, None, opts)
        self.plan = args.plan
        self.register_outputs({"plan": self.plan.told()})
