"""Nodes that Karpenter launches when pods wait for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource

from components.config import KarpenterPool
from components.config.sections.pools import DisruptionConfig
from components.gpu_node_pool.interface import NodePoolArgs
from components.planning.names import stack_labels
from components.planning.pools import NodePool


@dataclass(frozen=True, kw_only=True)
class _GpuLabels:
    """Labels by which the Karpenter of a cloud knows machines with GPUs, and how it spells the GPU's name."""

    name: str
    count: str
    upper_case: bool


_GPU_LABELS = {
    "karpenter.k8s.aws": _GpuLabels(
        name="karpenter.k8s.aws/instance-gpu-name", count="karpenter.k8s.aws/instance-gpu-count", upper_case=False
    ),
    "karpenter.azure.com": _GpuLabels(
        name="karpenter.azure.com/sku-gpu-name", count="karpenter.azure.com/sku-gpu-count", upper_case=True
    ),
}

_CAPACITY_TYPES = {"never": ["on-demand"], "preferred": ["spot", "on-demand"], "only": ["spot"]}


class KarpenterNodePool(pulumi.ComponentResource):
    """A NodePool of Karpenter, whose node class exists already: it holds what is the cloud's own, such as disks."""

    plan: NodePool

    def __init__(
        self, name: str, args: NodePoolArgs[KarpenterPool], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("model-serving:node-pool:KarpenterNodePool", name, None, opts)
        CustomResource(
            f"{name}-pool",
            api_version="karpenter.sh/v1",
            kind="NodePool",
            metadata={"labels": stack_labels()},
            spec=_spec(args.config, args.plan),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.plan = args.plan
        self.register_outputs({"plan": self.plan.told()})


def _spec(config: KarpenterPool, plan: NodePool) -> dict[str, Any]:
    disruption = config.disruption
    node: dict[str, Any] = {
        "nodeClassRef": config.node_class.model_dump(),
        "requirements": list(_requirements(config)),
        "taints": [taint.model_dump(exclude_defaults=True) | {"effect": taint.effect} for taint in plan.taints],
        "expireAfter": disruption.expire_after,
    }
    if disruption.termination_grace_period is not None:
        node["terminationGracePeriod"] = disruption.termination_grace_period
    return {
        "template": {"metadata": {"labels": plan.labels}, "spec": node},
        "disruption": _disruption(disruption),
        # Karpenter has no limit of nodes that it keeps; of the resource, nodes that are there have this much.
        "limits": {config.gpu.resource: str(config.most_nodes * config.gpu.per_node)},
    }


def _requirements(config: KarpenterPool) -> Iterator[dict[str, Any]]:
    yield _among("kubernetes.io/os", "linux")
    yield _among("kubernetes.io/arch", config.architecture)
    yield _among("karpenter.sh/capacity-type", *_CAPACITY_TYPES[config.spot])
    if config.machine_types:
        yield _among("node.kubernetes.io/instance-type", *config.machine_types)
    if labels := _GPU_LABELS.get(config.node_class.group):
        gpu = config.gpu.type.lower().removeprefix("nvidia-")
        yield _among(labels.name, gpu.upper() if labels.upper_case else gpu)
        yield _among(labels.count, str(config.gpu.count))
    for requirement in config.requirements:
        yield {
            "key": requirement.key,
            "operator": requirement.operator,
            **({"values": list(requirement.values)} if requirement.values else {}),
        }


def _among(key: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}


def _disruption(config: DisruptionConfig) -> dict[str, Any]:
    return {
        "consolidationPolicy": config.consolidation,
        "consolidateAfter": config.consolidate_after,
        "budgets": [
            budget.model_dump(exclude_none=True, exclude={"reasons"})
            | ({"reasons": list(budget.reasons)} if budget.reasons else {})
            for budget in config.budgets
        ],
    }
