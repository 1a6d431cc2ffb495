"""How one model is watched."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource

from components.config import ModelConfig, MonitoringConfig
from components.planning.runtimes import Runtime
from components.planning.scrape import API_VERSION, pod_monitor
from components.planning.slo import rules_of


@dataclass(frozen=True, kw_only=True)
class ModelMonitoringArgs:
    """Which model, and how the stack is watched.

    Attributes:
        in_namespace: the name of the namespace, which the rules' expressions contain.
        namespace: an output of it, so that it exists before.
        selector: labels of the model's pods.
    """

    model: str
    stack: str
    config: ModelConfig
    monitoring: MonitoringConfig
    runtime: Runtime
    in_namespace: str
    namespace: pulumi.Input[str]
    selector: Mapping[str, str]


class ModelMonitoring(pulumi.ComponentResource):
    """A PodMonitor and a PrometheusRule, whose definitions the cluster has to have.

    An operator looks only at those that its Prometheus selects: they carry the labels that the stack file names.
    """

    def __init__(self, name: str, args: ModelMonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:monitoring:ModelMonitoring", name, None, opts)
        metadata = {"namespace": args.namespace, "labels": {**args.selector, **args.monitoring.object_labels}}
        CustomResource(
            f"{name}-monitor",
            api_version=API_VERSION,
            kind="PodMonitor",
            metadata=metadata,
            spec=pod_monitor(args.runtime, dict(args.selector), args.monitoring.scrape_interval),
            opts=pulumi.ResourceOptions(parent=self),
        )
        CustomResource(
            f"{name}-rules",
            api_version=API_VERSION,
            kind="PrometheusRule",
            metadata=metadata,
            spec={"groups": rules_of(args.stack, args.in_namespace, args.model, args.config, args.monitoring)},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
