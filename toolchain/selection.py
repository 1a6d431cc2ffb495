"""Whether a Prometheus of a cluster looks at what a stack declares for it.

The Prometheus Operator ignores monitors and rules whose labels, or whose namespace's labels, its Prometheus does not
select, and says so nowhere.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.planning.names import PART_OF
from toolchain.errors import ToolchainError
from toolchain.kube import Kube

_GROUP = "monitoring.coreos.com/v1"
_TYPE = f"kubernetes:{_GROUP}:"
_AUTOSCALER = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
_CUSTOM_METRICS = "/apis/custom.metrics.k8s.io"
# Of a Prometheus: by what it selects objects of a kind, and namespaces of them.
_SELECTORS = {
    "PodMonitor": ("podMonitorSelector", "podMonitorNamespaceSelector"),
    "ServiceMonitor": ("serviceMonitorSelector", "serviceMonitorNamespaceSelector"),
    "PrometheusRule": ("ruleSelector", "ruleNamespaceSelector"),
}
Labels = Mapping[str, str]


@dataclass(frozen=True)
class _Declared:
    """The objects of one kind, which share what a selector may ask for."""

    kind: str
    namespace: str
    labels: tuple[Labels, ...]


def troubles(
    kube: Kube, planned: Iterable[Mapping[str, Any]], stack: str, settings: Mapping[str, Any]
) -> Iterator[str]:
    """What of the planned resources nobody would look at, one line each with what to do.

    Raises ToolchainError when the cluster may not be asked.
    """
    resources = list(planned)
    section = settings.get("monitoring")
    monitoring: Mapping[str, Any] = section if isinstance(section, dict) else {}
    # A stack that brings its own Prometheus has it select its own.
    if (declared := list(_declared(resources))) and monitoring.get("mode") in ("existing", "stack"):
        yield from _unselected(kube, declared, stack, monitoring)
    asked = sorted({name for resource in resources for name in _pod_metrics(resource)})
    if asked and not _served(kube):
        yield (
            f"no adapter answers for {', '.join(asked)} ({_CUSTOM_METRICS.removeprefix('/apis/')} is not served): "
            "autoscalers that ask for it take no pod away, and add some only by another metric -> install "
            "prometheus-adapter with the configuration of: python -m components.adapter_config"
        )


def _declared(resources: Iterable[Mapping[str, Any]]) -> Iterator[_Declared]:
    found: dict[tuple[str, str], list[Labels]] = {}
    for resource in resources:
        kind = str(resource["type"]).removeprefix(_TYPE)
        metadata = resource["inputs"].get("metadata") or {}
        labels = metadata.get("labels") or {}
        if kind in _SELECTORS and labels.get("app.kubernetes.io/part-of") == PART_OF:
            found.setdefault((kind, metadata.get("namespace", "")), []).append(labels)
    for (kind, namespace), labels in sorted(found.items()):  # resources come in no certain order
        yield _Declared(kind, namespace, tuple(labels))


def _unselected(kube: Kube, declared: Iterable[_Declared], stack: str, monitoring: Mapping[str, Any]) -> Iterator[str]:
    watchers = _watchers(kube)
    if watchers is None:
        yield f"the cluster has no Prometheus Operator ({_GROUP}) -> install one, or set monitoring.mode: off"
        return
    if not watchers:
        yield "the cluster has an operator, and no Prometheus: nobody would read the metrics -> make a Prometheus"
        return
    named = str(monitoring.get("namespace", "monitoring"))
    # The one that is meant comes first, and so is the one whose labels are proposed.
    watchers.sort(key=lambda watcher: watcher["metadata"]["namespace"] != named)
    selecting: list[Mapping[str, Any]] = []
    for group in declared:
        namespace = _labels_of_namespace(kube, group.namespace)
        chosen = [watcher for watcher in watchers if _selects(watcher, group, namespace)]
        selecting += chosen
        if not chosen:
            whys = "; ".join(_why_not(watcher, group, namespace) for watcher in watchers)
            fix = _of_other_stack(monitoring, stack) or _fix(watchers, group, stack)
            yield f"no Prometheus looks at this stack's {group.kind}s: {whys} -> {fix}"
    if monitoring.get("mode") == "stack":
        return  # the other stack tells where
    where = sorted({watcher["metadata"]["namespace"] for watcher in selecting})
    if where and named not in where:
        fix = _set("monitoring.namespace", where[0], stack)
        yield f"Prometheus runs in {', '.join(where)}, and the network policies let only {named} in -> {fix}"


def _watchers(kube: Kube) -> list[Mapping[str, Any]] | None:
    """Every Prometheus of the cluster; None without the operator's definitions."""
    groups = {group["name"] for group in kube.get("/apis").get("groups", [])}
    return kube.get(f"/apis/{_GROUP}/prometheuses")["items"] if _GROUP.partition("/")[0] in groups else None


