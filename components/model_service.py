"""The address of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes.core.v1 import Service

from components.config import ServiceConfig
from components.planning import exposure
from components.planning.names import GRPC_PORT_NAME

if TYPE_CHECKING:
    from pulumi_kubernetes.core.v1 import ServicePortArgsDict, ServiceSpecArgsDict
    from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict


@dataclass(frozen=True, kw_only=True)
class ModelServiceArgs:
    """The Service's name, which is an address, the labels of its pods, and their port for gRPC, if they have one.

    With `protect`, Pulumi refuses to delete the Service. One that is adopted has `adopted`, the Kubernetes provider's
    id of it: namespace/name.
    """

    address: str
    config: ServiceConfig
    grpc_port: int | None
    namespace: pulumi.Input[str]
    selector: Mapping[str, str]
    protect: bool = False
    adopted: str | None = None


# What a Service has that this program does not set: the cluster's choice, or of whom one was adopted. An imported
# object has it all in its inputs, and to take the address out of them would be to make the Service anew.
_LEFT_ALONE = (
    "clusterIP",
    "clusterIPs",
    "externalIPs",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "publishNotReadyAddresses",
    "sessionAffinity",
    "sessionAffinityConfig",
    "trafficDistribution",
)
# Of one that is reached from outside, and of a load balancer. The API server refuses them in any other.
_LEFT_ALONE_OUTSIDE = ("externalTrafficPolicy",)
_LEFT_ALONE_BALANCED = (
    "allocateLoadBalancerNodePorts",
    "healthCheckNodePort",
    "loadBalancerClass",
    "loadBalancerIP",
)


def _left_alone(config: ServiceConfig) -> list[str]:
    fields = _LEFT_ALONE
    if config.type != "ClusterIP":
        fields += _LEFT_ALONE_OUTSIDE
    if config.type == "LoadBalancer":
        fields += _LEFT_ALONE_BALANCED
    return [f"spec.{field}" for field in fields]


class ModelService(pulumi.ComponentResource):
    """A Service named like the model, because clients outside this stack need to know the name."""

    service_name: pulumi.Output[str]
    node_port: pulumi.Output[int | None]
    """The port on every node where the Service has one (NodePort, LoadBalancer), else None."""

    def __init__(self, name: str, args: ModelServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:model:ModelService", name, None, opts)
        ports: list[pulumi.Input[ServicePortArgsDict]] = [
            {
                "name": args.config.port_name or None,
                "port": args.config.port,
                "target_port": "http",
                "protocol": "TCP",
            }
        ]
        if args.grpc_port is not None:
            # Under the number that clients of this server know.
            ports.append({"name": GRPC_PORT_NAME, "port": args.grpc_port, "target_port": "grpc", "protocol": "TCP"})
        metadata: ObjectMetaArgsDict = {
            "name": args.address,
            "namespace": args.namespace,
            "labels": dict(args.selector),
        }
        annotations = exposure.service_annotations(args.config)
        if args.adopted is not None:
            # Selector and ports belong to whoever made it, and are what is taken over.
            annotations["pulumi.com/patchForce"] = "true"
        if annotations:
            metadata["annotations"] = annotations
        spec: ServiceSpecArgsDict = {"type": args.config.type, "selector": dict(args.selector), "ports": ports}
        if args.config.source_ranges:
            spec["load_balancer_source_ranges"] = list(args.config.source_ranges)
        service = Service(
            f"{name}-service",
            metadata=metadata,
            spec=spec,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.protect or None,
                import_=args.adopted,
                ignore_changes=_left_alone(args.config),
            ),
        )
        self.service_name = service.metadata.apply(lambda metadata: metadata.name or "")
        self.node_port = service.spec.apply(lambda spec: spec.ports[0].node_port if spec.ports else None)
        self.register_outputs({"serviceName": self.service_name, "nodePort": self.node_port})
