"""kube-prometheus-stack: the operator, its Prometheus and Alertmanager, Grafana and exporters, as one chart."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import Namespace
from pulumi_kubernetes.helm.v4 import Chart

from components.config import AlertsConfig, MonitoringConfig
from components.monitoring.alertmanager import receivers_secret
from components.planning import monitoring_chart
from components.planning import monitoring_stack as planned
from components.planning.names import stack_labels


@dataclass(frozen=True, kw_only=True)
class MonitoringChartArgs:
    """Which chart, for the models of which namespace, and whom its Alertmanager tells.

    The chart's archive is there (components/chart_archives.py).
    """

    config: MonitoringConfig
    alerts: AlertsConfig | None
    secrets: Mapping[str, pulumi.Input[str]]
    stack: str
    models: str


class MonitoringChart(pulumi.ComponentResource):
    """The chart in a namespace of its own, which admits its node exporter: a pod that sees the host."""

    def __init__(self, name: str, args: MonitoringChartArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:monitoring:MonitoringChart", name, None, opts)
        child, config = pulumi.ResourceOptions(parent=self), args.config
        namespace = Namespace(
            f"{name}-namespace",
            metadata={
                "name": config.namespace,
                "labels": {**stack_labels(), "pod-security.kubernetes.io/enforce": "privileged"},
            },
            opts=child,
        )
        namespace_name = namespace.metadata.apply(lambda metadata: metadata.name or "")
        secrets = receivers_secret(name, args.alerts, args.secrets, namespace_name, child)
        folder = pulumi.Output.concat(planned.ALERTMANAGER_SECRETS, "/", *secrets)
        chart = monitoring_chart.source(config)
        Chart(
            f"{name}-chart",
            name=chart.chart,
            chart=chart.archive,
            namespace=namespace_name,
            values=monitoring_chart.values(config, args.alerts, args.stack, args.models, secrets, folder),
            opts=child,
        )
        self.register_outputs({})
