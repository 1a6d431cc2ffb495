"""What `monitoring.mode: install` consists of: images, and the specs of the Prometheus Operator's custom resources.

Field names are those of prometheus-operator 0.85 (https://prometheus-operator.dev/docs/api-reference/api/).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.planning.names import stack_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pulumi
    from pulumi_kubernetes.core.v1 import NodeAffinityArgsDict

    from components.config import MonitoringConfig
    from components.planning.pools import NodePool

Spec = dict[str, Any]

PROMETHEUS, ALERTMANAGER, GRAFANA = "prometheus", "alertmanager", "grafana"
DASHBOARDS_SIDECAR = "dashboards"
STATE_METRICS, NODE_EXPORTER, DCGM_EXPORTER = "kube-state-metrics", "node-exporter", "dcgm-exporter"
COMPONENT_LABEL = "app.kubernetes.io/component"
# The component of what sees the host, by which the policy pack knows it.
NODE_AGENT = "node-metrics"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
# The operator's own Services of what it runs, beside which none of ours is needed.
PROMETHEUS_SERVICE, ALERTMANAGER_SERVICE = "prometheus-operated", "alertmanager-operated"
PROMETHEUS_PORT, ALERTMANAGER_PORT, GRAFANA_PORT = 9090, 9093, 3000
# The user of nobody, which the projects' images run as. Above 10000, so that it is nobody on the node either.
USER = 65534
# Where Alertmanager finds the files of a Secret that its resource lists.
ALERTMANAGER_SECRETS = "/etc/alertmanager/secrets"
# Without a volume of its own, what Prometheus keeps is bounded by this, as the node's disk is others' too.
_SCRATCH = "4Gi"


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of a project, by the version that this program was written for."""

    registry: str
    path: str
    version: str

    def reference(self, mirror: str | None) -> str:
        """Where to pull it from: the project's registry, or a mirror with the same paths."""
        return f"{mirror or self.registry}/{self.path}:{self.version}"

    @property
    def number(self) -> str:
        """The version as the operator wants it."""
        return self.version.removeprefix("v")


IMAGES = {
    PROMETHEUS: Image(registry="quay.io", path="prometheus/prometheus", version="v2.53.3"),
    ALERTMANAGER: Image(registry="quay.io", path="prometheus/alertmanager", version="v0.28.1"),
    NODE_EXPORTER: Image(registry="quay.io", path="prometheus/node-exporter", version="v1.9.0"),
    STATE_METRICS: Image(registry="registry.k8s.io", path="kube-state-metrics/kube-state-metrics", version="v2.15.0"),
    GRAFANA: Image(registry="docker.io", path="grafana/grafana", version="12.0.2"),
    # Copies ConfigMaps into a folder, as in the charts of Grafana.
    DASHBOARDS_SIDECAR: Image(registry="quay.io", path="kiwigrid/k8s-sidecar", version="1.30.3"),
    DCGM_EXPORTER: Image(registry="nvcr.io", path="nvidia/k8s/dcgm-exporter", version="4.2.3-4.1.3-ubuntu22.04"),
}


def image(config: "MonitoringConfig", name: str) -> str:
    """The image of a part: the one that the stack file names by its digest, else that of the pinned version."""
    given = {
        PROMETHEUS: config.install.images.prometheus,
        ALERTMANAGER: config.install.images.alertmanager,
        GRAFANA: config.install.images.grafana,
        DASHBOARDS_SIDECAR: config.install.images.dashboards,
        STATE_METRICS: config.install.images.state_metrics,
        NODE_EXPORTER: config.install.images.node_exporter,
        DCGM_EXPORTER: config.install.images.dcgm_exporter,
    }
    return given[name] or IMAGES[name].reference(config.install.image_registry)


def prometheus_url(namespace: str) -> str:
    """Where a Prometheus of the operator is found in its cluster."""
    return f"http://{PROMETHEUS_SERVICE}.{namespace}.svc:{PROMETHEUS_PORT}"


def alertmanager_url(namespace: str) -> str:
    """Where an Alertmanager of the operator is found in its cluster."""
    return f"http://{ALERTMANAGER_SERVICE}.{namespace}.svc:{ALERTMANAGER_PORT}"


def labels(name: str, component: str = "monitoring") -> dict[str, str]:
    """Labels of one part of the stack, by which its pods are selected too."""
    return {"app.kubernetes.io/name": name, COMPONENT_LABEL: component, **stack_labels()}


