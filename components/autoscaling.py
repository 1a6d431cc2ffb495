"""The number of pods that a model's load needs."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.autoscaling.v2 import HorizontalPodAutoscaler

from components.config import ReplicasConfig
from components.planning import scaling


@dataclass(frozen=True, kw_only=True)
class AutoscalingArgs:
    """Which Deployment (by its name) is scaled, between what, and by what."""

    replicas: ReplicasConfig
    deployment: pulumi.Input[str]
    namespace: pulumi.Input[str]
    labels: Mapping[str, str]


class Autoscaling(pulumi.ComponentResource):
    """The owner of a Deployment's `spec.replicas`, which ModelDeployment therefore sets only once.

    It needs a metrics server in the cluster; without one the number of pods stays what it is.
    """

    def __init__(self, name: str, args: AutoscalingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:model:Autoscaling", name, None, opts)
        HorizontalPodAutoscaler(
            f"{name}-autoscaler",
            metadata={"namespace": args.namespace, "labels": args.labels},
            spec=scaling.autoscaler(args.replicas, args.deployment),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
