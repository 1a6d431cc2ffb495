"""Node pools as models see them: which nodes, what those keep pods away with, what they have, and how many there are.

Everything that a pod, a cloud's node pool and the arithmetic of capacity must agree on is derived here, once, from the
configuration. A pool is also what one stack tells another about (the stack output `nodePools`).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.planning.told import Told

if TYPE_CHECKING:
    import pulumi
    from pulumi_kubernetes.core.v1 import (
        NodeAffinityArgsDict,
        PodSpecArgsDict,
        ResourceRequirementsArgsDict,
        TolerationArgsDict,
    )

    from components.config import (
        AksPool,
        EksPool,
        ExistingPool,
        GkePool,
        GpuConfig,
        KarpenterPool,
        ModelConfig,
    )
    from components.config.sections.pools import AnyPool

    KnownPool = KarpenterPool | GkePool | EksPool | AksPool | ExistingPool
    CreatedPools = KarpenterPool | GkePool | EksPool | AksPool

# Of every node that is created here. The value is the name of the stack and of the pool.
POOL_LABEL = "model-serving/node-pool"
# "spot" or "on-demand", of nodes in pools that have both in node groups of their own.
CAPACITY_LABEL = "model-serving/capacity-type"
WHOLE_GPU = "nvidia.com/gpu"
# Keeps pods without a GPU off nodes that have some. GKE sets it too, with this value.
GPU_TAINT = "nvidia.com/gpu"
GPU_TAINT_VALUE = "present"
# Set by AKS on spot nodes.
AKS_SPOT_TAINT = "kubernetes.azure.com/scalesetpriority"
DO_NOT_DISRUPT = "karpenter.sh/do-not-disrupt"
MIG_LABEL = "nvidia.com/mig.config"
PLUGIN_CONFIG_LABEL = "nvidia.com/device-plugin.config"


class Taint(Told):
    """What keeps away pods that do not tolerate it."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"


class NodePool(Told):
    """What models and the arithmetic of capacity need to know of a pool.

    Attributes:
        node_selector: labels that only nodes of this pool have.
        labels: of nodes that are created here, `node_selector` among them; empty for existing nodes.
        taints: of the nodes.
        preferred: labels of the nodes to be taken first.
        gpu_type: as the configuration has it.
        gpu_resource: what pods ask for; None if nodes have no GPU.
        gpus_per_node: how much of `gpu_resource` a node has.
        machine_types: possible ones; empty if unknown.
        min_nodes, max_nodes: None where the program does not know.
        node_cpu, node_memory: what pods can have of a node, as Kubernetes' quantities; None if unknown.
        pod_annotations: of pods that run there.
    """

    provider: str
    node_selector: dict[str, str]
    labels: dict[str, str] = {}
    taints: tuple[Taint, ...] = ()
    preferred: dict[str, str] = {}
    gpu_type: str | None = None
    gpu_resource: str | None = None
    gpus_per_node: int = 0
    machine_types: tuple[str, ...] = ()
    min_nodes: int | None = None
    max_nodes: int | None = None
    node_cpu: str | None = None
    node_memory: str | None = None
    pod_annotations: dict[str, str] = {}


def node_pool(stack: str, name: str, config: "KnownPool") -> NodePool:
    """The pool that the configuration of a stack describes under `name`."""
    spot_of_aks = config.provider == "aks" and config.spot != "never"
    known = {
        "provider": config.provider,
        # On spot nodes only; what is tolerated need not be there.
        "taints": (*_taints(config), *((Taint(key=AKS_SPOT_TAINT, value="spot"),) if spot_of_aks else ())),
        "gpu_type": config.gpu.type if config.gpu else None,
        "gpu_resource": config.gpu.resource if config.gpu else None,
        "gpus_per_node": config.gpu.per_node if config.gpu else 0,
        "node_cpu": config.node_capacity.cpu if config.node_capacity else None,
        "node_memory": config.node_capacity.memory if config.node_capacity else None,
    }
    if config.provider == "existing":
        return NodePool(**known, node_selector=config.node_selector, max_nodes=config.max_nodes)
    selector = {POOL_LABEL: f"{stack}-{name}"}
    return NodePool(
        **known,
        node_selector=selector,
        labels={**config.labels, **_sharing_labels(config), **selector},
        preferred={CAPACITY_LABEL: "spot"} if config.provider != "karpenter" and config.spot == "preferred" else {},
        machine_types=_machine_types(config),
        min_nodes=0 if config.provider == "karpenter" else config.min_nodes,
        max_nodes=config.most_nodes,
        pod_annotations={DO_NOT_DISRUPT: "true"} if _undisturbed(config) else {},
    )


