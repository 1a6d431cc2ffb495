"""The composite: all models of one stack in their namespace."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pulumi
from pulumi_kubernetes.core.v1 import Namespace, Secret

from components.built_images import built_images
from components.config import GpuConfig, StackConfig
from components.gpu_node_pool import gpu_node_pool
from components.monitoring.watching import Watching, watching
from components.network_policy import NetworkPolicies, NetworkPoliciesArgs
from components.planning import names, network, settings
from components.planning.pools import NodePool
from components.planning.runtimes import runtime_of
from components.served_model import ServedModel, ServedModelArgs


@dataclass(frozen=True, kw_only=True)
class ModelStackArgs:
    """A stack's checked configuration, and the values of its secrets beside it."""

    stack: str
    config: StackConfig
    secrets: Mapping[str, pulumi.Input[str]]


class ModelStack(pulumi.ComponentResource):
    """A namespace that admits only pods of Pod Security level `restricted`, and the models of one stack in it.

    In a namespace of somebody else's (`createNamespace: false`) nothing is changed but what belongs to the models.
    `opts` carries the provider of the cluster.

    Raises:
        UserError: another stack does not have what this one is to use of it.
    """

    namespace: pulumi.Output[str]
    models: Mapping[str, ServedModel]
    watching: Watching | None

    def __init__(self, name: str, args: ModelStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:stack:ModelStack", name, None, opts)
        self.watching = watching(args.config.monitoring)
        if self.watching is not None:
            monitoring = self.watching.configured(args.config.monitoring)
            args = replace(args, config=args.config.model_copy(update={"monitoring": monitoring}))
        builds = built_images(args.stack, args.config, args.secrets, self)
        # Everything in the cluster waits for the namespace, and it waits for every build: a model that does not train
        # or export, or a registry that is down, changes nothing in the cluster.
        first: list[pulumi.Resource] = list(builds.values())
        if args.config.create_namespace:
            namespace = Namespace(
                f"{name}-namespace",
                metadata={"name": args.config.namespace, "labels": names.namespace_labels()},
                opts=pulumi.ResourceOptions(parent=self, depends_on=first, protect=args.config.protect or None),
            )
            self.namespace = namespace.metadata.apply(lambda metadata: metadata.name or "")
            first = [namespace]
        else:
            built = pulumi.Output.all(*(build.built for build in builds.values()))
            self.namespace = built.apply(lambda _: args.config.namespace)
        self.pools = {
            pool: gpu_node_pool(
                pool,
                args.stack,
                config,
                # No machine is paid for before every image is built.
                pulumi.ResourceOptions(parent=self, depends_on=first),
            )
            for pool, config in args.config.node_pools.items()
        }
        charts = self._charts(args, pulumi.ResourceOptions(parent=self, depends_on=first))
        pull_secret = self._pull_secret(name, args)
        self.models = {
            model: ServedModel(
                model,
                ServedModelArgs(
                    model=model,
                    stack=args.stack,
                    config=settings.with_stack_wide(args.config, config),
                    stack_config=args.config,
                    image=config.image or builds[model].reference,
                    pull_secret=pull_secret,
                    secrets=args.secrets,
                    namespace=self.namespace,
                    pool=self.pools[config.node_pool].plan if config.node_pool else None,
                ),
                # Pods that wait for a pool that is not there yet would wait longer than a start may take; and what a
                # model is made of may be defined by a chart.
                pulumi.ResourceOptions(
                    parent=self,
                    depends_on=[*charts, *([self.pools[config.node_pool]] if config.node_pool else [])],
                ),
            )
            for model, config in args.config.served.items()
        }
        if args.config.monitoring.on:
            self._watch(name, args, self._install_monitoring(args))
        if args.config.network.default_deny:
            NetworkPolicies(
                name,
                NetworkPoliciesArgs(
                    namespace=self.namespace,
                    models=_policies(args.stack, args.config),
                    # Pods of others would be cut off. A model's own policy lets nothing in that it does not name.
                    whole_namespace=args.config.create_namespace,
                ),
                pulumi.ResourceOptions(parent=self),
            )
        if args.config.logs.on:
            self._collect_logs(args, first)
        self.register_outputs({"namespace": self.namespace})

    def _charts(self, args: ModelStackArgs, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
        """The charts that models may depend on. What makes nodes' GPUs a resource is waited for by pods alone."""
        # Imported where they are needed: every preview waits for the imports.
        if args.config.gpu_support is not None:
            from components.gpu_support import GpuSupport, GpuSupportArgs

            GpuSupport(
                "gpu-support",
                GpuSupportArgs(config=args.config.gpu_support, pools=self._gpu_pools(args), proxy=args.config.proxy),
                opts,
            )
        if not args.config.charts:
            return []
        from components.charts import Charts, ChartsArgs

        return [Charts("charts", ChartsArgs(charts=args.config.charts, stack_namespace=args.config.namespace), opts)]

    def _watch(self, name: str, args: ModelStackArgs, installed: pulumi.Resource | None) -> None:
        # Imported where it is needed: every preview waits for the imports.
        from components.monitoring.dashboards import Dashboards, DashboardsArgs
        from components.monitoring.model_monitoring import ModelMonitoring, ModelMonitoringArgs

        for model, config in args.config.served.items():
            watched = ModelMonitoringArgs(
                model=model,
                stack=args.stack,
                config=config,
                monitoring=args.config.monitoring,
                runtime=runtime_of(model, config),
                in_namespace=args.config.namespace,
                namespace=self.namespace,
                selector=names.selector_labels(args.stack, model),
            )
            # A chart brings the definitions of these objects.
            after = [installed] if installed is not None else None
            ModelMonitoring(model, watched, pulumi.ResourceOptions(parent=self.models[model], depends_on=after))
        shown = DashboardsArgs(config=args.config, namespace=self.namespace)
        Dashboards(name, shown, pulumi.ResourceOptions(parent=self))

    def _install_monitoring(self, args: ModelStackArgs) -> pulumi.Resource | None:
        """What watches, where this stack brings it along."""
        # Imported where it is needed, as above.
        opts = pulumi.ResourceOptions(parent=self)
        match args.config.monitoring.mode:
            case "install":
                from components.monitoring.stack import MonitoringStack, MonitoringStackArgs

                gpu_pools = {
                    name: (self.pools[name].plan, config.gpu)
                    for name, config in args.config.node_pools.items()
                    if config.provider != "stack" and config.gpu is not None
                }
                stack = MonitoringStackArgs(
                    config=args.config.monitoring,
                    alerts=args.config.alerts,
                    secrets=args.secrets,
                    stack=args.stack,
                    models=self.namespace,
                    gpu_pools=gpu_pools,
                )
                return MonitoringStack("monitoring", stack, opts)
            case "chart":
                from components.monitoring.chart import MonitoringChart, MonitoringChartArgs

                chart = MonitoringChartArgs(
                    config=args.config.monitoring,
                    alerts=args.config.alerts,
                    secrets=args.secrets,
                    stack=args.stack,
                    models=args.config.namespace,
                )
                return MonitoringChart("monitoring", chart, opts)
        return None

    def _collect_logs(self, args: ModelStackArgs, first: list[pulumi.Resource]) -> None:
        # Most stacks have none, and a preview waits for every import.
        from components.log_collection import LogCollection, LogCollectionArgs

        LogCollection(
            "logs",
            LogCollectionArgs(stack=args.stack, config=args.config, secrets=args.secrets),
            # A build that fails changes nothing in the cluster.
            pulumi.ResourceOptions(parent=self, depends_on=first),
        )

    def _gpu_pools(self, args: ModelStackArgs) -> Mapping[str, tuple[NodePool, GpuConfig]]:
        """The pools whose GPUs are a resource by software in the cluster; GKE brings its own, unless told not to."""
        return {
            name: (self.pools[name].plan, config.gpu)
            for name, config in args.config.node_pools.items()
            if config.provider != "stack" and config.gpu is not None
            if config.provider != "gke" or config.driver == "disabled"
        }

    def _pull_secret(self, name: str, args: ModelStackArgs) -> pulumi.Input[str] | None:
        """The name of the Secret with which nodes pull images, made here where the configuration has its content."""
        configured = args.config.registry.pull_secret if args.config.registry else None
        if configured is None or configured.config is None:
            return configured.name if configured else None
        secret = Secret(
            f"{name}-registry-login",
            metadata={"namespace": self.namespace, "labels": names.stack_labels()},
            type="kubernetes.io/dockerconfigjson",
            string_data={".dockerconfigjson": args.secrets[configured.config]},
            immutable=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return secret.metadata.apply(lambda metadata: metadata.name or "")


def _policies(stack: str, config: StackConfig) -> dict[str, network.Policy]:
    """The network policy of each model."""
    models = {name: settings.with_stack_wide(config, model) for name, model in config.served.items()}
    return {
        name: network.model_policy(
            model,
            runtime_of(name, model),
            config.network,
            names.selector_labels(stack, name),
            settings.destinations(config, model),
            config.monitoring.namespace if config.monitoring.on else None,
        )
        for name, model in models.items()
    }
