"""Every rule with what keeps it, what breaks it, and what a preview does not know yet."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from policy.rule import Resource
from policy.rules import RULES

DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = f"registry.example.com/models/digits@{DIGEST}"
LABELS = {
    "app.kubernetes.io/part-of": "model-serving",
    "app.kubernetes.io/managed-by": "pulumi",
    "app.kubernetes.io/instance": "prod-digits",
}
CONTAINER: dict[str, Any] = {
    "name": "server",
    "image": IMAGE,
    "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
    "readinessProbe": {"httpGet": {}},
    "livenessProbe": {"httpGet": {}},
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}
POD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [CONTAINER],
}
GPU: dict[str, Any] = {"resources": {**CONTAINER["resources"], "limits": {"memory": "1Gi", "nvidia.com/gpu": "2"}}}
GPU_POD = {
    "nodeSelector": {"pool": "l4"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
    "containers": [CONTAINER | GPU],
}


class Unknown(Exception):
    """What Pulumi raises for a value that a preview does not know."""


class _Unknowing(Mapping[str, Any]):
    """A mapping with a value that is not known yet."""

    def __init__(self, values: Mapping[str, Any], key: str) -> None:
        self._values, self._key = values, key

    def __getitem__(self, key: str) -> Any:
        if key == self._key:
            raise Unknown(key)
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def unknowing(values: Any, *path: str | int) -> Any:
    """The same values, where the one at the path cannot be read."""
    key, *rest = path
    if not rest:
        return _Unknowing({**values, str(key): None}, str(key))
    if isinstance(values, list):
        return [unknowing(value, *rest) if place == key else value for place, value in enumerate(values)]
    return {**values, key: unknowing(values[key], *rest)}


def deployment(pod: Mapping[str, Any] | None = None, /, replicas: int = 2, **container: Any) -> Resource:
    spec = {**POD, "containers": [CONTAINER | container], **(pod or {})}
    properties = {
        "metadata": {"labels": LABELS},
        "spec": {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": {"spec": spec}},
    }
    return Resource(type="kubernetes:apps/v1:Deployment", name="digits-server", properties=properties)


def hidden(resource: Resource, *path: str | int) -> Resource:
    return Resource(type=resource.type, name=resource.name, properties=unknowing(resource.properties, *path))


def made(kind: str, **properties: Any) -> Resource:
    return Resource(type=kind, name="it", properties=properties)


def service(kind: str = "LoadBalancer", **annotations: str) -> Resource:
    metadata = {"name": "digits", "annotations": annotations}
    return made("kubernetes:core/v1:Service", metadata=metadata, spec={"type": kind})


def agent(component: str = "log-collector", kind: str = "DaemonSet", **container: Any) -> Resource:
    """What reads files of its node, as root."""
    pod = {"securityContext": {"runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}}}
    made = deployment(pod | {"volumes": [{"name": "pods", "hostPath": {"path": "/var/log/pods"}}]}, **container)
    labels = LABELS | {"app.kubernetes.io/component": component}
    return Resource(
        type=f"kubernetes:apps/v1:{kind}",
        name="logs-collector",
        properties={**made.properties, "metadata": {"labels": labels}},
    )


FIRST = ("spec", "template", "spec", "containers", 0)
BUDGET = made("kubernetes:policy/v1:PodDisruptionBudget", spec={"selector": {"matchLabels": LABELS}})
AUTOSCALER = made(
    "kubernetes:autoscaling/v2:HorizontalPodAutoscaler", metadata={"labels": LABELS}, spec={"maxReplicas": 5}
)
STACK = made("pulumi:pulumi:Stack", capacity={"total": {"costPerHour": {"max": 3.5}}})
SCALED_OBJECT = made(
    "kubernetes:keda.sh/v1alpha1:ScaledObject", metadata={"labels": LABELS}, spec={"maxReplicaCount": 4}
)
GKE = "gcp:container/nodePool:NodePool"


def karpenter(**asked: tuple[str, list[str]]) -> Resource:
    """A pool with an operator and values for `machines` and `regions`."""
    keys = {"machines": "node.kubernetes.io/instance-type", "regions": "topology.kubernetes.io/region"}
    requirements = [
        {"key": keys[name], "operator": operator, "values": values} for name, (operator, values) in asked.items()
    ]
    spec = {"template": {"spec": {"requirements": requirements}}}
    return made("kubernetes:karpenter.sh/v1:NodePool", spec=spec)


KARPENTER = karpenter(machines=("In", ["g6.xlarge"]), regions=("In", ["eu-west-1"]))


def docker(image: str) -> Resource:
    return made("docker:index/container:Container", name="digits-1", image=image)


def cron_job(**container: Any) -> Resource:
    template = {"template": {"spec": {**POD, "containers": [CONTAINER | container]}}}
    return made("kubernetes:batch/v1:CronJob", spec={"jobTemplate": {"spec": template}})


# Rule -> settings, what keeps it, what breaks it with a part of the message, and what it cannot know.
CASES: dict[str, tuple[dict[str, Any], list[Any], list[tuple[Any, str]], Any]] = {
    "image-by-digest": (
        {"releases": ["otel/collector:1.0.0"]},
        [
            deployment(),
            cron_job(),
            docker(IMAGE),
            service(),
            agent(image="otel/collector:1.0.0"),
            agent(image="localhost:5001/otel/collector:1.0.0"),
        ],
        [
            (agent(image="hotel/collector:1.0.0"), "hotel/collector:1.0.0 is not an image by digest"),
            (agent(image="otel/collector:1.0.1"), "otel/collector:1.0.1 is not an image by digest"),
            (deployment(image="digits:latest"), "container server: digits:latest is not an image by digest"),
            (deployment({"initContainers": [CONTAINER | {"image": "busybox"}]}), "busybox"),
            (cron_job(image="busybox"), "container server: busybox is not an image by digest"),
            (docker("busybox"), "container digits-1: busybox is not an image by digest"),
        ],
        hidden(deployment(), *FIRST, "image"),
    ),
    "image-from-allowed-registry": (
        {"registries": ["registry.example.com/models/"]},
        [deployment()],
        [
            (deployment(image="evil.example/digits"), "evil.example/digits comes from none of the allowed registries"),
            (deployment(image="registry.example.com/models-of-others/x"), "none of the allowed"),
            (docker("evil.example/digits"), "container digits-1: evil.example/digits comes from none"),
        ],
        hidden(deployment(), *FIRST, "image"),
    ),
    "pod-security-restricted": (
        {"nodeAgents": ["log-collector"]},
        [deployment(), agent()],
        [
            (agent("another"), "volume pods is a path of the node"),
            (agent("another"), "runAsUser is root"),
            (agent(kind="Deployment"), "runAsNonRoot is not true"),
            (agent(securityContext={"privileged": True}), "privileged is on"),
            (agent(securityContext={"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}), "are added"),
            (deployment({"hostNetwork": True}), "hostNetwork is on"),
            (deployment({"volumes": [{"name": "v", "hostPath": {}}]}), "volume v is a path of the node"),
            (deployment({"securityContext": {}}), "runAsNonRoot is not true"),
            (deployment({"securityContext": {}}), "seccompProfile is not RuntimeDefault"),
            (deployment(securityContext={"runAsUser": 0}), "runAsUser is root"),
            (deployment(securityContext={}), "allowPrivilegeEscalation is not false"),
            (deployment(securityContext={"privileged": True}), "privileged is on"),
            (deployment(securityContext={}), "capabilities are not dropped"),
            (deployment(securityContext={"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}), "are added"),
        ],
        hidden(deployment(), *FIRST, "securityContext"),
    ),
    "resources-set": (
        {},
        [deployment()],
        [
            (deployment(resources={"limits": {"memory": "1Gi"}}), "requests.cpu is not set"),
            (deployment(resources={"requests": {"cpu": "1", "memory": "1Gi"}}), "limits.memory is not set"),
        ],
        hidden(deployment(), *FIRST, "resources"),
    ),
    "probes-present": (
        {},
        [deployment(), made("kubernetes:batch/v1:Job", spec={"template": {"spec": {"containers": [CONTAINER]}}})],
        [
            (deployment(readinessProbe=None), "it has no readinessProbe"),
            (deployment(livenessProbe=None), "it has no livenessProbe"),
        ],
        hidden(deployment(), *FIRST, "readinessProbe"),
    ),
    "no-plaintext-secret": (
        {},
        [
            deployment(env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {}}}, {"name": "LEVEL", "value": "x"}]),
            made("kubernetes:core/v1:ConfigMap", data={"DB_PASSWORD_FILE": "/run/secrets/x", "URL": "http://db:80/"}),
        ],
        [
            (made("kubernetes:core/v1:ConfigMap", data={"DB_PASSWORD": "hunter2"}), "DB_PASSWORD looks like a secret"),
            (made("kubernetes:core/v1:ConfigMap", data={"URL": "postgres://u:hunter2@db/"}), "URL looks like a secret"),
            (deployment(env=[{"name": "API_KEY", "value": "hunter2"}]), "the value of API_KEY looks like a secret"),
        ],
        hidden(made("kubernetes:core/v1:ConfigMap", data={"A": "b"}), "data"),
    ),
    "labelled": (
        {"labels": ["app.kubernetes.io/instance"]},
        [deployment(), made("docker-build:index:Image", tags=[])],
        [(made("kubernetes:core/v1:Secret", metadata={"labels": {}}), "no label app.kubernetes.io/part-of and no")],
        hidden(deployment(), "metadata", "labels"),
    ),
    "no-public-load-balancer": (
        {"services": ["public"]},
        [
            service("ClusterIP"),
            service(**{"networking.gke.io/load-balancer-type": "Internal"}),
            made("kubernetes:core/v1:Service", metadata={"name": "public"}, spec={"type": "LoadBalancer"}),
        ],
        [(service(), "Service digits is a load balancer that the internet reaches")],
        hidden(service(), "spec", "type"),
    ),
    "gpus-on-gpu-pools": (
        {},
        [deployment(), deployment(GPU_POD)],
        [
            (deployment(**GPU), "ask for 2 GPUs and do not say on which pool"),
            (deployment({"nodeSelector": {"pool": "l4"}}, **GPU), "do not tolerate the taint"),
            (deployment({"tolerations": [{"key": "nvidia.com/gpu"}]}), "ask for no GPU"),
        ],
        hidden(deployment(**GPU), *FIRST, "resources"),
    ),
    "allowed-regions": (
        {"regions": ["europe-west1", "eu-central-1"]},
        [made(GKE, location="europe-west1"), made(GKE, location="europe-west1-b"), deployment()],
        [
            (made(GKE, location="europe-west10"), "europe-west10 is in none of the allowed regions"),
            (KARPENTER, "eu-west-1 is in none of the allowed regions"),
        ],
        hidden(made(GKE), "location"),
    ),
    "allowed-machine-types": (
        {"machineTypes": ["g2-standard-8"]},
        [made(GKE, nodeConfig={"machineType": "g2-standard-8"}), karpenter(machines=("In", ["g2-standard-8"]))],
        [
            (made(GKE, nodeConfig={"machineType": "a3-megagpu-8g"}), "a3-megagpu-8g is none of the allowed"),
            (made("aws:eks/nodeGroup:NodeGroup", instanceTypes=["p5.48xlarge"]), "p5.48xlarge"),
            (made("azure-native:containerservice:AgentPool", vmSize="Standard_NC24"), "Standard_NC24"),
            (KARPENTER, "g6.xlarge is none of the allowed"),
            (karpenter(), "names no machine types, so that any may come"),
            (karpenter(machines=("NotIn", ["g2-standard-8"])), "names no machine types, so that any may come"),
        ],
        hidden(made(GKE, nodeConfig={}), "nodeConfig", "machineType"),
    ),
    "available": (
        {"replicas": 2},
        [[deployment(), BUDGET]],
        [
            ([deployment(replicas=1), BUDGET], "Deployment digits-server has 1 replica, and at least 2 are asked for"),
            ([deployment()], "Deployment digits-server has no PodDisruptionBudget"),
            (
                [deployment(), made(BUDGET.type, spec={"selector": {"matchLabels": {"app": "other"}}})],
                "has no PodDisruptionBudget",
            ),
        ],
        [hidden(deployment(), "spec", "replicas"), BUDGET],
    ),
    "most-gpus": (
        {"gpus": 4},
        [[deployment(GPU_POD)], [deployment(replicas=50)]],
        [
            ([deployment(GPU_POD, replicas=3)], "may use 6 GPUs (digits-server 6), and 4 are allowed"),
            ([deployment(GPU_POD), AUTOSCALER], "may use 10 GPUs"),
            ([deployment(GPU_POD), SCALED_OBJECT], "may use 8 GPUs"),
            ([deployment(GPU_POD), made(SCALED_OBJECT.type, metadata={"labels": LABELS}, spec={})], "may use 200 GPUs"),
        ],
        [hidden(deployment(GPU_POD), "spec", "replicas")],
    ),
    "most-cost": (
        {"perHour": 4},
        [[STACK], [made("pulumi:pulumi:Stack")]],
        [
            ([made(STACK.type, capacity={"total": {"costPerHour": {"max": 4.2}}})], "may cost 4.2 per hour, and 4 are"),
            ([made(STACK.type, capacity={"total": {"costPerHour": 4.2}})], "may cost 4.2 per hour"),
        ],
        [hidden(STACK, "capacity")],
    ),
}
BY_NAME = {rule.name: rule for rule in RULES}


def test_every_rule_has_its_cases() -> None:
    assert list(CASES) == [rule.name for rule in RULES]


@pytest.mark.parametrize("name", CASES)
def test_what_keeps_it_is_not_reported(name: str) -> None:
    settings, keeping, _, _ = CASES[name]
    for looked_at in keeping:
        assert not list(BY_NAME[name].violations(looked_at, settings))


@pytest.mark.parametrize("name", CASES)
def test_what_breaks_it_is_reported_with_the_fix(name: str) -> None:
    settings, _, breaking, _ = CASES[name]
    rule = BY_NAME[name]
    for looked_at, message in breaking:
        told = list(rule.violations(looked_at, settings))
        assert any(message in line for line in told), told
        assert all(line.endswith(f" -> {rule.fix}") for line in told)


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_known_yet_is_not_taken_for_kept(name: str) -> None:
    settings, _, _, unknown = CASES[name]
    with pytest.raises(Unknown):
        list(BY_NAME[name].violations(unknown, settings))


@pytest.mark.parametrize("name", [rule.name for rule in RULES if rule.settings])
def test_without_settings_nothing_is_forbidden(name: str) -> None:
    """Of the rules that only a stack's own file fills; the others have a rule of their own."""
    if name not in ("labelled", "no-public-load-balancer", "image-by-digest", "pod-security-restricted"):
        for looked_at, _ in CASES[name][2]:
            assert not list(BY_NAME[name].violations(looked_at, {}))


def test_a_number_of_pulumis_is_shown_as_a_whole_one() -> None:
    [told] = BY_NAME["available"].violations([deployment(replicas=1), BUDGET], {"replicas": 2.0})
    assert "at least 2 are" in told
