"""The namespace that a stack's models live in."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import Namespace

from components.planning.names import namespace_labels


@dataclass(frozen=True, kw_only=True)
class ModelNamespaceArgs:
    """The namespace's name, as it is in the cluster."""

    name: str


class ModelNamespace(pulumi.ComponentResource):
    """A namespace in which only pods of Pod Security level `restricted` are admitted."""

    namespace_name: pulumi.Output[str]

    def __init__(self, name: str, args: ModelNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:cluster:ModelNamespace", name, None, opts)
        namespace = Namespace(
            f"{name}-namespace",
            metadata={"name": args.name, "labels": namespace_labels()},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.namespace_name = namespace.metadata.apply(lambda metadata: metadata.name or "")
        self.register_outputs({"namespaceName": self.namespace_name})
