"""NVIDIA's device plugin or GPU operator in the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import Namespace
from pulumi_kubernetes.helm.v4 import Chart

from components.config import GpuConfig, GpuSupportConfig, ProxyConfig
from components.planning import gpu_support
from components.planning.names import stack_labels
from components.planning.pools import NodePool


@dataclass(frozen=True, kw_only=True)
class GpuSupportArgs:
    """What is installed, and the pools whose nodes it is for, with their GPUs.

    The chart's archive is there (components/chart_archives.py).
    """

    config: GpuSupportConfig
    pools: Mapping[str, tuple[NodePool, GpuConfig]]
    proxy: ProxyConfig | None = None


class GpuSupport(pulumi.ComponentResource):
    """A chart in a namespace of its own, whose pods may do what those of models may not: they handle devices."""

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: GpuSupportArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:node-pool:GpuSupport", name, None, opts)
        config, chart = args.config, gpu_support.source(args.config)
        namespace = Namespace(
            f"{name}-namespace",
            metadata={
                "name": config.namespace,
                "labels": {**stack_labels(), "pod-security.kubernetes.io/enforce": "privileged"},
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.namespace = namespace.metadata.apply(lambda metadata: metadata.name or "")
        Chart(
            f"{name}-chart",
            name=chart.chart,
            chart=chart.archive,
            namespace=self.namespace,
            values=gpu_support.values(config, args.pools, args.proxy),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"namespace": self.namespace})
