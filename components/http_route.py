"""The host of a model at a Gateway, and how much of its traffic goes to the canary."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource

from components.config import RouteConfig
from components.planning import exposure


@dataclass(frozen=True, kw_only=True)
class ModelRouteArgs:
    """Which Services (by their names) share the requests of a host on their `port`, and by what weights."""

    config: RouteConfig
    backends: Mapping[str, int]
    port: int
    namespace: pulumi.Input[str]
    labels: Mapping[str, str]


class ModelRoute(pulumi.ComponentResource):
    """An HTTPRoute of the Gateway API, whose definitions and whose Gateway the cluster has to have."""

    def __init__(self, name: str, args: ModelRouteArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:model:ModelRoute", name, None, opts)
        CustomResource(
            f"{name}-route",
            api_version="gateway.networking.k8s.io/v1",
            kind="HTTPRoute",
            metadata={"namespace": args.namespace, "labels": args.labels},
            spec=exposure.http_route(args.config, args.backends, args.port),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
