"""The composite: all models of one stack in their namespace."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import Namespace

from components.config import StackConfig
from components.planning.names import namespace_labels
from components.served_model import ServedModel, ServedModelArgs


@dataclass(frozen=True, kw_only=True)
class ModelStackArgs:
    """A stack's checked configuration, and the values of its secrets beside it."""

    stack: str
    config: StackConfig
    secrets: Mapping[str, pulumi.Input[str]]


class ModelStack(pulumi.ComponentResource):
    """A namespace that admits only pods of Pod Security level `restricted`, and the models of one stack in it.

    `opts` carries the provider of the cluster.
    """

    namespace: pulumi.Output[str]
    models: Mapping[str, ServedModel]

    def __init__(self, name: str, args: ModelStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:stack:ModelStack", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        namespace = Namespace(
            f"{name}-namespace",
            metadata={"name": args.config.namespace, "labels": namespace_labels()},
            opts=child,
        )
        self.namespace = namespace.metadata.apply(lambda metadata: metadata.name or "")
        self.models = {
            model: ServedModel(
                model,
                ServedModelArgs(
                    model=model,
                    stack=args.stack,
                    config=config,
                    registry=args.config.registry,
                    image=args.config.image,
                    secrets=args.secrets,
                    namespace=self.namespace,
                    namespace_name=args.config.namespace,
                ),
                child,
            )
            for model, config in args.config.models.items()
        }
        self.register_outputs(
            {"namespace": self.namespace, "models": {model: served.summary() for model, served in self.models.items()}}
        )
