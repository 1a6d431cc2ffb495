"""One model, from its image to its address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.config import ModelConfig
from components.model_deployment import ModelDeployment, ModelDeploymentArgs
from components.model_service import ModelService, ModelServiceArgs
from components.model_settings import ModelSettings, ModelSettingsArgs
from components.planning import names
from components.planning.pools import NodePool
from components.planning.runtimes import runtime_of


@dataclass(frozen=True, kw_only=True)
class ServedModelArgs:
    """One model of a stack, and what it shares with the others.

    Attributes:
        image: repository@sha256:<digest>, built here or elsewhere.
        pull_secret: name of an existing Secret with the registry's credentials, if the nodes need one.
        public_key: the key that the model must be signed with, if it must be.
        secrets: values of the secrets that the model names, by key.
        namespace: an output of the namespace, so that it exists before the model does.
        namespace_name: its name as text.
        protect: whether Pulumi refuses to delete what clients need: the Deployment and the Service.
        pool: whose nodes run it; any node without one.
    """

    model: str
    stack: str
    config: ModelConfig
    image: pulumi.Input[str]
    pull_secret: str | None
    public_key: str | None
    secrets: Mapping[str, pulumi.Input[str]]
    namespace: pulumi.Input[str]
    namespace_name: str
    protect: bool
    pool: NodePool | None


class ServedModel(pulumi.ComponentResource):
    """Everything that one model consists of in the cluster: settings, pods, address."""

    image: pulumi.Output[str]
    deployment: pulumi.Output[str]
    service: pulumi.Output[str]
    port: int
    node_port: pulumi.Output[int | None]
    url: str

    def __init__(self, name: str, args: ServedModelArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:model:ServedModel", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        selector = names.selector_labels(args.stack, args.model)
        runtime = runtime_of(args.model, args.config, args.public_key)
        settings = ModelSettings(
            name,
            ModelSettingsArgs(
                namespace=args.namespace,
                labels=selector,
                environment={**runtime.environment, **args.config.env},
                files=runtime.settings_files,
                secrets={key: args.secrets[key] for key in args.config.secrets},
            ),
            child,
        )
        self.image = pulumi.Output.from_input(args.image)
        deployment = ModelDeployment(
            name,
            ModelDeploymentArgs(
                config=args.config,
                runtime=runtime,
                namespace=args.namespace,
                selector=selector,
                image=self.image,
                settings=settings.config_map_name,
                settings_files=settings.files_name,
                secrets=settings.secret_name,
                pull_secret=args.pull_secret,
                protect=args.protect,
                pool=args.pool,
            ),
            child,
        )
        service = ModelService(
            name,
            ModelServiceArgs(
                model=args.model,
                config=args.config.service,
                grpc_port=runtime.ports.get("grpc"),
                namespace=args.namespace,
                selector=selector,
                protect=args.protect,
            ),
            # Without this, the Service of a model that refuses to start waits for endpoints until its own time is
            # over, long after the Deployment has said why there are none.
            pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )
        if args.config.replicas.scaled:
            # Imported when it is needed: few models are scaled, and every preview waits for the imports.
            from components.autoscaling import Autoscaling, AutoscalingArgs

            Autoscaling(
                name,
                AutoscalingArgs(
                    replicas=args.config.replicas,
                    deployment=deployment.deployment_name,
                    namespace=args.namespace,
                    labels=selector,
                ),
                child,
            )
        self.deployment = deployment.deployment_name
        self.service = service.service_name
        self.port = names.SERVICE_PORT
        self.node_port = service.node_port
        self.url = names.service_url(args.model, args.namespace_name)
        self.register_outputs(self.summary())

    def summary(self) -> dict[str, Any]:
        """What a stack tells about the model (the stack output `models.<name>`)."""
        return {
            "image": self.image,
            "deployment": self.deployment,
            "service": self.service,
            "port": self.port,
            "nodePort": self.node_port,
            "url": self.url,
        }
