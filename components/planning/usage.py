"""What a stack asks of its cluster, in numbers that a person compares: the stack output `capacity`.

Where an autoscaler owns the replicas, a number is its smallest and its largest value: {"min": 2, "max": 6}.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from components.planning.capacity import Demand, PodRequest, Pool, nodes_needed
from components.planning.runtimes import runtime_of

if TYPE_CHECKING:
    from components.config import ModelConfig, PricesConfig


def demand_of(model: str, config: "ModelConfig") -> Demand:
    """The pods of a model."""
    requests = config.resources.filled(runtime_of(model, config).memory).requests
    return Demand(
        model=model,
        pod=PodRequest(cpu=requests.millicores, memory=requests.bytes),
        least=config.replicas.min,
        most=config.replicas.max,
        surge=config.rollout.max_surge,
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
        # A pool's own price is the more exact one: a spot node costs less than its machine type.
        price = prices.per_hour.get(pool.name, prices.per_hour.get(pool.machine_type or ""))
        if price is None or (count := nodes[pool.name]) is None:
            unpriced.append(f"nodePools.{pool.name}")
            continue
        least, most = (Decimal(str(price)) * number for number in count)
        report["pools"][pool.name]["costPerHour"] = _range(float(least), float(most))
        costs.append((least, most))
    if costs:
        report["total"]["costPerHour"] = _range(*(float(sum(sums)) for sums in zip(*costs, strict=True)))
    report["prices"] = {"currency": prices.currency, "date": prices.date, "unpriced": unpriced}
    return report


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
