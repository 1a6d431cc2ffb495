"""Rules for pods and what they are made of."""

import re
from collections.abc import Iterator

from policy.rule import Properties, Resource, Rule, at, containers, images, pod_spec

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_LABELS = tuple(f"app.kubernetes.io/{name}" for name in ("part-of", "managed-by"))
_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|://[^/\s:@]+:[^/\s@]+@")

# What the program itself deploys beside models, by the tags of components/planning.
_RELEASES = (
    "otel/opentelemetry-collector-contrib:0.142.0",
    "kube-state-metrics/kube-state-metrics:v2.15.0",
    "prometheus/node-exporter:v1.9.0",
    "grafana/grafana:12.0.2",
    "kiwigrid/k8s-sidecar:1.30.3",
    "nvidia/k8s/dcgm-exporter:4.2.3-4.1.3-ubuntu22.04",
)


def _by_digest(resource: Resource, settings: Properties) -> Iterator[str]:
    for name, image in images(resource):
        # A mirror serves the same paths from another registry.
        released = f"/{image}".endswith(tuple(f"/{release}" for release in settings["releases"]))
        if not _DIGEST.search(image) and not released:
            yield f"container {name}: {image} is not an image by digest"


def _from_allowed_registries(resource: Resource, settings: Properties) -> Iterator[str]:
    allowed = tuple(f"{prefix.rstrip('/')}/" for prefix in settings["registries"])
    for name, image in images(resource) if allowed else ():
        if not image.startswith(allowed):
            yield (
                f"container {name}: {image} comes from none of the allowed registries: "
                f"{', '.join(settings['registries'])}"
            )


def _restricted(resource: Resource, settings: Properties) -> Iterator[str]:
    """Pod Security `restricted` (https://kubernetes.io/docs/concepts/security/pod-security-standards/)."""
    spec = pod_spec(resource)
    if spec is None:
        return
    pod = at(spec, "securityContext", default={})
    labels = at(resource.properties, "metadata", "labels", default={})
    # Files of the node are root's. Whoever reads them may be root, without any capability, and nothing else.
    agent = resource.kind == "DaemonSet" and at(labels, "app.kubernetes.io/component") in settings["nodeAgents"]
    yield from (f"{key} is on" for key in ("hostNetwork", "hostPID", "hostIPC") if at(spec, key))
    for volume in at(spec, "volumes", default=()):
        if "hostPath" in volume and not agent:
            yield f"volume {volume['name']} is a path of the node"
    for container in containers(spec):
        name, own = container["name"], at(container, "securityContext", default={})
        if at(own, "runAsNonRoot", default=at(pod, "runAsNonRoot")) is not True and not agent:
            yield f"container {name}: runAsNonRoot is not true"
        if at(own, "runAsUser", default=at(pod, "runAsUser", default=1)) == 0 and not agent:
            yield f"container {name}: runAsUser is root"
        if at(own, "allowPrivilegeEscalation") is not False:
            yield f"container {name}: allowPrivilegeEscalation is not false"
        if at(own, "privileged"):
            yield f"container {name}: privileged is on"
        if "ALL" not in at(own, "capabilities", "drop", default=()):
            yield f"container {name}: capabilities are not dropped"
        if set(at(own, "capabilities", "add", default=())) - {"NET_BIND_SERVICE"}:
            yield f"container {name}: capabilities are added"
        seccomp = at(own, "seccompProfile", "type", default=at(pod, "seccompProfile", "type"))
        if seccomp not in ("RuntimeDefault", "Localhost"):
            yield f"container {name}: seccompProfile is not RuntimeDefault"


def _resources_set(resource: Resource, settings: Properties) -> Iterator[str]:
    for container in containers(pod_spec(resource) or {}):
        for kind, amount in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
            if at(container, "resources", kind, amount) is None:
                yield f"container {container['name']}: {kind}.{amount} is not set"


def _probes(resource: Resource, settings: Properties) -> Iterator[str]:
    if resource.kind not in ("Job", "CronJob"):
        for container in containers(pod_spec(resource) or {}, with_init=False):
            for probe in ("readinessProbe", "livenessProbe"):
                if at(container, probe) is None:
                    yield f"container {container['name']}: it has no {probe}"


def _plaintext(resource: Resource, settings: Properties) -> Iterator[str]:
    if resource.type == "kubernetes:core/v1:ConfigMap":
        for name, value in at(resource.properties, "data", default={}).items():
            if _looks_secret(name, value):
                yield f"data.{name} looks like a secret"
    for container in containers(pod_spec(resource) or {}):
        for variable in at(container, "env", default=()):
            if _looks_secret(variable["name"], at(variable, "value", default="")):
                yield f"container {container['name']}: the value of {variable['name']} looks like a secret"


def _looks_secret(name: str, value: str) -> bool:
    # A path tells where a secret is, not what it is; a file's name may hold the word.
    named = _SECRET_NAME.search(name) and value and not value.startswith("/")
    return bool(named or _SECRET_VALUE.search(value))


def _labels(resource: Resource, settings: Properties) -> Iterator[str]:
    if resource.type.startswith("kubernetes:") and (metadata := at(resource.properties, "metadata")) is not None:
        wanted = (*_LABELS, *settings["labels"])
        if missing := [label for label in wanted if label not in at(metadata, "labels", default={})]:
            yield f"it has no label {' and no label '.join(missing)}"


RULES = (
    Rule(
        name="image-by-digest",
        description="Containers run images by digest: a tag can change under a running service.",
        fix="name the image as repository@sha256:<64 hex digits>",
        check=_by_digest,
        settings={
            "releases": {
                "type": "array",
                "items": {"type": "string"},
                "default": [*_RELEASES],
                "description": "images that may be named by a release's tag: the program's own defaults",
            }
        },
    ),
    Rule(
        name="image-from-allowed-registry",
        description="Images come from the allowed registries; from any, where none is listed.",
        fix="push the image to an allowed registry, or list its registry in the rule's settings",
        check=_from_allowed_registries,
        settings={
            "registries": {
                "type": "array",
                "items": {"type": "string"},
                "default": [],
                "description": "registries, with or without a path, such as registry.example.com/models",
            }
        },
    ),
    Rule(
        name="pod-security-restricted",
        description="Pods run under Pod Security level `restricted`.",
        fix="set the pod's and the containers' securityContext as level `restricted` asks",
        check=_restricted,
        settings={
            "nodeAgents": {
                "type": "array",
                "items": {"type": "string"},
                "default": ["log-collector", "node-metrics"],
                "description": "components (app.kubernetes.io/component) whose DaemonSets may be root and see paths of "
                "their node, under all other demands of the level",
            }
        },
    ),
    Rule(
        name="resources-set",
        description="Containers request CPU and memory, and have a memory limit.",
        fix="set resources of the model, or of modelDefaults",
        check=_resources_set,
    ),
    Rule(
        name="probes-present",
        description="Containers that serve have a readiness and a liveness probe.",
        fix="give the container probes (container.probes of a model with runtime image)",
        check=_probes,
    ),
    Rule(
        name="no-plaintext-secret",
        description="No ConfigMap and no variable holds what looks like a secret.",
        fix="put it under secrets, and its value into the stack by pulumi config set --secret",
        check=_plaintext,
    ),
    Rule(
        name="labelled",
        description="Kubernetes objects carry the labels that tell whose they are.",
        fix="add the labels to the object's metadata",
        check=_labels,
        settings={
            "labels": {
                "type": "array",
                "items": {"type": "string"},
                "default": [],
                "description": "labels beside app.kubernetes.io/part-of and managed-by, such as cost-center",
            }
        },
    ),
)
