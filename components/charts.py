"""Helm charts that the models depend on."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import Namespace
from pulumi_kubernetes.helm.v4 import Chart

from components.config import ChartConfig
from components.planning import charts
from components.planning.names import stack_labels


@dataclass(frozen=True, kw_only=True)
class ChartsArgs:
    """The charts by the names of their releases, whose archives are there (components/chart_archives.py).

    `stack_namespace` is that of the models, which is there already: a chart may share it.
    """

    charts: Mapping[str, ChartConfig]
    stack_namespace: str


class Charts(pulumi.ComponentResource):
    """Every chart, each from its verified archive, in namespaces that are made for them."""

    def __init__(self, name: str, args: ChartsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:stack:Charts", name, None, opts)
        namespaces = {
            namespace: Namespace(
                f"{name}-{namespace}",
                metadata={
                    "name": namespace,
                    "labels": {**stack_labels(), "pod-security.kubernetes.io/enforce": level},
                },
                opts=pulumi.ResourceOptions(parent=self),
            )
            for namespace, level in charts.namespaces(args.charts, args.stack_namespace).items()
        }
        for release, chart in args.charts.items():
            there = namespaces.get(chart.namespace)
            Chart(
                f"{name}-{release}",
                name=release,
                chart=charts.archive(chart.digest).as_posix(),
                namespace=chart.namespace,
                values=chart.values,
                # The namespace as text, since values that are not known yet cannot be rendered in a preview.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[there] if there else None),
            )
        self.register_outputs({})
