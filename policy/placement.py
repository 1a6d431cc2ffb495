"""Rules for where things run, how they are reached, and how much of them there may be."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policy.rule import Properties, Resource, Rule, at, containers, pod_spec

_INTERNAL = {
    "networking.gke.io/load-balancer-type": "Internal",
    "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
    "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
    "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
}
# Where an autoscaler says how many pods it may make, and what KEDA takes where a ScaledObject does not.
_MOST = {"HorizontalPodAutoscaler": "maxReplicas", "ScaledObject": "maxReplicaCount"}
_KEDA_MOST = 100
_TEXTS = {"type": "array", "items": {"type": "string"}, "default": []}


def _no_public_load_balancer(resource: Resource, settings: Properties) -> Iterator[str]:
    if resource.type != "kubernetes:core/v1:Service" or at(resource.properties, "spec", "type") != "LoadBalancer":
        return
    annotations = at(resource.properties, "metadata", "annotations", default={})
    if any(str(annotations.get(key, "")).lower() == value.lower() for key, value in _INTERNAL.items()):
        return
    name = at(resource.properties, "metadata", "name", default=resource.name)
    if name not in settings["services"]:
        yield f"Service {name} is a load balancer that the internet reaches"


def _gpus_on_gpu_pools(resource: Resource, settings: Properties) -> Iterator[str]:
    """A pod that asks for GPUs says which nodes it means, and may go there; no other pod may take their place."""
    spec = pod_spec(resource)
    if spec is None:
        return
    asked = sum(_gpus(container) for container in containers(spec))
    tolerated = [key for key in (at(t, "key", default="") for t in at(spec, "tolerations", default=())) if "gpu" in key]
    if asked and not (at(spec, "nodeSelector") or at(spec, "affinity", "nodeAffinity")):
        yield f"its pods ask for {asked} GPUs and do not say on which pool"
    if asked and not tolerated:
        yield f"its pods ask for {asked} GPUs and do not tolerate the taint of GPU nodes"
    if tolerated and not asked:
        yield f"its pods tolerate {', '.join(tolerated)} and ask for no GPU: they would take the place of those that do"


def _gpus(container: Properties) -> int:
    limits = at(container, "resources", "limits", default={})
    return sum(int(limits[name]) for name in limits if name.partition("/")[0].endswith(("nvidia.com", "amd.com")))


# Where each cloud's node pools say region and machine types. Those of EKS and AKS are where their cluster is.
_REGIONS = {"gcp:container/nodePool:NodePool": ("location",)}
_MACHINES = {
    "gcp:container/nodePool:NodePool": ("nodeConfig", "machineType"),
    "aws:eks/nodeGroup:NodeGroup": ("instanceTypes",),
    "azure-native:containerservice:AgentPool": ("vmSize",),
}
_KARPENTER = "kubernetes:karpenter.sh/v1:NodePool"


def _places(resource: Resource, paths: Mapping[str, tuple[str, ...]], label: str) -> list[str]:
    if path := paths.get(resource.type):
        found = at(resource.properties, *path, default=())
        return [found] if isinstance(found, str) else list(found)
    if resource.type == _KARPENTER:
        asked = at(resource.properties, "spec", "template", "spec", "requirements", default=())
        # Any other operator leaves open which ones come.
        ours = (entry for entry in asked if entry["key"] == label and entry["operator"] == "In")
        return [value for entry in ours for value in at(entry, "values", default=())]
    return []


def _allowed_regions(resource: Resource, settings: Properties) -> Iterator[str]:
    allowed = tuple(settings["regions"])
    for place in _places(resource, _REGIONS, "topology.kubernetes.io/region") if allowed else ():
        # A zone is its region's name and a suffix.
        if not any(place == region or place.startswith(f"{region}-") for region in allowed):
            yield f"{place} is in none of the allowed regions: {', '.join(allowed)}"


def _allowed_machines(resource: Resource, settings: Properties) -> Iterator[str]:
    allowed = settings["machineTypes"]
    if not allowed:
        return
    machines = _places(resource, _MACHINES, "node.kubernetes.io/instance-type")
    if resource.type == _KARPENTER and not machines:
        yield f"NodePool {resource.name} names no machine types, so that any may come"
    for machine in machines:
        if machine not in allowed:
            yield f"{machine} is none of the allowed machine types: {', '.join(allowed)}"


def _available(resources: Sequence[Resource], settings: Properties) -> Iterator[str]:
    least = settings["replicas"]
    budgets = [
        at(resource.properties, "spec", "selector", "matchLabels", default={})
        for resource in resources
        if resource.type == "kubernetes:policy/v1:PodDisruptionBudget"
    ]
    for deployment in resources:
        if deployment.type != "kubernetes:apps/v1:Deployment" or least < 2:
            continue
        replicas = at(deployment.properties, "spec", "replicas", default=1)
        if replicas < least:
            have = _count(replicas, "replica")
            yield f"Deployment {deployment.name} has {have}, and at least {least:g} are asked for"
        labels = at(deployment.properties, "spec", "selector", "matchLabels", default={})
        if not any(budget and budget.items() <= labels.items() for budget in budgets):
            yield f"Deployment {deployment.name} has no PodDisruptionBudget"


def _most_gpus(resources: Sequence[Resource], settings: Properties) -> Iterator[str]:
    most = settings["gpus"]
    if most is None:
        return
    counted: dict[str, int] = {}
    for resource in resources:
        spec = pod_spec(resource)
        each = sum(_gpus(container) for container in containers(spec)) if spec else 0
        if each:
            counted[resource.name] = each * _most_replicas(resource, resources)
    if (total := sum(counted.values())) > most:
        parts = " + ".join(f"{name} {count}" for name, count in counted.items())
        yield f"the stack may use {_count(total, 'GPU')} ({parts}), and {most:g} are allowed"


def _most_replicas(resource: Resource, resources: Sequence[Resource]) -> int:
    """Under an autoscaler its maximum. Autoscaler and Deployment are found by the labels that they share."""
    labels = at(resource.properties, "metadata", "labels", default={})
    instance = at(labels, "app.kubernetes.io/instance")
    for other in resources:
        theirs = at(other.properties, "metadata", "labels", "app.kubernetes.io/instance")
        if other.kind in _MOST and instance is not None and theirs == instance:
            return int(at(other.properties, "spec", _MOST[other.kind], default=_KEDA_MOST))
    return int(at(resource.properties, "spec", "replicas", default=1))


def _most_cost(resources: Sequence[Resource], settings: Properties) -> Iterator[str]:
    """The costs are the stack output `capacity`, which rests on the price table of the stack's own file."""
    most = settings["perHour"]
    for stack in (resource for resource in resources if resource.type == "pulumi:pulumi:Stack"):
        cost: Any = at(stack.properties, "capacity", "total", "costPerHour")
        cost = at(cost, "max") if isinstance(cost, Mapping) else cost  # a range under autoscalers
        if most is not None and cost is not None and float(cost) > most:
            yield f"the stack may cost {cost} per hour, and {most:g} are allowed"


