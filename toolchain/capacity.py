"""Whether a live cluster has room for what a preview plans: on any node, or on those of a pool that is there already.

The plan is the engine's event log, so that what is counted are the objects themselves. The program never looks at the
cluster: its plan is the same on every machine.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.planning import names
from components.planning.capacity import Demand, NodeShape, PodRequest, pack
from components.planning.quantities import millicores, whole_bytes
from toolchain.kube import Kube

_DEPLOYMENT = "kubernetes:apps/v1:Deployment"
# How many pods the autoscalers of models may make.
_MOST = {
    "kubernetes:autoscaling/v2:HorizontalPodAutoscaler": "maxReplicas",
    "kubernetes:keda.sh/v1alpha1:ScaledObject": "maxReplicaCount",
}
_MODELS = (names.COMPONENT, names.CANARY_COMPONENT)
# Of pods that are at work or will be.
_ACTIVE = "status.phase!=Succeeded,status.phase!=Failed"


def planned(event_log: Path) -> list[dict[str, Any]]:
    """Type and inputs of every resource that there will be after the previewed update, and what that does to it."""
    resources: dict[str, dict[str, Any]] = {}
    for line in event_log.read_text().splitlines():
        step = json.loads(line).get("resourcePreEvent", {}).get("metadata", {})
        if new := step.get("new"):
            resources[step["urn"]] = {"op": step["op"], "type": new["type"], "inputs": new.get("inputs") or {}}
    return list(resources.values())


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where pods may run: nodes with these labels, and taints that the pods tolerate; without labels, any node.

    `resources` are what of a node is counted as GPUs, by the names of Kubernetes' extended resources.
    """

    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    tolerated: frozenset[tuple[str, str]] = frozenset()
    resources: frozenset[str] = frozenset()

    def takes(self, node: Mapping[str, Any]) -> bool:
        """Whether a pod that is bound to here may come to a node."""
        spec = node["spec"]
        repelled = {(taint["key"], taint["effect"]) for taint in spec.get("taints", [])} - self.tolerated
        labels = node["metadata"].get("labels") or {}
        return (
            self.labels.items() <= labels.items()
            and not spec.get("unschedulable")
            and all(effect == "PreferNoSchedule" for _, effect in repelled)
        )


ANYWHERE = Place()


def place_of(resources: Iterable[Mapping[str, Any]], labels: Mapping[str, str]) -> Place:
    """The place of the models' pods that choose nodes by these labels, from what the plan says of them."""
    specs = [_pod_spec(resource["inputs"]) for resource in _deployments(_of_models(resources), labels)]
    tolerations = (entry for spec in specs for entry in spec.get("tolerations") or ())
    return Place(
        labels=labels,
        tolerated=frozenset((entry.get("key", ""), entry.get("effect", "")) for entry in tolerations),
        resources=frozenset(name for spec in specs for name in _extended(spec)),
    )


def demands(resources: Iterable[Mapping[str, Any]], place: Place = ANYWHERE) -> list[Demand]:
    """What the models' Deployments ask for whose pods may run on any node, or only there; nothing if the update changes
    none.

    Those that it leaves as they are take their room, and no more.
    """
    ours = _of_models(resources)
    most = {_pods(r["inputs"]): r["inputs"]["spec"][_MOST[r["type"]]] for r in ours if r["type"] in _MOST}
    deployments = _deployments(ours, place.labels)
    if all(resource["op"] == "same" for resource in deployments):
        return []
    return [_demand(resource["inputs"], most, place, changed=resource["op"] != "same") for resource in deployments]


