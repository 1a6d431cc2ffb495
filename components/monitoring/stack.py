"""The monitoring that a stack brings along: typed resources for the operator of the cluster, or a chart."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import Namespace
from pulumi_kubernetes.networking.v1 import NetworkPolicy

from components.config import AlertsConfig, GpuConfig, MonitoringConfig
from components.monitoring.alertmanager import Alertmanager, AlertmanagerArgs
from components.monitoring.grafana import Grafana, GrafanaArgs
from components.monitoring.node_metrics import NodeMetrics, NodeMetricsArgs
from components.monitoring.prometheus import Prometheus, PrometheusArgs
from components.monitoring.state_metrics import StateMetrics, StateMetricsArgs
from components.planning import monitoring_stack as planned
from components.planning import network
from components.planning.names import namespace_labels, stack_labels
from components.planning.pools import NodePool


@dataclass(frozen=True, kw_only=True)
class MonitoringStackArgs:
    """What is installed, for the models of one namespace and the pools whose nodes have GPUs."""

    config: MonitoringConfig
    alerts: AlertsConfig | None
    secrets: Mapping[str, pulumi.Input[str]]
    stack: str
    models: pulumi.Input[str]
    gpu_pools: Mapping[str, tuple[NodePool, GpuConfig]]


class MonitoringStack(pulumi.ComponentResource):
    """Prometheus, Alertmanager, Grafana and exporters in a namespace of Pod Security level `restricted`."""

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: MonitoringStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:monitoring:MonitoringStack", name, None, opts)
        config, install = args.config, args.config.install
        child = pulumi.ResourceOptions(parent=self)
        namespace = Namespace(
            f"{name}-namespace", metadata={"name": config.namespace, "labels": namespace_labels()}, opts=child
        )
        self.namespace = namespace.metadata.apply(lambda metadata: metadata.name or "")
        watched: dict[str, pulumi.Input[str]] = {"models": args.models}
        if install.node_exporter or args.gpu_pools:
            nodes = NodeMetrics(
                "node-metrics",
                NodeMetricsArgs(
                    config=config,
                    namespace=planned.node_namespace(config.namespace),
                    gpu_pools=args.gpu_pools,
                ),
                child,
            )
            watched["nodes"] = nodes.namespace
        Alertmanager(
            planned.ALERTMANAGER,
            AlertmanagerArgs(config=config, alerts=args.alerts, secrets=args.secrets, namespace=self.namespace),
            child,
        )
        Prometheus(
            planned.PROMETHEUS,
            PrometheusArgs(config=config, stack=args.stack, namespace=self.namespace, watched=watched),
            child,
        )
        if install.state_metrics:
            StateMetrics(
                planned.STATE_METRICS,
                StateMetricsArgs(config=config, namespace=self.namespace, watched=args.models),
                child,
            )
        if install.grafana:
            Grafana(
                planned.GRAFANA, GrafanaArgs(config=config, namespace=self.namespace, dashboards=args.models), child
            )
        policy = network.namespace_policy(install.allow_from)
        NetworkPolicy(
            f"{name}-network",
            metadata={
                "namespace": self.namespace,
                "labels": stack_labels(),
                "annotations": {"kubernetes.io/description": policy.description},
            },
            spec=policy.spec,
            opts=child,
        )
        self.register_outputs({"namespace": self.namespace})
