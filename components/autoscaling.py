"""The number of pods that a model's load needs."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.autoscaling.v2 import HorizontalPodAutoscaler

from components.config import ModelConfig
from components.planning import scaling, triggers


@dataclass(frozen=True, kw_only=True)
class AutoscalingArgs:
    """Which Deployment (by its name) is scaled, between what, and by what.

    Attributes:
        prometheus: the address of the one that records the model's metrics; None if none does.
        in_namespace: the name of the namespace, which a query of KEDA's contains.
        namespace: an output of it.
    """

    model: str
    config: ModelConfig
    prometheus: str | None
    deployment: pulumi.Input[str]
    in_namespace: str
    namespace: pulumi.Input[str]
    labels: Mapping[str, str]


class Autoscaling(pulumi.ComponentResource):
    """The owner of a Deployment's `spec.replicas`, which ModelDeployment therefore sets only once.

    It needs a metrics server in the cluster for the CPU, and prometheus-adapter or KEDA for other metrics; without them
    the number of pods stays what it is.
    """

    def __init__(self, name: str, args: AutoscalingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:model:Autoscaling", name, None, opts)
        found = triggers.targets(args.config, watched=args.prometheus is not None)
        child = pulumi.ResourceOptions(parent=self)
        if args.config.replicas.keda is not None:
            CustomResource(
                f"{name}-autoscaler",
                api_version="keda.sh/v1alpha1",
                kind="ScaledObject",
                metadata={"namespace": args.namespace, "labels": args.labels},
                spec=triggers.scaled_object(
                    args.config, args.deployment, found, args.in_namespace, args.model, args.prometheus or ""
                ),
                opts=child,
            )
        else:
            HorizontalPodAutoscaler(
                f"{name}-autoscaler",
                metadata={"namespace": args.namespace, "labels": args.labels},
                spec=scaling.autoscaler(args.config.replicas, args.deployment, found),
                opts=child,
            )
        self.register_outputs({})