def _of_models(resources: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [resource for resource in resources if _pods(resource["inputs"])[1] in _MODELS]


def _deployments(resources: Iterable[Mapping[str, Any]], labels: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Those whose pods choose nodes by exactly these labels."""
    return [
        resource
        for resource in resources
        if resource["type"] == _DEPLOYMENT and (_pod_spec(resource["inputs"]).get("nodeSelector") or {}) == labels
    ]


def _pod_spec(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    return deployment["spec"]["template"]["spec"]


def _extended(pod: Mapping[str, Any]) -> list[str]:
    """Names of what a pod asks for beside processors and memory, such as nvidia.com/gpu."""
    limits = [(container.get("resources") or {}).get("limits") or {} for container in pod.get("containers", [])]
    return [name for amounts in limits for name in amounts if "/" in name]


def _demand(
    deployment: Mapping[str, Any], most: Mapping[tuple[str, str], int], place: Place, *, changed: bool
) -> Demand:
    spec = deployment["spec"]
    replicas = int(spec.get("replicas", 1))
    return Demand(
        model=_pods(deployment)[0],
        pod=request(_pod_spec(deployment), place.resources),
        least=replicas,
        most=int(most.get(_pods(deployment), replicas)),
        surge=int(spec["strategy"]["rollingUpdate"]["maxSurge"]) if changed else 0,
    )


def _pods(inputs: Mapping[str, Any]) -> tuple[str, str]:
    """Whose pods: the model's own, those of its canary, or what is no model at all."""
    labels = (inputs.get("metadata") or {}).get("labels") or {}
    return labels.get(names.NAME_LABEL, ""), labels.get(names.COMPONENT_LABEL, "")


def request(pod: Mapping[str, Any], resources: Collection[str] = ()) -> PodRequest:
    """What the scheduler reserves for a pod: its containers together, or more if an init container asks for more.

    GPUs are those of the named extended resources, which only containers have.
    """
    together = [_requests(container) for container in pod.get("containers", [])]
    before: list[tuple[int, int]] = []
    for container in pod.get("initContainers", []):
        # One that restarts stays beside the containers, and beside those that start after it.
        if container.get("restartPolicy") == "Always":
            together.append(_requests(container))
        else:
            before.append(_requests(container))
    cpu, memory = (sum(amounts) for amounts in zip(*together, strict=True)) if together else (0, 0)
    overhead = pod.get("overhead") or {}
    return PodRequest(
        cpu=max([cpu, *(amount for amount, _ in before)]) + millicores(overhead.get("cpu", "0")),
        memory=max([memory, *(amount for _, amount in before)]) + whole_bytes(overhead.get("memory", "0")),
        gpus=sum(
            int(amount)
            for container in pod.get("containers", [])
            for name, amount in ((container.get("resources") or {}).get("limits") or {}).items()
            if name in resources
        ),
    )


def _requests(container: Mapping[str, Any]) -> tuple[int, int]:
    requests = (container.get("resources") or {}).get("requests") or {}
    return millicores(str(requests.get("cpu", "0"))), whole_bytes(str(requests.get("memory", "0")))


@dataclass(frozen=True, kw_only=True)
class Live:
    """Nodes and pods of a cluster, as its API has them."""

    nodes: list[dict[str, Any]]
    pods: list[dict[str, Any]]


def live(kube: Kube) -> Live:
    """What there is now. Raises ToolchainError when the cluster may not be asked."""
    return Live(
        nodes=kube.get("/api/v1/nodes")["items"],
        pods=kube.get("/api/v1/pods", fieldSelector=_ACTIVE)["items"],
    )


def free(found: Live, stack: str, namespace: str, place: Place = ANYWHERE) -> list[NodeShape]:
    """What each node of a place, or that takes any pod, has left beside all pods but those of the stack's models."""
    room = {
        node["metadata"]["name"]: _shape(node["status"]["allocatable"], place.resources)
        for node in found.nodes
        if place.takes(node)
    }
    for pod in found.pods:
        node = pod["spec"].get("nodeName")
        if node in room and not _of_stack(pod, stack, namespace):
            room[node] = room[node].without(request(pod["spec"], place.resources), 1)
    return list(room.values())


def _shape(allocatable: Mapping[str, str], resources: Collection[str]) -> NodeShape:
    return NodeShape(
        cpu=millicores(allocatable["cpu"]),
        memory=whole_bytes(allocatable["memory"]),
        gpus=sum(int(allocatable.get(name, 0)) for name in resources),
        pods=int(allocatable["pods"]),
    )


def _of_stack(pod: Mapping[str, Any], stack: str, namespace: str) -> bool:
    labels = pod["metadata"].get("labels", {})
    return (
        pod["metadata"]["namespace"] == namespace
        and labels.get("app.kubernetes.io/part-of") == "model-serving"
        and labels.get("app.kubernetes.io/instance", "").startswith(f"{stack}-")
    )


def shortage(wanted: list[Demand], nodes: list[NodeShape]) -> str | None:
    """What does not fit, in one line; None if all does."""
    packing = pack(Counter(nodes).items(), [(demand.pod, demand.peak) for demand in wanted])
    lacking = [(demand, left) for demand, left in zip(wanted, packing.left, strict=True) if left]
    if not lacking:
        return None
    cpu, memory, gpus = (sum(getattr(node, of) or 0 for node in nodes) for of in ("cpu", "memory", "gpus"))
    there = f"free: {_amounts(cpu, memory, gpus)} on {len(nodes)} node{'s' * (len(nodes) != 1)}"
    return "; ".join([*(_lack(demand, left) for demand, left in lacking), there])


def _lack(demand: Demand, left: int) -> str:
    return (
        f"{demand.model}: {demand.most} replicas + {demand.peak - demand.most} of an update = {demand.peak} pods, "
        f"each {_amounts(demand.pod.cpu, demand.pod.memory, demand.pod.gpus)}, {left} without a node"
    )


def _amounts(cpu: int, memory: int, gpus: int) -> str:
    return f"cpu {cpu / 1000:g}, memory {memory / 2**30:.4g}Gi" + (f", GPUs {gpus}" if gpus else "")