def gpus_of(config: "ModelConfig", pool: NodePool | None) -> int:
    """How much of its pool's GPU resource each pod of a model gets."""
    if pool is None or pool.gpu_resource is None:
        return 0
    return config.gpus or 1


def place(spec: "PodSpecArgsDict", pool: NodePool) -> "PodSpecArgsDict":
    """The pod with what brings it to the nodes of a pool."""
    affinity = spec.get("affinity")
    if pool.preferred and isinstance(affinity, dict):
        spec["affinity"] = {**affinity, "node_affinity": _preferring(pool.preferred)}
    spec["node_selector"] = pool.node_selector
    spec["tolerations"] = tolerations(pool)
    return spec


def tolerations(pool: NodePool) -> "list[pulumi.Input[TolerationArgsDict]]":
    """Of every taint of a pool, whatever its value, and of the GPU taint where there are GPUs.

    Clouds set the GPU taint by themselves, sometimes, and with values of their own.
    """
    tolerated = dict.fromkeys((taint.key, taint.effect) for taint in pool.taints)
    if pool.gpu_resource is not None:
        tolerated[(GPU_TAINT, "NoSchedule")] = None
    return [{"key": key, "operator": "Exists", "effect": effect} for key, effect in tolerated]


def with_gpus(
    resources: "ResourceRequirementsArgsDict", config: "ModelConfig", pool: NodePool | None
) -> "ResourceRequirementsArgsDict":
    """The resources of a container with its GPUs. Kubernetes takes the limit of such a resource as the request."""
    if pool is None or pool.gpu_resource is None:
        return resources
    amount = {pool.gpu_resource: str(gpus_of(config, pool))}
    limits = resources.get("limits")
    return {**resources, "limits": {**(limits if isinstance(limits, dict) else {}), **amount}}


def _taints(config: "AnyPool") -> tuple[Taint, ...]:
    given = tuple(Taint(key=taint.key, value=taint.value, effect=taint.effect) for taint in config.taints)
    if config.gpu is None or any(taint.key == GPU_TAINT for taint in given):
        return given
    return (*given, Taint(key=GPU_TAINT, value=GPU_TAINT_VALUE))


def _sharing_labels(config: "CreatedPools") -> dict[str, str]:
    """What tells NVIDIA's software on a node how to share its GPUs, where the cloud does not do so itself."""
    gpu = config.gpu
    if config.provider == "gke" and config.driver != "disabled":
        return {}
    plugin = plugin_config(gpu)
    return {
        # AKS splits the cards itself.
        **({MIG_LABEL: f"all-{gpu.mig.profile}"} if gpu.mig and config.provider != "aks" else {}),
        **({PLUGIN_CONFIG_LABEL: plugin} if plugin else {}),
    }


def plugin_config(gpu: "GpuConfig") -> str | None:
    """The name of the device plugin's configuration for nodes with such GPUs; None where the default is right."""
    if gpu.mig is not None:
        return "mig-single" if gpu.resource == WHOLE_GPU else "mig-mixed"
    if gpu.time_slicing is not None:
        return f"time-slices-{gpu.time_slicing}" + ("" if gpu.resource == WHOLE_GPU else "-shared")
    return None


def _machine_types(config: "CreatedPools") -> tuple[str, ...]:
    if config.provider == "karpenter" or config.provider == "eks":
        return config.machine_types
    return (config.machine_type,)


def _undisturbed(config: "CreatedPools") -> bool:
    """Whether Karpenter must leave the pods alone: they load for minutes, and reserved GPUs cost the same idle."""
    if config.provider != "karpenter":
        return False
    asked = config.disruption.do_not_disrupt
    return asked if asked is not None else config.spot == "never"


def _preferring(labels: Mapping[str, str]) -> "NodeAffinityArgsDict":
    return {
        "preferred_during_scheduling_ignored_during_execution": [
            {
                "weight": 100,
                "preference": {
                    "match_expressions": [
                        {"key": key, "operator": "In", "values": [value]} for key, value in labels.items()
                    ]
                },
            }
        ]
    }
