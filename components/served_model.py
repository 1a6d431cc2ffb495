"""One model, from its image to its address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pulumi

from components.config import (
    CanaryConfig,
    IngressConfig,
    ModelConfig,
    ReplicasConfig,
    RouteConfig,
    ServiceConfig,
    StackConfig,
)
from components.model_deployment import ModelDeployment, ModelDeploymentArgs
from components.model_service import ModelService, ModelServiceArgs
from components.model_settings import ModelSettings, ModelSettingsArgs
from components.planning import exposure, names, settings
from components.planning.pools import NodePool
from components.planning.runtimes import runtime_of


@dataclass(frozen=True, kw_only=True)
class ServedModelArgs:
    """One model of a stack, and what it shares with the others.

    Attributes:
        image: repository@sha256:<digest>, built here or elsewhere.
        config: the model's own, with what the stack sets for all of its models.
        stack_config: of the whole stack.
        pull_secret: name of the Secret with the registry's credentials, if the nodes need one.
        secrets: values of the stack's secrets, by key.
        namespace: an output of the namespace, so that it exists before the model does.
        pool: whose nodes run it; any node without one.
    """

    model: str
    stack: str
    config: ModelConfig
    stack_config: StackConfig
    image: pulumi.Input[str]
    pull_secret: pulumi.Input[str] | None
    secrets: Mapping[str, pulumi.Input[str]]
    namespace: pulumi.Input[str]
    pool: NodePool | None

    @property
    def service_name(self) -> str:
        """What the model's address begins with."""
        return self.config.service.name or self.model


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
        signing = args.stack_config.signing
        runtime = runtime_of(args.model, args.config, signing.public_key if signing else None)
        secrets = settings.secrets_of(args.config)
        told = ModelSettings(
            name,
            ModelSettingsArgs(
                model=args.model,
                namespace=args.namespace,
                labels=selector,
                environment=settings.environment(args.stack_config, args.config, runtime),
                files=settings.files(args.stack_config, args.config, runtime),
                secrets=secrets,
                values=args.secrets,
            ),
            child,
        )
        self.image = pulumi.Output.from_input(args.image)
        pods = ModelDeploymentArgs(
            config=args.config,
            runtime=runtime,
            namespace=args.namespace,
            selector=selector,
            image=self.image,
            settings=told.config_map_name,
            settings_files=told.files_name,
            secrets=told.secrets,
            annotations=secrets.annotations,
            pull_secret=args.pull_secret,
            protect=args.stack_config.protect,
            pool=args.pool,
        )
        address = ModelServiceArgs(
            address=args.service_name,
            config=args.config.service,
            grpc_port=runtime.ports.get("grpc"),
            namespace=args.namespace,
            selector=selector,
            protect=args.stack_config.protect,
            adopted=f"{args.stack_config.namespace}/{args.service_name}" if args.config.service.adopt else None,
        )
        deployment, service = self._served(name, pods, address)
        if args.config.replicas.scaled:
            self._scale(name, args, pods, deployment)
        if args.config.ingress is not None:
            self._at_ingress(name, args, args.config.ingress, service)
        if args.config.route is not None:
            services = [service]
            if args.config.canary is not None:
                services.append(self._canary(args.model, args.config.canary, pods, address))
            self._at_gateway(name, args, args.config.route, services)
        self.deployment = deployment.deployment_name
        self.service = service.service_name
        self.port = args.config.service.port
        self.node_port = service.node_port
        self.url = names.service_url(args.service_name, args.stack_config.namespace, self.port)
        self.register_outputs(self.summary())

    def _served(
        self, name: str, pods: ModelDeploymentArgs, address: ModelServiceArgs
    ) -> tuple[ModelDeployment, ModelService]:
        """Pods and their address."""
        deployment = ModelDeployment(name, pods, pulumi.ResourceOptions(parent=self))
        # Without this, the Service of a model that refuses to start waits for endpoints until its own time is over,
        # long after the Deployment has said why there are none.
        service = ModelService(name, address, pulumi.ResourceOptions(parent=self, depends_on=[deployment]))
        return deployment, service

    def _canary(
        self, model: str, canary: CanaryConfig, pods: ModelDeploymentArgs, address: ModelServiceArgs
    ) -> ModelService:
        """Another image of the same model beside it, with the same settings, under a name and labels of its own."""
        name = names.canary_name(model)
        selector = names.canary_labels(pods.selector)
        count = ReplicasConfig(min=canary.replicas, max=canary.replicas)
        config = pods.config.model_copy(update={"replicas": count, "disruption_budget": None})
        # A route has one port for both.
        same_port = {"port": address.config.port, "port_name": address.config.port_name}
        _, service = self._served(
            name,
            replace(pods, config=config, image=canary.image, selector=selector, protect=False),
            replace(
                address,
                address=name,
                config=ServiceConfig().model_copy(update=same_port),
                selector=selector,
                protect=False,
                adopted=None,
            ),
        )
        return service

    # What few models have is imported where it is needed: every preview waits for the imports.

    def _scale(self, name: str, args: ServedModelArgs, pods: ModelDeploymentArgs, deployment: ModelDeployment) -> None:
        from components.autoscaling import Autoscaling, AutoscalingArgs
        from components.planning.monitoring_stack import prometheus_url

        monitoring = args.stack_config.monitoring
        scaled = AutoscalingArgs(
            model=args.model,
            config=pods.config,
            prometheus=prometheus_url(monitoring.namespace) if monitoring.on else None,
            deployment=deployment.deployment_name,
            in_namespace=args.stack_config.namespace,
            namespace=pods.namespace,
            labels=pods.selector,
        )
        Autoscaling(name, scaled, pulumi.ResourceOptions(parent=self))

    def _at_ingress(self, name: str, args: ServedModelArgs, config: IngressConfig, service: ModelService) -> None:
        from components.ingress import ModelIngress, ModelIngressArgs

        ingress = ModelIngressArgs(
            model=args.model,
            config=config,
            service=service.service_name,
            reached=args.config.service,
            namespace=args.namespace,
            labels=names.selector_labels(args.stack, args.model),
        )
        ModelIngress(name, ingress, pulumi.ResourceOptions(parent=self))

    def _at_gateway(
        self, name: str, args: ServedModelArgs, config: RouteConfig, services: Sequence[ModelService]
    ) -> None:
        from components.http_route import ModelRoute, ModelRouteArgs

        route = ModelRouteArgs(
            config=config,
            backends=exposure.backends(args.service_name, names.canary_name(args.model), args.config.canary),
            port=args.config.service.port,
            namespace=args.namespace,
            labels=names.selector_labels(args.stack, args.model),
        )
        # No request goes to a canary that is not ready, or refuses to start.
        ModelRoute(name, route, pulumi.ResourceOptions(parent=self, depends_on=list(services)))

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
