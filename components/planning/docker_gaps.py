"""What a stack says, or a cluster gives it, that Docker on one machine has no counterpart for: said, not dropped."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.config import ModelConfig, StackConfig


def left_out(config: "StackConfig") -> Iterator[str]:
    """A line for each thing that is another here than in a cluster."""
    yield "Updates: a container is stopped before its successor answers. Nothing rolls, nothing is spread over nodes."
    yield "Probes: the health check is the readiness probe. A server that hangs is not restarted, one that ends is."
    yield "Services: a container has a port of 127.0.0.1 (`docker compose port`), and its model's name in the network."
    yield "/tmp is in memory, and counts as such. What is requested of CPU is told, not reserved."  # noqa: S108
    if config.network.default_deny:
        yield "network.defaultDeny: containers reach each other, and whatever this machine reaches."
    if config.registry is not None and config.registry.pull_secret is not None:
        yield "registry.pullSecret: images are pulled with this machine's own login (`docker login`)."
    if config.monitoring.on:
        asks = "docker.prometheus" if config.docker.prometheus is not None else "nothing"
        yield f"monitoring: {asks} asks for the metrics, and nothing alerts."
    if config.charts:
        yield f"charts ({', '.join(config.charts)}): not installed."
    if config.node_pools:
        yield f"nodePools ({', '.join(config.node_pools)}): there is one node, this machine, with the GPUs that it has."
    if config.gpu_support is not None:
        yield "gpuSupport: GPUs need NVIDIA's container toolkit on this machine."
    for name, model in config.models.items():
        yield from (f"models.{name}.{line}" for line in _of_model(model, config))


def _of_model(model: "ModelConfig", config: "StackConfig") -> Iterator[str]:
    pool = config.node_pools.get(model.node_pool or "")
    if model.replicas.scaled:
        yield f"replicas: nothing scales by load; {model.replicas.min} run (`docker compose up --scale`)."
    gpu = pool.gpu if pool is not None and pool.provider != "stack" else None
    if gpu is not None and (gpu.mig or gpu.time_slicing):
        yield "nodePool: slices of a GPU are whole GPUs."
    if model.ingress is not None:
        yield f"ingress: {model.ingress.host} does not lead here."
    if model.route is not None:
        yield f"route: {model.route.host} does not lead here."
    if model.canary is not None:
        yield "canary: nothing divides requests, so it does not run."
    if model.service.type == "LoadBalancer":
        yield "service: nothing balances the load of several containers from outside."
    for key, value in (("disruptionBudget", model.disruption_budget), ("priorityClass", model.priority_class)):
        if value is not None:
            yield f"{key}: there are no nodes to drain or share."
    if model.slo is not None:
        yield "slo: nothing alerts."
    if model.identity is not None:
        yield "identity: a container has no account of a cloud."
    if model.network.allow_from or model.network.allow_to:
        yield "network: there are no policies to make holes in."
    if model.files is not None and model.files.image is not None and model.files.mount == "imageVolume":
        yield "files: copied out of their image into a volume."
    if model.files is not None and model.files.claim is not None:
        yield f"files: `docker volume create {model.files.claim}`, and put them there."
