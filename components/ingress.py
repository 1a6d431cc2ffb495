"""The host of a model at an Ingress controller."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.networking.v1 import Ingress

from components.config import IngressConfig, ServiceConfig
from components.planning import exposure


@dataclass(frozen=True, kw_only=True)
class ModelIngressArgs:
    """Which Service (by its name, and as it is `reached`) a host leads to."""

    model: str
    config: IngressConfig
    service: pulumi.Input[str]
    reached: ServiceConfig
    namespace: pulumi.Input[str]
    labels: Mapping[str, str]


class ModelIngress(pulumi.ComponentResource):
    """An Ingress, with the certificate of its host if there is one. An update does not wait for an address."""

    def __init__(self, name: str, args: ModelIngressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:model:ModelIngress", name, None, opts)
        Ingress(
            f"{name}-ingress",
            metadata={
                "namespace": args.namespace,
                "labels": args.labels,
                "annotations": exposure.ingress_annotations(args.config),
            },
            spec=exposure.ingress(args.model, args.config, args.service, args.reached),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
