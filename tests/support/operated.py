"""A Prometheus of the local cluster's operator that belongs to no stack: what a company's cluster has already."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import yaml

from tests.support.cluster import LocalCluster
from tests.support.waiting import wait_until
from toolchain import versions

_OPERATED = "monitoring.coreos.com/v1"
_CUSTOM_METRICS = "custom.metrics.k8s.io"
_SECONDS = 120.0


@dataclass(frozen=True)
class Watcher:
    """A running Prometheus, and the labels by which it selects monitors and rules of any namespace."""

    cluster: LocalCluster
    namespace: str
    labels: dict[str, str]

    @property
    def url(self) -> str:
        """Where this machine reaches it: its only pod is on a network that begins here."""
        [pod] = json.loads(self.cluster.kubectl("get", "pods", "-ojson", namespace=self.namespace))["items"]
        return f"http://{pod['status']['podIP']}:9090"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression now."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=10).raise_for_status()
        return answer.json()["data"]["result"]

    def value(self, expression: str) -> float | None:
        """The first sample's value, None without any."""
        samples = self.query(expression)
        return float(samples[0]["value"][1]) if samples else None

    def rules(self) -> list[dict[str, Any]]:
        """Every rule, with its health and last error."""
        groups = httpx.get(f"{self.url}/api/v1/rules", timeout=10).raise_for_status().json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextmanager
def watcher(cluster: LocalCluster, name: str, labels: dict[str, str]) -> Iterator[Watcher]:
    """Make it, in a namespace of its own, and take everything away again."""
    selected = {"matchLabels": labels}
    account = {"kind": "ServiceAccount", "name": name, "namespace": name}
    rules = [{"apiGroups": [""], "resources": ["pods", "services", "endpoints"], "verbs": ["get", "list", "watch"]}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    documents = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": name}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": rules,
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": role,
            "subjects": [account],
        },
        {
            "apiVersion": _OPERATED,
            "kind": "Prometheus",
            "metadata": {"name": "existing", "namespace": name},
            "spec": {
                "image": f"{cluster.registry}/prometheus/prometheus:v{versions.PROMETHEUS}",
                "version": versions.PROMETHEUS,
                "serviceAccountName": name,
                "evaluationInterval": "5s",
                "podMonitorSelector": selected,
                "podMonitorNamespaceSelector": {},
                "ruleSelector": selected,
                "ruleNamespaceSelector": {},
                "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
            },
        },
    ]
    try:
        cluster.kubectl("apply", "-f-", namespace=name, stdin="---\n".join(map(yaml.safe_dump, documents)))
        found = Watcher(cluster, name, labels)
        wait_until(lambda: _ready(found), f"Prometheus in {name}", _SECONDS)
        yield found
    finally:
        cluster.kubectl("delete", "clusterrolebinding,clusterrole", name, "--ignore-not-found", namespace=name)
        cluster.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false", namespace=name)


def _ready(found: Watcher) -> bool:
    pods = json.loads(found.cluster.kubectl("get", "pods", "-ojson", namespace=found.namespace))["items"]
    conditions = [condition for pod in pods for condition in pod["status"].get("conditions", [])]
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def custom_metrics(cluster: LocalCluster, namespace: str, metric: str) -> dict[str, str]:
    """What the API says of a metric of each pod of a namespace; empty while it says nothing."""
    path = f"/apis/{_CUSTOM_METRICS}/v1beta1/namespaces/{namespace}/pods/*/{metric}"
    try:
        items = json.loads(cluster.kubectl("get", "--raw", path, namespace=namespace))["items"]
    except AssertionError:
        return {}
    return {item["describedObject"]["name"]: item["value"] for item in items}
