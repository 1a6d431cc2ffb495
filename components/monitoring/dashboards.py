"""A stack's dashboards, where Grafana's sidecar finds them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap

from components.config import StackConfig
from components.planning.dashboards import dashboards
from components.planning.names import stack_labels


@dataclass(frozen=True, kw_only=True)
class DashboardsArgs:
    """The stack whose models are shown, and the namespace that the dashboards are kept in."""

    config: StackConfig
    namespace: pulumi.Input[str]


class Dashboards(pulumi.ComponentResource):
    """A ConfigMap for each dashboard, with the label by which Grafana's charts look for them.

    They have names of their own and not Pulumi's. The sidecar keeps the file of a ConfigMap that is added, and deletes
    it with the ConfigMap: the old one of a dashboard has to go before the new one comes.
    """

    config_maps: Mapping[str, pulumi.Output[str]]
    """Their names, by that of the file in them."""

    def __init__(self, name: str, args: DashboardsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:monitoring:Dashboards", name, None, opts)
        self.config_maps = {
            dashboard.file: ConfigMap(
                f"{name}-dashboard-{dashboard.name}",
                metadata={
                    "name": dashboard.file.removesuffix(".json"),
                    "namespace": args.namespace,
                    "labels": {**stack_labels(), "grafana_dashboard": "1"},
                },
                data={dashboard.file: dashboard.text},
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            ).metadata.apply(lambda metadata: metadata.name or "")
            for dashboard in dashboards(args.config)
        }
        self.register_outputs({"configMaps": self.config_maps})