def _served(kube: Kube) -> bool:
    groups = {group["name"] for group in kube.get("/apis").get("groups", [])}
    return _CUSTOM_METRICS.removeprefix("/apis/") in groups


def _labels_of_namespace(kube: Kube, name: str) -> Labels:
    try:
        return kube.get(f"/api/v1/namespaces/{name}")["metadata"].get("labels", {})
    except ToolchainError:
        # The update makes it; until then what every namespace has.
        return {"kubernetes.io/metadata.name": name, "app.kubernetes.io/part-of": PART_OF}


def _selects(watcher: Mapping[str, Any], group: _Declared, namespace: Labels) -> bool:
    by_labels, by_namespace = (watcher["spec"].get(key) for key in _SELECTORS[group.kind])
    same = watcher["metadata"]["namespace"] == group.namespace
    # Without a selector no object is selected, and of namespaces the own one.
    there = same if by_namespace is None else matches(by_namespace, namespace)
    return there and by_labels is not None and all(matches(by_labels, labels) for labels in group.labels)


def matches(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a label selector of Kubernetes takes an object with these labels. An empty one takes all."""
    wanted = selector.get("matchLabels") or {}
    return wanted.items() <= dict(labels).items() and all(
        _OPERATORS[demand["operator"]](labels.get(demand["key"]), demand.get("values") or [])
        for demand in selector.get("matchExpressions") or []
    )


_OPERATORS: Mapping[str, Callable[[str | None, list[str]], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
}


def _why_not(watcher: Mapping[str, Any], group: _Declared, namespace: Labels) -> str:
    name = f"{watcher['metadata']['namespace']}/{watcher['metadata']['name']}"
    by_labels, by_namespace = (watcher["spec"].get(key) for key in _SELECTORS[group.kind])
    if by_labels is None:
        return f"{name} selects no {group.kind} at all"
    if by_namespace is None and watcher["metadata"]["namespace"] != group.namespace:
        return f"{name} looks into its own namespace only"
    if by_namespace is not None and not matches(by_namespace, namespace):
        return f"{name} looks only into namespaces with {_told(by_namespace)}"
    return f"{name} selects those with {_told(by_labels)}"


def _told(selector: Mapping[str, Any]) -> str:
    """A selector as kubectl writes it."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for demand in selector.get("matchExpressions") or []:
        values = f" ({', '.join(demand['values'])})" if demand.get("values") else ""
        parts.append(f"{demand['key']} {demand['operator']}{values}")
    return ",".join(parts) or "any label"


def _of_other_stack(monitoring: Mapping[str, Any], stack: str) -> str:
    if monitoring.get("mode") != "stack":
        return ""
    owner = monitoring.get("stack")
    return f"bring stack {owner} up in this cluster, then {stack} again: it uses what that one told last"


def _fix(watchers: Iterable[Mapping[str, Any]], group: _Declared, stack: str) -> str:
    """The labels to set for the first Prometheus that names some, as a command; else whose selector to change."""
    for watcher in watchers:
        selector = watcher["spec"].get(_SELECTORS[group.kind][0]) or {}
        lacking = {
            key: value
            for key, value in _wanted(selector).items()
            if any(labels.get(key) != value for labels in group.labels)
        }
        if lacking:
            return " && ".join(_set(f"monitoring.labels{_part(key)}", value, stack) for key, value in lacking.items())
    selector, by_namespace = _SELECTORS[group.kind]
    return f"change {selector} or {by_namespace} of one of them, or the labels of namespace {group.namespace}"


def _set(path: str, value: str, stack: str) -> str:
    where = shlex.quote(f"model-serving:{path}")
    return f"pulumi config set --path {where} {shlex.quote(value)} --stack {shlex.quote(stack)}"


def _part(key: str) -> str:
    """A key behind its section, as Pulumi writes it."""
    return f".{key}" if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f"[{json.dumps(key)}]"


def _wanted(selector: Mapping[str, Any]) -> Labels:
    """Labels with which an object is selected, as far as the selector says."""
    listed = {
        demand["key"]: demand["values"][0]
        for demand in selector.get("matchExpressions") or []
        if demand["operator"] == "In"
    }
    return listed | (selector.get("matchLabels") or {})


def _pod_metrics(resource: Mapping[str, Any]) -> Iterator[str]:
    if resource["type"] == _AUTOSCALER:
        for metric in resource["inputs"]["spec"].get("metrics", []):
            if metric.get("type") == "Pods":
                yield metric["pods"]["metric"]["name"]
