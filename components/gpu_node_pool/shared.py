"""Nodes of another stack."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pydantic import ValidationError

from components.config import StackPool
from components.errors import UserError
from components.other_stack import told_by
from components.planning.pools import NodePool


class SharedNodePool(pulumi.ComponentResource):
    """Nothing is created: the pool is what another stack tells about it."""

    plan: NodePool

    def __init__(self, name: str, config: StackPool, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:node-pool:SharedNodePool", name, None, opts)
        told = told_by(config.stack, "nodePools", f"{name}-pool-stack")
        self.plan = told_pool(name, config, told, pulumi.get_stack())
        self.register_outputs({"plan": self.plan.told()})


def told_pool(name: str, config: StackPool, pools: Any, stack: str) -> NodePool:
    """The pool `name` of this `stack` in another stack's output.

    Raises:
        UserError: there is none, or it is not one.
    """
    where, wanted = f"model-serving:nodePools.{name}", config.pool or name
    if not isinstance(pools, Mapping) or not pools:
        raise UserError(
            f"{where}.stack: stack {config.stack} has no output nodePools with a pool in it; "
            "allowed: a stack of this program that has nodePools -> bring that stack up first, or name another one"
        )
    if wanted not in pools:
        raise UserError(
            f'{where}.pool: stack {config.stack} has no node pool "{wanted}"; allowed: {", ".join(sorted(pools))} '
            f"-> pulumi config set --path '{where}.pool' {min(pools)} --stack {stack}"
        )
    try:
        return NodePool.model_validate(pools[wanted])
    except ValidationError:
        raise UserError(
            f"{where}.pool: what stack {config.stack} tells of its node pool {wanted} is not understood "
            "-> bring both stacks up with the same version of this program"
        ) from None
