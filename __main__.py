"""The program of a stack: load its configuration, declare its models, export where they are."""

# ruff: noqa: E402 - the imports wait for gc.disable()
import gc

# The collector would walk through the SDK's thousands of classes again and again while they are imported, a tenth of
# the time that this takes, and finds nothing to free in a program that lives for seconds.
gc.disable()

import pulumi

from components.capacity_check import check_capacity
from components.chart_archives import fetch_charts
from components.cluster import cluster_provider
from components.config import StackConfig
from components.model_stack import ModelStack, ModelStackArgs
from components.planning.usage import asked_and_there, usage
from components.report import reported_user_errors

with reported_user_errors():
    config, secrets = StackConfig.load()
    check_capacity(pulumi.get_stack(), config)
    if config.image_signing is not None:
        from components.image_verification import verify_images

        verify_images(pulumi.get_stack(), config)
    args = ModelStackArgs(stack=pulumi.get_stack(), config=config, secrets=secrets)
    if config.cluster.docker:
        from components.docker_stack import DockerStack

        stack = DockerStack("models", args)
    else:
        fetch_charts(pulumi.get_stack(), config)
        provider = cluster_provider(config.cluster, secrets)
        if any(model.service.adopt for model in config.models.values()):
            from components.adoption_check import check_adoption

            check_adoption(pulumi.get_stack(), config, provider)
        stack = ModelStack("models", args, pulumi.ResourceOptions(provider=provider))
        pulumi.export("namespace", stack.namespace)
        pulumi.export("nodePools", {name: pool.plan.told() for name, pool in stack.pools.items()})
        if stack.watching is not None:
            pulumi.export("monitoring", stack.watching.told())
    # By the names of the stack file, which a renamed model does not have in the cluster.
    models = {name: stack.models[model.served_name(name)] for name, model in config.models.items()}
    pulumi.export("models", {name: served.summary() for name, served in models.items()})
    pulumi.export("capacity", usage(*asked_and_there(pulumi.get_stack(), config), config.prices))
