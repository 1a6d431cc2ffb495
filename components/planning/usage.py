"""What a stack asks of its cluster, in numbers that a person compares: the stack output `capacity`.

Where an autoscaler owns the replicas, a number is its smallest and its largest value: {"min": 2, "max": 6}.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from components.planning.capacity import Demand, NodeShape, PodRequest, Pool, nodes_needed
from components.planning.names import canary_name
from components.planning.pools import NodePool, gpus_of, node_pool
from components.planning.quantities import millicores, whole_bytes
from components.planning.runtimes import runtime_of

if TYPE_CHECKING:
    from components.config import ModelConfig, PricesConfig, StackConfig


def asked_and_there(stack: str, config: "StackConfig") -> tuple[list[Demand], list[Pool]]:
    """What the models of a stack ask for, and the nodes of its pools. Of other stacks' pools the nodes are theirs."""
    known = {name: node_pool(stack, name, pool) for name, pool in config.node_pools.items() if pool.provider != "stack"}
    demands: list[Demand] = []
    for name, model in config.models.items():
        demand = demand_of(name, model, known.get(model.node_pool or ""))
        demands.append(demand)
        if model.canary is not None:
            count = model.canary.replicas
            demands.append(replace(demand, model=canary_name(name), least=count, most=count))
    return demands, [pool_of(name, pool) for name, pool in known.items()]


def demand_of(model: str, config: "ModelConfig", pool: NodePool | None) -> Demand:
    """The pods of a model, which run in `pool` if its nodes are known."""
    requests = config.resources.filled(runtime_of(model, config).memory).requests
    return Demand(
        model=model,
        pod=PodRequest(
            # `filled` leaves no request open.
            cpu=millicores(requests.cpu or "0"),
            memory=whole_bytes(requests.memory or "0"),
            # Of another stack's pool it is not known here whether it has GPUs, only how many are asked for.
            gpus=gpus_of(config, pool) if pool else config.gpus or 0,
        ),
        least=config.replicas.min,
        most=config.replicas.max,
        surge=config.rollout.max_surge,
        pool=config.node_pool,
    )


def pool_of(name: str, pool: NodePool) -> Pool:
    """The nodes of a pool, as far as they are known."""
    return Pool(
        name=name,
        node=NodeShape(
            gpus=pool.gpus_per_node if pool.gpu_resource else None,
            cpu=millicores(pool.node_cpu) if pool.node_cpu else None,
            memory=whole_bytes(pool.node_memory) if pool.node_memory else None,
        ),
        machine_types=pool.machine_types,
        min_nodes=pool.min_nodes or 0,
        max_nodes=pool.max_nodes,
    )


def usage(demands: Sequence[Demand], pools: Sequence[Pool], prices: "PricesConfig | None") -> dict[str, Any]:
    """Replicas, GPUs, cores and GiB of memory of each model and of all; the nodes of each pool, and what they cost.

    An update's extra pods are not in it: they are gone when it is over. Without prices nothing is said about costs;
    with them, `unpriced` lists what they do not cover.
    """
    nodes = {pool.name: _nodes(pool, [demand for demand in demands if demand.pool == pool.name]) for pool in pools}
    report: dict[str, Any] = {
        "models": {demand.model: _amounts([demand]) for demand in demands},
        "pools": {name: {"nodes": _range(*count)} if count else {} for name, count in nodes.items()},
        "total": _amounts(demands),
    }
    if prices is None:
        return report
    costs: list[tuple[Decimal, Decimal]] = []
    unpriced = [f"models.{demand.model}" for demand in demands if demand.pool not in nodes]
    for pool in pools:
        price, count = _price(pool, prices), nodes[pool.name]
        if price is None or count is None:
            unpriced.append(f"nodePools.{pool.name}")
            continue
        least, most = (each * number for each, number in zip(price, count, strict=True))
        report["pools"][pool.name]["costPerHour"] = _range(float(least), float(most))
        costs.append((least, most))
    if costs:
        report["total"]["costPerHour"] = _range(*(float(sum(sums)) for sums in zip(*costs, strict=True)))
    report["prices"] = {"currency": prices.currency, "date": prices.date, "unpriced": unpriced}
    return report


def _price(pool: Pool, prices: "PricesConfig") -> tuple[Decimal, Decimal] | None:
    """The lowest and the highest price of a node per hour; None if one is not in the table.

    A pool's own price is the more exact one: a spot node costs less than its machine type.
    """
    names = (pool.name,) if pool.name in prices.per_hour else pool.machine_types
    found = [Decimal(str(prices.per_hour[name])) for name in names if name in prices.per_hour]
    return (min(found), max(found)) if found and len(found) == len(names) else None


def _amounts(demands: Sequence[Demand]) -> dict[str, Any]:
    """Sums over the pods of some models, at the fewest and at the most replicas."""
    ends = [[(d.pod, d.least) for d in demands], [(d.pod, d.most) for d in demands]]
    return {
        "replicas": _range(*(sum(count for _, count in pods) for pods in ends)),
        "gpus": _range(*(sum(pod.gpus * count for pod, count in pods) for pods in ends)),
        "cpu": _range(*(sum(pod.cpu * count for pod, count in pods) / 1000 for pods in ends)),
        "memoryGiB": _range(*(round(sum(pod.memory * count for pod, count in pods) / 2**30, 3) for pods in ends)),
    }


def _nodes(pool: Pool, demands: Sequence[Demand]) -> tuple[int, int] | None:
    """How many nodes of a pool the models keep busy, from the fewest replicas to the most; None: cannot be told."""
    counts = []
    for pods in ([(d.pod, d.least) for d in demands], [(d.pod, d.most) for d in demands]):
        needed = nodes_needed(pool.node, pods) if pods else 0
        if needed is None:
            return None
        counts.append(max(needed, pool.min_nodes))
    return counts[0], counts[1]


def _range(least: float, most: float) -> Any:
    return least if least == most else {"min": least, "max": most}
