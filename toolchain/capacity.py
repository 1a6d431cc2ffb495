"""Whether a live cluster has room for what a preview plans, for models that are bound to no node pool.

The plan is the engine's event log, so that what is counted are the objects themselves. The program never looks at the
cluster: its plan is the same on every machine.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
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


def demands(resources: Iterable[Mapping[str, Any]]) -> list[Demand]:
    """What the models' Deployments ask for whose pods may run on any node; nothing if the update changes none.

    Those that it leaves as they are take their room, and no more.
    """
    ours = [resource for resource in resources if _pods(resource["inputs"])[1] in _MODELS]
    most = {_pods(r["inputs"]): r["inputs"]["spec"][_MOST[r["type"]]] for r in ours if r["type"] in _MOST}
    deployments = [
        resource
        for resource in ours
        if resource["type"] == _DEPLOYMENT and not resource["inputs"]["spec"]["template"]["spec"].get("nodeSelector")
    ]
    if all(resource["op"] == "same" for resource in deployments):
        return []
    return [_demand(resource["inputs"], most, changed=resource["op"] != "same") for resource in deployments]


def _demand(deployment: Mapping[str, Any], most: Mapping[tuple[str, str], int], *, changed: bool) -> Demand:
    spec = deployment["spec"]
    replicas = int(spec.get("replicas", 1))
    return Demand(
        model=_pods(deployment)[0],
        pod=request(spec["template"]["spec"]),
        least=replicas,
        most=int(most.get(_pods(deployment), replicas)),
        surge=int(spec["strategy"]["rollingUpdate"]["maxSurge"]) if changed else 0,
    )


def _pods(inputs: Mapping[str, Any]) -> tuple[str, str]:
    """Whose pods: the model's own, those of its canary, or what is no model at all."""
    labels = (inputs.get("metadata") or {}).get("labels") or {}
    return labels.get(names.NAME_LABEL, ""), labels.get(names.COMPONENT_LABEL, "")


def request(pod: Mapping[str, Any]) -> PodRequest:
    """What the scheduler reserves for a pod: its containers together, or more if an init container asks for more."""
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
    )


def _requests(container: Mapping[str, Any]) -> tuple[int, int]:
    requests = (container.get("resources") or {}).get("requests") or {}
    return millicores(str(requests.get("cpu", "0"))), whole_bytes(str(requests.get("memory", "0")))


def free(kube: Kube, stack: str, namespace: str) -> list[NodeShape]:
    """What each node that takes any pod has left beside all pods but those of the stack's models."""
    room = {
        node["metadata"]["name"]: NodeShape(
            cpu=millicores(node["status"]["allocatable"]["cpu"]),
            memory=whole_bytes(node["status"]["allocatable"]["memory"]),
            pods=int(node["status"]["allocatable"]["pods"]),
        )
        for node in kube.get("/api/v1/nodes")["items"]
        if _takes_any_pod(node)
    }
    for pod in kube.get("/api/v1/pods", fieldSelector=_ACTIVE)["items"]:
        node = pod["spec"].get("nodeName")
        if node in room and not _of_stack(pod, stack, namespace):
            room[node] = room[node].without(request(pod["spec"]), 1)
    return list(room.values())


def _takes_any_pod(node: Mapping[str, Any]) -> bool:
    repelled = {taint["effect"] for taint in node["spec"].get("taints", [])} - {"PreferNoSchedule"}
    return not node["spec"].get("unschedulable") and not repelled


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
    cpu, memory = sum(node.cpu or 0 for node in nodes), sum(node.memory or 0 for node in nodes)
    there = f"free: {_amounts(cpu, memory)} on {len(nodes)} node{'s' * (len(nodes) != 1)}"
    return "; ".join([*(_lack(demand, left) for demand, left in lacking), there])


def _lack(demand: Demand, left: int) -> str:
    return (
        f"{demand.model}: {demand.most} replicas + {demand.peak - demand.most} of an update = {demand.peak} pods, "
        f"each {_amounts(demand.pod.cpu, demand.pod.memory)}, {left} without a node"
    )


def _amounts(cpu: int, memory: int) -> str:
    return f"cpu {cpu / 1000:g}, memory {memory / 2**30:.4g}Gi"
