"""Kubernetes objects as plain dictionaries: what is asked of them in several places."""

import base64
from typing import Any, Final

from toolchain.plugin_base.values import UNKNOWN, Object, has_unknown

MISSING: Final = object()
"""Stands for 'no such field', which is not the same as a field that is null."""

_PREFIX: Final = "pulumi.com/"

_SERVER_METADATA: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)

_CLUSTER_SCOPED: Final = {
    "": {"ComponentStatus", "Namespace", "Node", "PersistentVolume"},
    "admissionregistration.k8s.io": {
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    },
    "apiextensions.k8s.io": {"CustomResourceDefinition"},
    "apiregistration.k8s.io": {"APIService"},
    "certificates.k8s.io": {"CertificateSigningRequest", "ClusterTrustBundle"},
    "flowcontrol.apiserver.k8s.io": {"FlowSchema", "PriorityLevelConfiguration"},
    "networking.k8s.io": {"IngressClass", "IPAddress", "ServiceCIDR"},
    "node.k8s.io": {"RuntimeClass"},
    "rbac.authorization.k8s.io": {"ClusterRole", "ClusterRoleBinding"},
    "resource.k8s.io": {"DeviceClass", "ResourceSlice"},
    "scheduling.k8s.io": {"PriorityClass"},
    "storage.k8s.io": {"CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"},
}
_BUILT_IN: Final = {
    "apps",
    "autoscaling",
    "batch",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "policy",
    *_CLUSTER_SCOPED,
}


def built_in_scope(group: str, kind: str) -> bool | None:
    """Whether objects of a kind live in a namespace, without asking the cluster; None for other people's kinds."""
    if group not in _BUILT_IN:
        return None
    return kind not in _CLUSTER_SCOPED.get(group, ())


def metadata(obj: Object) -> Object:
    """The object's metadata; empty where there is none or it is not known yet."""
    found = obj.get("metadata")
    return found if isinstance(found, dict) else {}


def name_of(obj: Object) -> str:
    """The object's name; empty where it has none or it is not known yet."""
    name = metadata(obj).get("name")
    return name if isinstance(name, str) else ""


def annotation(obj: Object, name: str) -> str:
    """The value of a `pulumi.com/` annotation, or an empty string."""
    annotations = metadata(obj).get("annotations")
    value = annotations.get(_PREFIX + name) if isinstance(annotations, dict) else None
    return value if isinstance(value, str) else ""


def annotate(obj: Object, name: str, value: str) -> None:
    """Set a `pulumi.com/` annotation, unless the place for it is not known yet."""
    found = obj["metadata"]
    if found is UNKNOWN or found.get("annotations") is UNKNOWN:
        return
    found["annotations"] = {**(found.get("annotations") or {}), _PREFIX + name: value}


def is_autonamed(obj: Object) -> bool:
    """Whether the object's name was made up, not given by the program."""
    return annotation(obj, "autonamed") == "true"


def is_core(obj: Object, kind: str) -> bool:
    """Whether the object is of a kind of the core API."""
    return obj.get("apiVersion") == "v1" and obj.get("kind") == kind


def pluck(obj: Any, *path: str, default: Any = None) -> Any:
    """The value at a path of keys, or `default`."""
    for key in path:
        if not isinstance(obj, dict) or key not in obj:
            return default
        obj = obj[key]
    return obj


def normalised(inputs: Object) -> Object:
    """Inputs in the form in which equal meanings are equal values.

    Nulls mean 'not set' and go, as do fields that only the server writes; a Secret's `stringData` becomes `data`,
    as the server will store it.
    """
    result = _without_nulls(inputs)
    for field in _SERVER_METADATA:
        metadata(result).pop(field, None)
    if is_core(result, "Secret"):
        texts = result.get("stringData")
        if isinstance(texts, dict) and not has_unknown(texts):
            del result["stringData"]
            encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
            if encoded:
                result["data"] = {**(result.get("data") or {}), **encoded}
    return result


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def drifted(inputs: Any, before: Any, now: Any) -> Any:
    """Inputs as somebody else's changes in the cluster have made them.

    Only what differs between two views of the live object is taken over, so a value that the server merely writes
    differently (`1024Mi` as `1Gi`) keeps the program's spelling, and fields the program never set stay out.

    Args:
        inputs: what the cluster was told.
        before: the live object as it was then, or `MISSING`.
        now: the live object, or `MISSING`.
    """
    if before == now and before is not MISSING:
        return inputs
    if isinstance(inputs, dict) and isinstance(now, dict):
        past = before if isinstance(before, dict) else {}
        found = {key: drifted(item, past.get(key, MISSING), now.get(key, MISSING)) for key, item in inputs.items()}
        return {key: item for key, item in found.items() if item is not MISSING}
    if isinstance(inputs, list) and isinstance(now, list):
        past = before if isinstance(before, list) else []
        kept = [
            drifted(item, past[i] if i < len(past) else MISSING, now[i]) for i, item in enumerate(inputs[: len(now)])
        ]
        return kept + now[max(len(inputs), len(past)) :]
    return now


def adopted(live: Object) -> Object:
    """Inputs for an object that the stack did not create: all that a program could have written."""
    result = {key: value for key, value in live.items() if key != "status"}
    result["metadata"] = {k: v for k, v in metadata(live).items() if k not in _SERVER_METADATA}
    annotations = dict(result["metadata"].get("annotations") or {})
    for key in ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration"):
        annotations.pop(key, None)
    result["metadata"].pop("annotations", None)
    if annotations:
        result["metadata"]["annotations"] = annotations
    return result