def _count(number: int, noun: str) -> str:
    return f"{number:g} {noun}" + ("" if number == 1 else "s")


RULES = (
    Rule(
        name="no-public-load-balancer",
        description="No Service is a load balancer on the internet, unless it is named.",
        fix="make it internal by the cloud's annotation, or name it in the rule's settings",
        check=_no_public_load_balancer,
        settings={"services": {**_TEXTS, "description": "names of Services that may be public"}},
    ),
    Rule(
        name="gpus-on-gpu-pools",
        description="Pods that ask for GPUs name a pool of GPU nodes, and no other pods go there.",
        fix="give the model a nodePool",
        check=_gpus_on_gpu_pools,
    ),
    Rule(
        name="allowed-regions",
        description="Node pools that say a region (of GKE, and of Karpenter where they ask for one) are in the allowed "
        "ones; in any, where none is listed. Those of EKS and AKS are where their cluster is.",
        fix="choose an allowed region, or list this one in the rule's settings",
        check=_allowed_regions,
        settings={"regions": {**_TEXTS, "description": "regions, such as europe-west1"}},
    ),
    Rule(
        name="allowed-machine-types",
        description="Node pools are made of the allowed machine types; of any, where none is listed.",
        fix="choose allowed machine types for the pool (machineTypes), or list more in the rule's settings",
        check=_allowed_machines,
        settings={"machineTypes": {**_TEXTS, "description": "machine types, such as g2-standard-8"}},
    ),
    Rule(
        name="available",
        description="Deployments have replicas and a PodDisruptionBudget, where the settings ask for two or more.",
        fix="raise replicas of the model",
        check=_available,
        of_stack=True,
        settings={
            "replicas": {"type": "integer", "minimum": 1, "default": 1, "description": "least number of replicas"}
        },
    ),
    Rule(
        name="most-gpus",
        description="A stack uses no more GPUs than allowed, at the most replicas that its autoscalers may make.",
        fix="lower replicas or gpus of a model, or raise the rule's setting",
        check=_most_gpus,
        of_stack=True,
        settings={"gpus": {"type": ["integer", "null"], "default": None, "description": "GPUs; null: any number"}},
    ),
    Rule(
        name="most-cost",
        description="A stack costs no more per hour than allowed, as far as its price table tells.",
        fix="lower replicas or gpus of a model, or raise the rule's setting",
        check=_most_cost,
        of_stack=True,
        settings={
            "perHour": {
                "type": ["number", "null"],
                "default": None,
                "description": "in the currency of the stack's price table; null: any amount",
            }
        },
    ),
)