def _of_operator() -> Spec:
    """`restricted_pod` as a custom resource has it, whose keys Pulumi does not translate."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def prometheus_spec(
    config: "MonitoringConfig", stack: str, namespaces: "Sequence[pulumi.Input[str]]", account: "pulumi.Input[str]"
) -> Spec:
    """The Prometheus resource.

    Args:
        namespaces: whose monitors and rules it takes unless it is shared: those of this stack, and of no other in the
            same cluster. A shared one takes those with its label.
        account: the service account that reads them.
    """
    install = config.install
    objects = {"matchLabels": config.object_labels}
    own = {"matchExpressions": [{"key": NAMESPACE_LABEL, "operator": "In", "values": list(namespaces)}]}
    within = {} if config.shared else own
    selectors = {
        f"{kind}{suffix}": selector
        for kind in ("podMonitor", "serviceMonitor", "rule")
        for suffix, selector in (("Selector", objects), ("NamespaceSelector", within))
    }
    return {
        "image": image(config, PROMETHEUS),
        "version": IMAGES[PROMETHEUS].number,
        "replicas": install.replicas,
        "serviceAccountName": account,
        **selectors,
        "scrapeInterval": config.scrape_interval,
        "evaluationInterval": config.scrape_interval,
        "externalLabels": {"stack": stack},
        "retention": install.retention,
        "alerting": {
            "alertmanagers": [
                {"namespace": config.namespace, "name": ALERTMANAGER_SERVICE, "port": "web", "apiVersion": "v2"}
            ]
        },
        "podMetadata": {"labels": labels(PROMETHEUS)},
        "securityContext": _of_operator(),
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        **_storage(install.storage),
    }


def alertmanager_spec(
    config: "MonitoringConfig", configuration: "pulumi.Input[str]", secrets: "Sequence[pulumi.Input[str]]"
) -> Spec:
    """The Alertmanager resource, of the Secret with its configuration and those with what receivers need."""
    install = config.install
    return {
        "image": image(config, ALERTMANAGER),
        "version": IMAGES[ALERTMANAGER].number,
        "replicas": install.replicas,
        "configSecret": configuration,
        "secrets": list(secrets),
        "podMetadata": {"labels": labels(ALERTMANAGER)},
        "securityContext": _of_operator(),
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    }


def _storage(size: str | None) -> Spec:
    if size is None:
        return {"storage": {"emptyDir": {"sizeLimit": _SCRATCH}}, "retentionSize": "3GiB"}
    request = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"storage": {"volumeClaimTemplate": {"spec": request}}}


def kubelet_monitor() -> Spec:
    """What containers use, from the kubelets, by the Service that the operator keeps for them in kube-system.

    Of a kubelet's thousands of series only those that dashboards and rules read are kept.
    """
    kept = "container_(cpu_usage_seconds_total|cpu_cfs_(throttled_)?periods_total|memory_working_set_bytes)"
    return {
        "jobLabel": "app.kubernetes.io/name",
        "selector": {"matchLabels": {"app.kubernetes.io/name": "kubelet"}},
        "namespaceSelector": {"matchNames": ["kube-system"]},
        "endpoints": [
            {
                "port": "https-metrics",
                "scheme": "https",
                "path": "/metrics/cadvisor",
                "bearerTokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token",
                # Kubelets sign their certificates themselves, unless a cluster is set up otherwise.
                "tlsConfig": {"insecureSkipVerify": True},
                "honorTimestamps": False,
                # Namespace and pod are those of the container, and not of the kubelet.
                "honorLabels": True,
                "metricRelabelings": [{"action": "keep", "sourceLabels": ["__name__"], "regex": kept}],
            }
        ],
    }


def exporter_monitor(selector: dict[str, str], *, honor_labels: bool = False) -> Spec:
    """An exporter's pods, whose port is called metrics. Its own labels win where it tells of other objects."""
    endpoint: Spec = {"port": "metrics", "honorLabels": honor_labels}
    if not honor_labels:
        source = {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}
        endpoint["relabelings"] = [source]
    return {
        "jobLabel": "app.kubernetes.io/name",
        "selector": {"matchLabels": selector},
        "podMetricsEndpoints": [endpoint],
    }


def node_namespace(namespace: str) -> str:
    """Where exporters run that need the host: a namespace of its own, for no other pod to be admitted so."""
    return f"{namespace}-nodes"


def on_nodes_of(pools: "Iterable[NodePool]") -> "NodeAffinityArgsDict":
    """The nodes of any of these pools, and no others."""
    return {
        "required_during_scheduling_ignored_during_execution": {
            "node_selector_terms": [
                {
                    "match_expressions": [
                        {"key": key, "operator": "In", "values": [value]} for key, value in pool.node_selector.items()
                    ]
                }
                for pool in pools
            ]
        }
    }


def data_sources(prometheus_url: str) -> Spec:
    """Grafana's provisioning of its data source (https://grafana.com/docs/grafana/latest/administration/provisioning/)."""
    source = {
        "name": "Prometheus",
        "uid": "prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": prometheus_url,
        "isDefault": True,
        "editable": False,
    }
    return {"apiVersion": 1, "datasources": [source]}


def dashboard_providers(folder: str) -> Spec:
    """Grafana's provisioning of dashboards from a folder of files."""
    provider = {"name": "models", "type": "file", "allowUiUpdates": False, "options": {"path": folder}}
    return {"apiVersion": 1, "providers": [provider]}
