"""Whether the pools of a stack can hold its models during an update: the arithmetic, in words and with ways out."""

from collections.abc import Iterator, Sequence

import pulumi

from components.config import ConfigError, NodePoolConfig, Problem, StackConfig
from components.config.problems import Commands, Path
from components.planning.capacity import Demand, NodeShape, PodRequest, Pool, Shortfall, shortfall
from components.planning.usage import asked_and_there


def check_capacity(stack: str, config: StackConfig) -> None:
    """Say what an update would have no room for, as loudly as `capacityCheck` has it.

    Raises:
        ConfigError: for "error".
    """
    if config.capacity_check == "off":
        return
    problems = list(_problems(stack, config, Commands(stack)))
    if problems and config.capacity_check == "error":
        raise ConfigError(stack, problems)
    for problem in problems:
        pulumi.log.warn(str(problem))


def _problems(stack: str, config: StackConfig, commands: Commands) -> Iterator[Problem]:
    """One for each pool that cannot hold an update of all of its models, or each model that no node of it can hold."""
    demands, pools = asked_and_there(stack, config)
    for pool in pools:
        bound = [demand for demand in demands if demand.pool == pool.name]
        found = shortfall(pool, bound)
        if found is None:
            continue
        if found.too_large:
            # A canary's pod is its model's.
            yield from (_too_large(pool, d) for d in bound if d.model in found.too_large and d.model in config.models)
        else:
            yield _too_many(pool, bound, found, config, commands)


def _too_large(pool: Pool, demand: Demand) -> Problem:
    return Problem(
        path=("models", demand.model),
        message=f"no node of pool {pool.name} can hold its pod: that asks for {_pod(demand.pod, pool.node)}; "
        f"a node has {_node(pool.node)}",
        fix="lower resources.requests, or name another pool",
    )


def _too_many(
    pool: Pool, demands: Sequence[Demand], found: Shortfall, config: StackConfig, commands: Commands
) -> Problem:
    limits = _limits(pool.name, config.node_pools[pool.name], found.nodes)
    pods = " and ".join(
        f"{demand.peak} pods of {demand.model} ({_count(demand.most, 'replica')} + {demand.peak - demand.most} of an "
        f"update), each {_pod(demand.pod, pool.node)}"
        for demand in demands
    )
    ways = [" and ".join(commands.set(path, least) for path, least in limits.items())]
    if found.in_place:
        settings = " and ".join(
            f"models.{model}.rollout.maxSurge" for model in found.in_place if model in config.models
        )
        ways.append(f"{settings}: 0 (a replica is then missing during an update)")
    if found.fewer:
        ways.append(f"at most {_count(found.fewer[1], 'replica')} of {found.fewer[0]}")
    return Problem(
        path=next(iter(limits)),
        message=f"an update could not be scheduled: {pods}, take {_count(found.nodes, 'node')} of {_node(pool.node)}, "
        f"and there are at most {pool.max_nodes}",
        fix=", or ".join(ways),
    )


def _limits(name: str, config: NodePoolConfig, nodes: int) -> dict[Path, int]:
    """The settings of a pool that allow fewer nodes, and their least values that would allow so many."""
    path: Path = ("nodePools", name)
    if config.provider == "stack" or config.provider == "existing":
        return {(*path, "maxNodes"): nodes}
    limits: dict[Path, int] = {}
    if config.max_nodes < nodes:
        limits[(*path, "maxNodes")] = nodes
    if config.max_gpus is not None and config.max_gpus < nodes * config.gpu.count:
        limits[(*path, "maxGpus")] = nodes * config.gpu.count
    return limits


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _pod(pod: PodRequest, node: NodeShape) -> str:
    """What of a pod's request counts on such a node."""
    return _amounts(
        pod.gpus if node.gpus is not None else None,
        pod.cpu if node.cpu is not None else None,
        pod.memory if node.memory is not None else None,
    )


def _node(node: NodeShape) -> str:
    return _amounts(node.gpus, node.cpu, node.memory)


def _amounts(gpus: int | None, cpu: int | None, memory: int | None) -> str:
    words = [
        _count(gpus, "GPU") if gpus is not None else "",
        f"cpu {cpu / 1000:g}" if cpu is not None else "",
        f"memory {memory / 2**30:.4g}Gi" if memory is not None else "",
    ]
    return ", ".join(filter(None, words))
