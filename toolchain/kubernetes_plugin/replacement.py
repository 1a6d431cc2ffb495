"""Which fields can only be changed by making a new object.

Part is what the API server refuses to change, part is practice of the official plugin: a ConfigMap's or Secret's data
counts as immutable, because pods read it at their start and only a new name rolls them.
"""

from collections.abc import Sequence
from typing import Final

from toolchain.plugin_base.values import Object

from .naming import Kind
from .objects import MISSING, is_core

Path = tuple[str | int, ...]
Pattern = tuple[str, ...]
EACH: Final = "*"
"""In a pattern: any element of a list."""


def _fields(parent: str, names: str) -> tuple[Pattern, ...]:
    return tuple((*parent.split("."), name) for name in names.split())


_IDENTITY: Final = _fields("metadata", "name namespace")
_DATA: Final[tuple[Pattern, ...]] = (("data",), ("binaryData",))
_SECRET_DATA: Final[tuple[Pattern, ...]] = (("data",), ("stringData",))
_CONTAINER: Final = (
    "args command env image imagePullPolicy lifecycle livenessProbe ports readinessProbe resources securityContext "
    "stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir"
)

_IMMUTABLE: Final[dict[tuple[str, str], tuple[Pattern, ...]]] = {
    ("", "PersistentVolumeClaim"): _fields("spec", "accessModes selector storageClassName volumeName"),
    ("", "Pod"): (
        *_fields(
            "spec",
            "affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks hostAliases hostIPC "
            "hostNetwork hostPID hostname imagePullSecrets nodeName nodeSelector overhead preemptionPolicy priority "
            "priorityClassName readinessGates restartPolicy runtimeClassName schedulerName securityContext "
            "serviceAccount serviceAccountName shareProcessNamespace subdomain terminationGracePeriodSeconds volumes",
        ),
        *_fields(f"spec.containers.{EACH}", _CONTAINER),
        *_fields(f"spec.initContainers.{EACH}", _CONTAINER),
    ),
    ("", "ResourceQuota"): (("spec", "scopes"),),
    ("", "Secret"): (("type",),),
    ("", "Service"): (("spec", "clusterIP"),),
    ("apps", "DaemonSet"): (("spec", "selector"),),
    ("apps", "Deployment"): (("spec", "selector"),),
    ("apps", "StatefulSet"): _fields(
        "spec", "podManagementPolicy revisionHistoryLimit selector serviceName volumeClaimTemplates"
    ),
    ("batch", "Job"): _fields("spec", "completions parallelism selector template"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (("roleRef",),),
    ("rbac.authorization.k8s.io", "RoleBinding"): (("roleRef",),),
    ("storage.k8s.io", "StorageClass"): (("parameters",), ("provisioner",)),
}


def immutable_fields(
    inputs: Object, *, configmap_mutable: bool = False, secret_mutable: bool = False
) -> tuple[Pattern, ...]:
    """Patterns of the fields of this object that cannot change in place."""
    kind = Kind.of(inputs)
    patterns = _IDENTITY + _IMMUTABLE.get((kind.group, kind.kind), ())
    frozen = inputs.get("immutable") is True
    if is_core(inputs, "ConfigMap") and (frozen or not configmap_mutable):
        patterns += _DATA
    if is_core(inputs, "Secret") and (frozen or not secret_mutable):
        patterns += _SECRET_DATA
    return patterns


def touches(path: Path, value: object, patterns: Sequence[Pattern]) -> bool:
    """Whether a change at `path` changes a field that one of `patterns` names.

    Args:
        path: the changed place.
        value: the new value there; a whole object may be new, with an immutable field deep inside.
        patterns: as from `immutable_fields`.
    """
    return any(_touches(path, value, pattern) for pattern in patterns)


def _touches(path: Path, value: object, pattern: Pattern) -> bool:
    for step, wanted in zip(path, pattern, strict=False):
        if step != wanted and not (wanted == EACH and isinstance(step, int)):
            return False
    return _holds(value, pattern[len(path) :])


def _holds(value: object, pattern: Pattern) -> bool:
    if not pattern or value is MISSING:
        return True
    if pattern[0] == EACH:
        return isinstance(value, list) and any(_holds(item, pattern[1:]) for item in value)
    return isinstance(value, dict) and pattern[0] in value and _holds(value[pattern[0]], pattern[1:])
